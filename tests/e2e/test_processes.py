"""The main job through real processes, and what happens when one of them is killed."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lastlayer.client import Client
from lastlayer.client.errors import ClientError
from lastlayer.local.services import Service
from lastlayer.rpc.probe import is_serving
from tests.e2e.conftest import client_command, json_lines, run_client, running_classifier

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 210)}


def write_photos(folder: Path, each: int, side: int = 64) -> None:
    """Write noisy images of three colours, one folder a colour; those with an odd number as PNG."""
    random = np.random.default_rng(7)
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for number in range(each):
            noise = random.integers(-30, 30, (side, side, 3), dtype=np.int16)
            pixels = np.clip(np.array(colour, np.int16) + noise, 0, 255).astype(np.uint8)
            ending = "png" if number % 2 else "jpg"
            Image.fromarray(pixels).save(folder / label / f"{number:03}.{ending}", compress_level=1)


@pytest.fixture(scope="module")
def server(featurizer: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a classifier that the tests share, each with a model of its own; it stops with status 0."""
    with running_classifier(featurizer, tmp_path_factory.mktemp("server")) as shared:
        yield shared.address
        assert shared.stop() == 0


def test_train_evaluate_and_predict(server: str, tmp_path: Path) -> None:
    write_photos(tmp_path / "train", each=6)
    write_photos(tmp_path / "other", each=2)

    [trained] = json_lines(run_client(server, "train", str(tmp_path / "train"), "--json"))
    assert (trained["model"], trained["version"], trained["examples"]) == ("default", 1, 18)
    assert sorted(trained["classes"]) == sorted(COLOURS)
    assert trained["metrics"]["estimate"] == "cross-validation"

    [evaluated] = json_lines(run_client(server, "evaluate", str(tmp_path / "other"), "--json"))
    assert (evaluated["examples"], evaluated["accuracy"]) == (6, 1.0)

    [predicted] = json_lines(run_client(server, "predict", str(tmp_path / "other/blue/000.jpg"), "--json"))
    assert predicted["label"] == "blue"
    assert sum(entry["score"] for entry in predicted["scores"]) == pytest.approx(1)

    status = run_client(server, "status")
    assert status.returncode == 0, status.stderr


def test_one_bad_image_fails_alone(server: str, tmp_path: Path) -> None:
    write_photos(tmp_path / "train", each=3)
    (tmp_path / "train/red/broken.jpg").write_bytes(b"<html>not found</html>")
    trained = run_client(server, "train", str(tmp_path / "train"), "--model", "bad")
    assert trained.returncode == 1
    assert "broken.jpg" in trained.stderr + trained.stdout
    assert "looks like an HTML page" in (trained.stderr + trained.stdout).replace("look like", "looks like")
    with Client(server) as client:
        assert client.get_dataset("bad").example_count == 9


def test_a_large_photo_just_works(server: str, tmp_path: Path) -> None:
    """More than 12 MB, three times what gRPC takes by default."""
    write_photos(tmp_path / "train", each=2)
    json_lines(run_client(server, "train", str(tmp_path / "train"), "--model", "large", "--json"))
    noise = np.random.default_rng(1).integers(0, 256, (2000, 2400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png", compress_level=1)
    assert (tmp_path / "large.png").stat().st_size > 12_000_000
    [predicted] = json_lines(run_client(server, "predict", str(tmp_path / "large.png"), "--model", "large", "--json"))
    assert predicted["label"] in COLOURS


@pytest.mark.long
def test_a_killed_classifier_loses_nothing_and_the_next_run_resumes(classifier: Service, tmp_path: Path) -> None:
    # Large enough that decoding takes a while: there is a middle in which to kill.
    write_photos(tmp_path / "train", each=12, side=900)
    command = client_command(classifier.address, "train", str(tmp_path / "train"))
    with subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        assert first.stderr is not None
        # The client tells of images as they are acknowledged.
        told = next(line for line in first.stderr if line.startswith("Adding: "))
        classifier.kill()
        output, errors = first.communicate(timeout=120)
    acknowledged = int(told.split()[1])
    assert first.returncode == 3, (output, errors)

    classifier.start()
    classifier.wait_until_serving(60)
    with Client(classifier.address) as client:
        before = client.get_dataset("default").example_count
    assert acknowledged <= before < 36

    second = run_client(classifier.address, "train", str(tmp_path / "train"))
    assert second.returncode == 0, second.stderr
    assert f"Dataset default: {36 - before} added, {before} already there" in second.stdout
    with Client(classifier.address) as client:
        assert client.get_dataset("default").example_count == 36


@pytest.mark.long
def test_without_a_featurizer_models_are_listed_and_predictions_fail_clearly(
    own_services: tuple[Service, Service], tmp_path: Path
) -> None:
    featurizer, classifier = own_services
    write_photos(tmp_path / "train", each=2)
    json_lines(run_client(classifier.address, "train", str(tmp_path / "train"), "--json"))
    featurizer.kill()
    assert is_serving(classifier.address)
    assert "default" in run_client(classifier.address, "models").stdout
    failed = run_client(classifier.address, "predict", str(tmp_path / "train/red/000.jpg"), "--timeout", "5")
    assert failed.returncode == 3
    assert f"The featurizer at {featurizer.address} is not available." in failed.stderr

    featurizer.start()
    featurizer.wait_until_serving(120)
    [predicted] = json_lines(run_client(classifier.address, "predict", str(tmp_path / "train/red/000.jpg"), "--json"))
    assert predicted["label"] == "red"


def test_a_taken_port_is_said_in_a_sentence(server: str, tmp_path: Path) -> None:
    environment = {"CLASSIFIER_ADDRESS": server, "LASTLAYER_HOME": str(tmp_path)}
    second = Service("classifier-svc", server, tmp_path / "second.log", environment)
    second.start()
    assert second.process is not None
    assert second.process.wait(60) == 1
    assert f"Error: Cannot listen on {second.address}: another program uses the port" in second.log.read_text()


def test_an_unreachable_server_says_how_to_start_one() -> None:
    finished = run_client("127.0.0.1:1", "models")
    assert finished.returncode == 3
    assert "127.0.0.1:1" in finished.stderr
    assert "lastlayer up" in finished.stderr
    with Client("127.0.0.1:1") as client, pytest.raises(ClientError):
        list(client.list_models())
