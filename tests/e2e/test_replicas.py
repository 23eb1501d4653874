"""Two classifiers on one PostgreSQL behind gRPC's balancing: what one does the other knows, and one may be killed."""

import contextlib
import re
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lastlayer.classifier.domain.types import Backbone, NewExample, Tap
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.client import Client
from lastlayer.local.services import Service, free_port
from lastlayer.testing.tiny_backbone import TAPS
from tests.compose.load import load
from tests.e2e.conftest import json_lines, new_classifier, run_client
from tests.e2e.test_processes import COLOURS, write_photos
from tests.postgres import needs_postgres

pytestmark = [needs_postgres, pytest.mark.long]

WAIT_S = 120


class Replica:
    """A classifier, and what its metrics say."""

    def __init__(self, service: Service, metrics: str) -> None:
        self.service = service
        self._metrics = metrics

    @property
    def trains(self) -> bool:
        with urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=10) as answer:
            [count] = re.findall(r"^classifier_trainings_in_progress (\S+)", answer.read().decode(), re.MULTILINE)
        return float(count) > 0


@pytest.fixture
def replicas(featurizer: Service, postgres_url: str, tmp_path: Path) -> Iterator[list[Replica]]:
    with contextlib.ExitStack() as stack:
        started = []
        for number in range(2):
            metrics = f"127.0.0.1:{free_port()}"
            settings = {"CLASSIFIER_STORE_URL": postgres_url, "CLASSIFIER_METRICS_ADDRESS": metrics}
            service = new_classifier(featurizer, tmp_path / f"state-{number}")
            service.environment = {**service.environment, **settings}
            stack.callback(service.stop)
            service.start()
            started.append(Replica(service, metrics))
        for replica in started:
            replica.service.wait_until_serving(WAIT_S)
        yield started


def both(replicas: list[Replica]) -> str:
    return ",".join(replica.service.address for replica in replicas)


def store_what_takes_long_to_train_on(store_url: str, digest: str) -> None:
    """Store a dataset `large` of features that no class can be told by."""
    random = np.random.default_rng(1)
    backbone = Backbone("tiny", digest, tuple(Tap(name, name == "scores", size) for name, size in TAPS.items()))
    database = Database(store_url)
    try:
        for start in range(0, 6_000, 2_000):
            DatasetStore(database).add(
                "large",
                backbone,
                [
                    NewExample(
                        f"{number}",
                        number.to_bytes(32),
                        f"class {number % 10}",
                        {name: random.random(size).astype(np.float32) for name, size in TAPS.items()},
                    )
                    for number in range(start, start + 2_000)
                ],
            )
    finally:
        database.close()


def test_what_one_trains_the_other_serves(replicas: list[Replica], tmp_path: Path) -> None:
    write_photos(tmp_path / "train", each=4)
    first, second = (replica.service.address for replica in replicas)
    json_lines(run_client(both(replicas), "train", str(tmp_path / "train"), "--json"))
    photo = str(tmp_path / "train/blue/000.jpg")
    for server in (first, second):
        [predicted] = json_lines(run_client(server, "predict", photo, "--json"))
        assert (predicted["label"], predicted["version"]) == ("blue", 1)

    with ThreadPoolExecutor(4) as threads:
        servers = [first, second, first, second]
        trained = list(threads.map(lambda server: train(server, "default"), servers))
    assert sorted(trained) == [2, 3, 4, 5]
    with Client(second) as client:
        client.set_default_version("default", 1)
    with Client(first) as client:
        assert client.predict([photo])[0].version == 1


def train(server: str, model: str, dataset: str = "") -> int:
    with Client(server) as client:
        return client.train(model, dataset=dataset).version


def test_one_is_killed_while_it_trains_and_both_predict(
    replicas: list[Replica],
    postgres_url: str,
    tmp_path: Path,
) -> None:
    write_photos(tmp_path / "train", each=4)
    servers = both(replicas)
    json_lines(run_client(servers, "train", str(tmp_path / "train"), "--json"))
    with Client(servers) as client:
        store_what_takes_long_to_train_on(postgres_url, client.get_version("default").backbone_digest)
    photos = {tmp_path / f"train/{label}/000.jpg": label for label in COLOURS}
    with load(servers, photos) as counts, ThreadPoolExecutor(1) as threads:
        training = threads.submit(train, servers, "large", "large")
        busy = wait_for_one_that_trains(replicas)
        busy.service.kill()
        assert training.result(WAIT_S) == 1  # by the other one, which the client asked again
        busy.service.start()
        busy.service.wait_until_serving(WAIT_S)
    assert counts.sent > 0
    assert (counts.failed, counts.wrong) == (0, 0), counts.errors
    with Client(busy.service.address) as client:
        assert client.get_model("large").default_version == 1
        assert [version.version for version in client.list_versions("large")] == [1]


def wait_for_one_that_trains(replicas: list[Replica]) -> Replica:
    deadline = time.monotonic() + WAIT_S
    while not (busy := [replica for replica in replicas if replica.trains]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return busy[0]
