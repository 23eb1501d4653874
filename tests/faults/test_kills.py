"""Either service is killed (SIGKILL) at random moments of add, train and predict: nothing acknowledged is ever lost."""

import hashlib
import random
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lastlayer.client import Client, ExampleOutcome, LabelledImage, ServerError
from lastlayer.local.services import Service
from tests.faults.conftest import Record
from tests.faults.photos import Photo

ROUNDS = 50
NEW_PHOTOS = 9
"""How many images each round adds."""


@dataclass
class Acknowledged:
    """What the services said was done."""

    examples: set[bytes] = field(default_factory=set)
    """The sha256 of the images of acknowledged examples."""
    versions: set[int] = field(default_factory=set)


def test_killed_at_random_moments_of_add_train_and_predict(
    pair: tuple[Service, Service], photos: Sequence[Photo], tmp_path: Path, record: Record
) -> None:
    classifier = pair[1]
    seeded = random.Random(5)
    acknowledged = Acknowledged()
    recovered_s: dict[str, list[float]] = {"featurizer": [], "classifier-svc": []}
    with Client(classifier.address, timeout_s=60) as client:
        started = time.monotonic()
        work(client, photos[:NEW_PHOTOS], acknowledged)
        typical_s = time.monotonic() - started
        for number in range(1, ROUNDS + 1):
            [victim] = seeded.choices(pair, weights=(1, 2))  # the featurizer takes its time to start
            fresh = photos[number * NEW_PHOTOS : (number + 1) * NEW_PHOTOS]
            killer = threading.Timer(seeded.uniform(0, 1.2 * typical_s), victim.kill)
            killer.start()
            # It may get through where it retries, or where it is done before.
            with suppress(ServerError):
                work(client, fresh, acknowledged)
            killer.join()
            killed = time.monotonic()
            victim.start()
            victim.wait_until_serving(60)
            check(client, acknowledged)
            # The next run does the rest; a featurizer that is back takes the classifier a moment to see.
            again(client, fresh, acknowledged)
            recovered_s[victim.script].append(time.monotonic() - killed)
            assert {sha256(photo) for photo in photos[: (number + 1) * NEW_PHOTOS]} == acknowledged.examples
        check(client, acknowledged)
        versions = {version.version for version in client.list_versions("default")}
    assert versions >= acknowledged.versions
    assert classifier.stop() == 0
    with sqlite3.connect(tmp_path / "state/store/lastlayer.db") as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert store.execute("PRAGMA foreign_key_check").fetchall() == []
    store.close()
    lost = f"0 of {len(acknowledged.examples)} examples, 0 of {len(acknowledged.versions)} versions"
    for script, times in recovered_s.items():
        record(f"{script} killed in add, train, predict", len(times), lost, times)


def work(client: Client, fresh: Sequence[Photo], acknowledged: Acknowledged) -> None:
    """Add images, train, and predict; note what was acknowledged as it comes."""
    digests = {str(photo.path): sha256(photo) for photo in fresh}

    def hear(outcome: ExampleOutcome) -> None:
        assert outcome.status in ("added", "present"), outcome
        acknowledged.examples.add(digests[outcome.image])

    client.add_examples([LabelledImage(photo.path, photo.label) for photo in fresh], on_outcome=hear)
    acknowledged.versions.add(client.train().version)
    for prediction, photo in zip(client.predict([photo.path for photo in fresh]), fresh, strict=True):
        assert prediction.label == photo.label


def again(client: Client, fresh: Sequence[Photo], acknowledged: Acknowledged) -> None:
    """Do the same once more, as soon as it can be done."""
    deadline = time.monotonic() + 60
    while True:
        try:
            work(client, fresh, acknowledged)
        except ServerError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def check(client: Client, acknowledged: Acknowledged) -> None:
    """All that was acknowledged is there, and no version is half."""
    stored = {example.sha256 for example in client.list_examples("default")}
    assert stored >= acknowledged.examples
    versions = {version.version for version in client.list_versions("default")}
    assert versions >= acknowledged.versions
    for version in sorted(versions)[-3:]:
        assert client.get_head("default", version).classes


def sha256(photo: Photo) -> bytes:
    return hashlib.sha256(photo.path.read_bytes()).digest()


def test_the_classifier_starts_without_a_featurizer_and_recovers_by_itself(
    pair: tuple[Service, Service], photos: Sequence[Photo], record: Record
) -> None:
    """The featurizer is away for 30 s; the classifier's other work goes on, and it is started without it too."""
    featurizer, classifier = pair
    failures, codes = 0, set()
    with Client(classifier.address, timeout_s=5) as client:
        work(client, photos[:NEW_PHOTOS], Acknowledged())
        featurizer.kill()
        away = time.monotonic()
        classifier.stop()
        classifier.start()
        classifier.wait_until_serving(60)
        while time.monotonic() - away < 30:
            assert [model.name for model in client.list_models()] == ["default"]
            assert client.status().services["featurizer"] == "NOT_SERVING"
            asked = time.monotonic()
            try:
                client.predict([photos[0].path])
            except ServerError as error:
                codes.add(error.code)
                assert time.monotonic() - asked < 10
                failures += 1
        featurizer.start()
        featurizer.wait_until_serving(60)
        back = time.monotonic()
        again(client, photos[:NEW_PHOTOS], Acknowledged())
        record("featurizer away for 30 s", 1, f"{failures} predictions failed in time", [time.monotonic() - back])
    assert failures > 2
    assert codes <= {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
