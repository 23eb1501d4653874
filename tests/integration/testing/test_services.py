"""`lastlayer.testing`: both services in this process, for tests of other people."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lastlayer.testing
from lastlayer.client import Client, ClientError, ImageError
from lastlayer.featurizer.errors import BackboneError
from lastlayer.testing import Services, services

COLOURS = {"blue": (30, 60, 200), "red": (200, 40, 40)}


@pytest.fixture(scope="module")
def pair() -> Iterator[Services]:
    with services() as running:
        yield running


@pytest.fixture
def client(pair: Services) -> Iterator[Client]:
    with pair.client() as connected:
        yield connected
        pair.reset()


def draw(label: str, seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(-30, 30, (48, 64, 3))
    return Image.fromarray(np.clip(np.array(COLOURS[label]) + noise, 0, 255).astype(np.uint8))


def train(client: Client, model: str) -> None:
    client.add_examples([(draw(label, seed), label) for label in COLOURS for seed in range(5)], dataset=model)
    client.train(model)


def test_colours_are_told_apart(client: Client) -> None:
    train(client, "colours")
    predictions = client.predict([draw("blue", 50), draw("red", 51), b"no image"], model="colours")
    assert [prediction.label for prediction in predictions[:2]] == ["blue", "red"]
    assert isinstance(predictions[2].error, ImageError)
    assert client.explain(draw("red", 51), model="colours").label == "red"
    served = client.get_served_backbone()
    assert (served.name, served.device) == ("tiny", "CPU, by NumPy")


def test_reset_deletes_all(pair: Services, client: Client) -> None:
    train(client, "one")
    train(client, "two")
    pair.reset()
    assert ([*client.list_models()], [*client.list_datasets()]) == ([], [])


def test_two_pairs_know_nothing_of_each_other_and_nothing_of_them_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    limit, threads = Image.MAX_IMAGE_PIXELS, set(threading.enumerate())
    with services() as one, services() as other, one.client() as client, other.client() as its:
        assert len({one.featurizer, one.classifier, other.featurizer, other.classifier}) == 4
        train(client, "of-the-pair")
        assert [*its.list_models()] == []
    assert limit == Image.MAX_IMAGE_PIXELS
    assert [*tmp_path.iterdir()] == []
    left = [
        thread for thread in set(threading.enumerate()) - threads if "asyncio" not in thread.name and not thread.daemon
    ]
    assert left == []
    # Whoever has the port by now, as a server of another test may, knows no such model.
    with Client(one.classifier, timeout_s=1) as client, pytest.raises(ClientError):
        client.get_model("of-the-pair")


def test_nothing_of_the_environment_reaches_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("FEATURIZER_TLS_CERT", "CLASSIFIER_TOKENS_FILE", "CLASSIFIER_STORE_URL", "LASTLAYER_BACKBONE"):
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    with services() as pair, pair.client() as client:
        assert [*client.list_models()] == []


def test_a_backbone_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="cannot be read"), services(backbone=tmp_path / "none.toml"):
        pass


def test_a_failure_of_the_test_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), services():
        _ = 1 / 0


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_pytest_imports_in_every_run_is_little() -> None:
    heavy = (
        "grpc",
        "numpy",
        "PIL",
        "pydantic",
        "sqlalchemy",
        "anyio.from_thread",
        "lastlayer.client.api",
        "tensorflow",
    )
    program = f"import lastlayer.testing.pytest_plugin, sys; print([name for name in {heavy} if name in sys.modules])"
    assert run(program) == "[]"


@pytest.mark.long
def test_tensorflow_is_not_needed() -> None:
    program = """
import sys
sys.modules["tensorflow"] = None
from lastlayer.testing import services
with services() as pair, pair.client() as client:
    print(client.get_served_backbone().name)
"""
    assert run(program) == "tiny"


def test_what_is_missing_is_named_with_what_installs_it() -> None:
    program = """
import sys
sys.modules["sqlalchemy"] = None
from lastlayer.testing import services
try:
    with services():
        pass
except ModuleNotFoundError as error:
    print(error)
"""
    assert run(program).endswith("which is not installed: pip install 'lastlayer[testing]'")


def test_what_is_promised_is_there() -> None:
    assert sorted(lastlayer.testing.__all__) == lastlayer.testing.__all__
    assert all(hasattr(lastlayer.testing, name) for name in lastlayer.testing.__all__)


@pytest.mark.long
def test_a_real_graph_is_served_by_tensorflow(tiny_backbone: Path) -> None:
    with services(backbone=tiny_backbone) as pair, pair.client() as client:
        train(client, "colours")
        [prediction] = client.predict([draw("blue", 50)], model="colours")
        assert prediction.label == "blue"
        assert client.get_served_backbone().device.startswith(("CPU", "GPU"))


def test_darker_photos_are_drift(client: Client) -> None:
    def photos(count: int, *, start: int, light: float = 1.0) -> list[Image.Image]:
        drawn = [draw(label, seed) for seed in range(start, start + count // 2) for label in COLOURS]
        return [image.point(lambda value: int(light * value)) for image in drawn]

    def predict(images: list[Image.Image]) -> None:
        for _ in client.predict_stream(images, model="colours"):
            pass

    client.add_examples([(draw(label, seed), label) for label in COLOURS for seed in range(40)], dataset="colours")
    client.train("colours")
    predict(photos(100, start=100))
    assert client.drift("colours").state == "steady"
    predict(photos(50, start=200, light=0.5))
    found = client.drift("colours")
    assert (found.state, found.image_count, found.alarm_count) == ("drifting", 150, 1)
