"""The whole story in containers, step after step: each goes on where the one before it ended (run it with -x)."""

import dataclasses
import itertools
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import grpc
import pytest
from PIL import Image

from lastlayer.client import Client, Security
from lastlayer.client.errors import AccessError, ClientError, ServerUnavailableError
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2
from tests.compose.base_image import bytes_on_top
from tests.compose.engine import Engine
from tests.compose.load import Counts, load
from tests.compose.photos import Photos
from tests.compose.project import POLL_S, ROOT, Project
from tests.programs import run
from tools import tags

Record = Callable[[str, object], None]

MB = 1e6
MAX_BYTES_ON_TOP = {"client": 200 * MB, "classifier": 450 * MB, "featurizer": 1100 * MB}


@pytest.mark.parametrize("service", ["client", "classifier", "featurizer", "studio"])
def test_build(service: str, project: Project, record_property: Record) -> None:
    project.compose("--profile", "client", "build", service, timeout_s=1800)
    size = bytes_on_top(project.engine, f"lastlayer-{service}:{tags.version()}")
    record_property("result", f"{size / MB:.0f} MB on top of the base image")
    assert size < MAX_BYTES_ON_TOP.get(service, float("inf"))


@pytest.mark.parametrize(
    ("service", "foreign"),
    [
        ("client", "tensorflow sklearn"),
        ("classifier", "tensorflow"),
        ("featurizer", "sklearn"),
        ("studio", "tensorflow"),
    ],
)
def test_image_holds_only_what_is_its_own(service: str, foreign: str, project: Project) -> None:
    program = (
        "import importlib.util, os, sys;"
        "print(os.getuid(), [name for name in sys.argv[1:] if importlib.util.find_spec(name)])"
    )
    python = ["--entrypoint", "python", f"lastlayer-{service}:{tags.version()}", "-c", program]
    assert project.engine.docker("run", "--rm", *python, *foreign.split()).strip() == "10001 []"


def test_up(project: Project, photos: Photos, record_property: Record) -> None:
    project.compose("up", "--detach", timeout_s=1800)
    project.wait_until_healthy("featurizer")
    project.wait_until_healthy("classifier")
    project.wait_until_healthy("studio")
    [featurizer], [classifier] = project.containers("featurizer"), project.containers("classifier")
    checks = project.inspect(featurizer)["State"]["Health"]["Log"]
    healthy = next(check["End"] for check in checks if check["ExitCode"] == 0)
    assert healthy < project.inspect(classifier)["State"]["StartedAt"]
    assert f"fetching {'/mirror/' if photos.mirror else ''}" in project.logs("featurizer", 1000)
    record_property("result", f"with {project.version()}")


@pytest.mark.parametrize("service", ["featurizer", "classifier", "studio"])
def test_container_is_confined(service: str, project: Project) -> None:
    [container] = project.containers(service)
    found = project.inspect(container)
    host = found["HostConfig"]
    assert found["Config"]["User"] == "10001:10001"
    assert (host["ReadonlyRootfs"], host["Init"], host["Privileged"]) == (True, True, False)
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    published = [entry for entries in found["NetworkSettings"]["Ports"].values() for entry in entries or ()]
    assert {entry["HostIp"] for entry in published} <= {"127.0.0.1"}


def test_the_page_is_served(page: str) -> None:
    with urllib.request.urlopen(page, timeout=60) as answer:
        assert b"<title>Lastlayer</title>" in answer.read()
    with urllib.request.urlopen(f"{page}/v1/status", timeout=60) as answer:
        assert set(json.load(answer)["services"].values()) == {"SERVING"}


def test_train_in_the_clients_container(project: Project, record_property: Record) -> None:
    trained = json.loads(project.client("train", "train.tsv", "--json").splitlines()[-1])
    record_property("result", f"{trained['examples']} examples, classes {', '.join(trained['classes'])}")
    assert trained["version"] == 1


def test_predict_in_the_clients_container(project: Project, photos: Photos, record_property: Record) -> None:
    lines = project.client("predict", *photos.held_out, "--json").splitlines()
    predicted = [json.loads(line) for line in lines if line.startswith("{")]
    record_property("result", ", ".join(f"{entry['label']} {entry['score']:.3f}" for entry in predicted))
    assert {entry["image"]: entry["label"] for entry in predicted} == photos.held_out


def test_clients_container_writes_into_the_folder(project: Project, photos: Photos, record_property: Record) -> None:
    uid = os.getuid() or 12345  # whoever the folder belongs to, and not root
    before = photos.folder.stat().st_uid
    os.chown(photos.folder, uid, -1)
    try:
        project.client("explain", next(iter(photos.held_out)), "-o", "why.png")
        project.client("report", "default", "-o", "report.html")
        project.client("export", "default", "--to", "head.onnx")
    finally:
        os.chown(photos.folder, before, -1)
    written = [photos.folder / name for name in ("why.png", "report.html", "head.onnx")]
    with Image.open(written[0]) as picture:
        sizes = ", ".join(f"{file.name} {file.stat().st_size / 1e3:.0f} KB" for file in written)
        record_property("result", f"{sizes}; the picture has {picture.width} x {picture.height} pixels")
    assert {file.stat().st_uid for file in written} == {uid}


def test_clients_container_has_nothing_but_its_user(project: Project, photos: Photos, tmp_path: Path) -> None:
    """A program in the client's place shows who it would be; the owner of the folder is root here, or who tests."""
    shows = tmp_path / "shows"
    shows.write_text("#!/bin/sh\nexec grep -E '^(Uid|Groups|Cap|NoNewPrivs)' /proc/self/status\n")
    shows.chmod(0o755)
    tmp_path.chmod(0o755)
    printed = project.compose("run", "--rm", "-T", "-v", f"{shows}:/opt/lastlayer/bin/client:ro", "client")
    status = {key: value.split() for key, value in re.findall(r"^(\w+):\t*(.*)$", printed, re.MULTILINE)}
    assert status["Uid"] == [str(photos.folder.stat().st_uid)] * 4
    assert (status["Groups"], status["NoNewPrivs"]) == ([], ["1"])
    assert {status[name][0] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}


def test_vectors_from_the_host(project: Project, photos: Photos, record_property: Record) -> None:
    [container] = project.containers("featurizer")
    [published] = project.inspect(container)["NetworkSettings"]["Ports"]["50051/tcp"]
    assert published["HostIp"] == "127.0.0.1"
    image = types_pb2.Image(content=next(iter(paths(photos))).read_bytes())
    with grpc.insecure_channel(f"127.0.0.1:{published['HostPort']}") as channel:
        stub = featurizer_pb2_grpc.FeaturizerStub(channel)
        [result] = stub.Featurize(featurizer_pb2.FeaturizeRequest(images=[image]), timeout=60).results
    sizes = [len(vector.values) // 4 for vector in result.features.vectors]
    record_property("result", f"vectors of {' and '.join(map(str, sizes))} numbers")
    assert sizes
    assert min(sizes) > 0


def test_predict_from_the_host(project: Project, server: str, photos: Photos, record_property: Record) -> None:
    command = [str(Path(sys.executable).parent / "client"), "predict", *photos.held_out, "--server", server]
    done = subprocess.run(command, cwd=photos.folder, capture_output=True, text=True, check=False)
    record_property("result", done.stdout.strip().splitlines()[-1] if done.stdout else "")
    assert done.returncode == 0, done.stderr


def test_killed_featurizer_comes_back(project: Project, server: str, photos: Photos, record_property: Record) -> None:
    [container] = project.containers("featurizer")
    started = time.monotonic()
    with load(server, paths(photos)) as counts:
        until(lambda: counts.sent > 0)
        # All processes but the first, which is the init of the container and ends with them.
        project.engine.docker("exec", container, "sh", "-c", "kill -9 -1", check=False)
        until(lambda: project.inspect(container)["RestartCount"] == 1)
        project.wait_until_healthy("featurizer")
        back_s = time.monotonic() - started
        until_right(server, photos)
    record_property("result", f"healthy again after {back_s:.0f} s; {counts}")
    assert counts.wrong == 0
    assert all("featurizer" in error for error in counts.errors), counts.errors


def test_network_cut_between_the_two_heals(
    project: Project, server: str, photos: Photos, record_property: Record
) -> None:
    [featurizer], [classifier] = project.containers("featurizer"), project.containers("classifier")
    network = f"{project.name}_default"
    with load(server, paths(photos)) as counts:
        until(lambda: counts.sent > 0)
        project.engine.docker("network", "disconnect", network, featurizer)
        with Client(server) as client:
            until(lambda: counts.failed > 0)
            assert [model.name for model in client.list_models()] == ["default"]  # needs no featurizer
        assert project.health(classifier) == "healthy"
        project.engine.docker("network", "connect", "--alias", "featurizer", network, featurizer)
        healed = time.monotonic()
        until_right(server, photos)
        healed_s = time.monotonic() - healed
    record_property("result", f"right again {healed_s:.0f} s after the cut was mended; {counts}")
    assert counts.wrong == 0
    assert all("featurizer" in error for error in counts.errors), counts.errors


def test_rolling_restart_fails_no_prediction(
    project: Project, server: str, photos: Photos, record_property: Record
) -> None:
    project.compose("up", "--detach", "--no-recreate", "--scale", "featurizer=2")
    project.wait_until_healthy("featurizer", 2)
    with load(server, paths(photos)) as counts:
        for container in project.containers("featurizer"):
            project.engine.docker("restart", "--time", "30", container)
            project.wait_until_healthy("featurizer", 2)
            until(partial(sent_more, counts, counts.sent + 10))
    record_property("result", f"two featurizers: {counts}")
    assert (counts.failed, counts.wrong) == (0, 0), counts.errors


def test_down_and_up_keeps_the_data(project: Project, server: str, photos: Photos, record_property: Record) -> None:
    project.compose("down")
    assert not project.containers("classifier")
    project.compose("up", "--detach")
    project.wait_until_healthy("classifier")
    assert "fetching" not in project.logs("featurizer", 1000)
    with Client(server) as client:
        [dataset] = client.list_datasets()
        predicted = {photo.name: client.predict([photo])[0].label for photo in paths(photos)}
    record_property("result", f"{dataset.example_count} examples, version 1 still predicts")
    assert predicted == photos.held_out


def test_tls_and_tokens(project: Project, server: str, photos: Photos, tmp_path: Path, record_property: Record) -> None:
    run([str(ROOT / "deploy/make-dev-ca.sh"), str(tmp_path / "tls")])
    secured = dataclasses.replace(
        project,
        files=("docker-compose.yml", "docker-compose.tls.yml"),
        environment={**project.environment, "LASTLAYER_TLS": str(tmp_path / "tls")},
    )
    secured.compose("up", "--detach")
    secured.wait_until_healthy("featurizer")
    secured.wait_until_healthy("classifier")
    lines = secured.client("predict", *photos.held_out, "--json").splitlines()
    predicted = [json.loads(line) for line in lines if line.startswith("{")]
    assert {entry["image"]: entry["label"] for entry in predicted} == photos.held_out
    security = Security(ca=tmp_path / "tls/ca.pem", token=tmp_path / "tls/client.token")
    with Client(server, security=security) as client:
        assert [model.name for model in client.list_models()] == ["default"]
    with Client(server, security=Security(ca=tmp_path / "tls/ca.pem")) as client, pytest.raises(AccessError):
        list(client.list_models())
    with Client(server) as client, pytest.raises(ServerUnavailableError, match="hangs up"):
        list(client.list_models())
    record_property("result", "with its token the client predicts; without one or without TLS nobody is let in")
    project.compose("up", "--detach")
    project.wait_until_healthy("classifier")


def test_stops_within_the_grace_period(project: Project) -> None:
    project.wait_until_healthy("studio")  # the last to start; before it handles signals, its status would be 143
    for service in ("studio", "classifier", "featurizer"):
        [container] = project.containers(service)
        project.compose("stop", service)
        state = project.inspect(container)["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), project.logs(service)


def test_the_other_compose(
    project: Project,
    container_engine: Engine,
    settings: dict[str, str],
    server: str,
    photos: Photos,
    record_property: Record,
) -> None:
    if len(container_engine.composes) < 2:
        pytest.skip("only one version of Compose is there")
    project.compose("down")
    other = Project(container_engine, container_engine.composes[1], settings)
    other.compose("--profile", "client", "build", timeout_s=1800)
    other.compose("up", "--detach", timeout_s=1800)
    try:
        other.wait_until_healthy("classifier")
        lines = other.client("predict", *photos.held_out, "--json").splitlines()
        predicted = [json.loads(line) for line in lines if line.startswith("{")]
        assert {entry["image"]: entry["label"] for entry in predicted} == photos.held_out
    finally:
        other.compose("down")
    record_property("result", f"with {other.version()}")


def paths(photos: Photos) -> dict[Path, str]:
    return {photos.folder / name: label for name, label in photos.held_out.items()}


def sent_more(counts: Counts, than: int) -> bool:
    return counts.sent > than


def until(condition: Callable[[], bool], timeout_s: float = 180) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(POLL_S)


def until_right(server: str, photos: Photos) -> None:
    """Return once each photo is predicted right."""
    with Client(server) as client:
        for photo, label in paths(photos).items():
            for attempt in itertools.count(1):
                try:
                    assert client.predict([photo])[0].label == label
                    break
                except ClientError:
                    if attempt == 60:
                        raise
                    time.sleep(POLL_S)
