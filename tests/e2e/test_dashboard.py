"""Every query of the dashboard finds something among what the services export: asked of a real Prometheus."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from lastlayer.client.transport.channel import open_channel
from lastlayer.local.services import free_port, running_services
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2
from tests.e2e.conftest import run_client
from tests.e2e.test_processes import write_photos
from tests.programs import can_use_debian, debian_package

pytestmark = pytest.mark.long

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "lastlayer.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
SCRAPE_S = 1
TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def prometheus_program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program; out of Debian's package, which is not installed, where this machine has none."""
    if found := shutil.which("prometheus"):
        return found
    if not can_use_debian():
        pytest.skip("NO QUERY WAS CHECKED: there is no prometheus")
    return str(debian_package("prometheus", tmp_path_factory.mktemp("prometheus")) / "usr/bin/prometheus")


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Iterator[dict[str, str]]:
    """Both services, after some use and failures; where each exports its metrics."""
    folder = tmp_path_factory.mktemp("services")
    addresses = {"featurizer": f"127.0.0.1:{free_port()}", "classifier": f"127.0.0.1:{free_port()}"}
    environment = {
        "LASTLAYER_BACKBONE": str(tiny_backbone),
        "LASTLAYER_HOME": str(folder / "home"),
        "FEATURIZER_METRICS_ADDRESS": addresses["featurizer"],
        "CLASSIFIER_METRICS_ADDRESS": addresses["classifier"],
    }
    with running_services(folder / "state", environment=environment) as (_, classifier):
        write_photos(folder / "photos", 20)  # enough for drift to be told
        photo = str(next((folder / "photos").rglob("*.png")))
        assert run_client(classifier.address, "train", str(folder / "photos")).returncode == 0
        photos = [str(path) for path in (folder / "photos").rglob("*.*")]
        assert run_client(classifier.address, "predict", *photos).returncode == 0  # over a stream
        with open_channel(classifier.address) as channel:
            image = types_pb2.Image(content=Path(photo).read_bytes())
            stub = classifier_pb2_grpc.ClassifierStub(channel)
            stub.Predict(classifier_pb2.PredictRequest(model="default", images=[image]), timeout=60)
            with pytest.raises(grpc.RpcError):
                stub.Predict(classifier_pb2.PredictRequest(model="missing", images=[image]), timeout=60)
        yield addresses


@pytest.fixture(scope="module")
def prometheus(
    prometheus_program: str, metrics: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A Prometheus with the deployed configuration, but for how often and where it scrapes; yields its URL."""
    folder = tmp_path_factory.mktemp("data")
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    config["global"] = dict.fromkeys(config["global"], f"{SCRAPE_S}s")
    for job in config["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [metrics[job["job_name"]]]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [prometheus_program, *options, f"--web.listen-address={address}"], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + TIMEOUT_S
        # Rates need samples from before and after some time.
        while not ask(f"http://{address}", f"min(count_over_time(up[1m])) >= 5 and count(up == 1) == {len(metrics)}"):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def ask(url: str, query: str) -> list[Any]:
    """Return the result of a query: empty where nothing is found or nobody answers."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}") as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
            return found
    except urllib.error.HTTPError as error:
        if error.code == 503:  # it is starting
            return []
        raise AssertionError(f"{query}: {error.read().decode()}") from error
    except urllib.error.URLError:
        return []


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[f"{title}: {query}" for title, query in QUERIES])
def test_query_finds_something(title: str, query: str, prometheus: str) -> None:
    assert ask(prometheus, query.replace("$__rate_interval", f"{30 * SCRAPE_S}s")), title


def test_panels_are_told_apart() -> None:
    assert len({panel["id"] for panel in PANELS}) == len({panel["title"] for panel in PANELS}) == len(PANELS)
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"prometheus"}
