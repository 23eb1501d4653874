"""`client explain` and `Client.explain` against a scripted classifier: numbers, pictures, and what goes wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lastlayer.classifier.domain.errors import NotExplainableError
from lastlayer.client import Client, ImageError, InvalidInputError
from lastlayer.rpc.errors import OverloadedError
from tests.integration.client.conftest import Run
from tests.integration.client.fake_classifier import FakeClassifier


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "cat.png"
    path.parent.mkdir()
    Image.new("RGB", (80, 60), (128, 128, 128)).save(path)
    return path


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_an_explanation(client: Client, fake: FakeClassifier, photo: Path) -> None:
    fake.script = {"Explain": [OverloadedError("full", retry_after_s=0.01)]}
    found = client.explain(photo, version=3, label="dog")
    assert (found.label, found.probability, found.logit, found.bias) == ("dog", 0.75, 2.0, 0.5)
    assert found.contributions == ((1.0, 0.5, 0.25), (-0.25, 0.0, 0.0))
    assert (found.region.left, found.region.right) == (0.25, 0.75)
    assert (found.prediction.label, found.prediction.model, found.prediction.version) == ("dog", "default", 3)
    assert found.prediction.image == str(photo)
    request = fake.messages("Explain")[-1]
    assert (request.version, request.label, request.image.content) == (3, "dog", photo.read_bytes())


def test_what_cannot_be_explained(client: Client, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="There is no file"):
        client.explain(tmp_path / "nosuch.png")
    with pytest.raises(InvalidInputError) as caught:
        client.explain(b"cat-1", label="owl")
    assert caught.value.field == "label"


def test_a_picture_is_drawn_here(run: Run, photo: Path, here: Path) -> None:
    result = run("explain", photo)
    assert result.exit_code == 0, result.output
    assert "Image: cat.png as: cat with score: 0.7500" in result.stdout
    assert "Logit: 2.0000, of which +1.7500 for it, -0.2500 against it and +0.5000 of every image" in result.stdout
    assert "Written: cat-explained.png" in result.stdout
    assert [path.name for path in here.iterdir()] == ["cat-explained.png"]
    with Image.open(here / "cat-explained.png") as picture:
        pixels = np.asarray(picture)
    assert (pixels[5:400, :150] == 128).all()  # outside the region
    assert (pixels[5:400, 200:500] != 128).any()


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.webp", "WEBP")])
def test_the_name_says_the_format(run: Run, photo: Path, here: Path, name: str, kind: str) -> None:
    assert run("explain", photo, "-o", name, "--label", "dog").exit_code == 0
    with Image.open(here / name) as picture:
        assert picture.format == kind


def test_the_numbers(run: Run, photo: Path, here: Path) -> None:
    result = run("explain", photo, "--json", "--model", "default", "--version", "2")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == {
        "image": str(photo),
        "label": "cat",
        "score": 0.75,
        "logit": 2.0,
        "bias": 0.5,
        "contributions": [[1.0, 0.5, 0.25], [-0.25, 0.0, 0.0]],
        "region": {"left": 0.25, "top": 0.0, "right": 0.75, "bottom": 1.0},
        "scores": [{"label": "cat", "score": 0.75}],
        "model": "default",
        "version": 2,
    }
    assert list(here.iterdir()) == []
    assert run("explain", photo, "--json", "-o", "both.png").exit_code == 0
    assert (here / "both.png").exists()


def test_the_photo_is_never_written_over(run: Run, photo: Path, fake: FakeClassifier) -> None:
    before = photo.read_bytes()
    link = photo.with_name("link.png")
    link.symlink_to(photo)
    for target in (photo, photo.parent / "../photos/cat.png", link):
        result = run("explain", photo, "-o", target)
        assert result.exit_code == 2
        assert "is the image itself; name another file with -o." in result.stderr
    assert photo.read_bytes() == before
    assert fake.count("Explain") == 0


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("nosuch/a.png", "Error: `nosuch/a.png` cannot be written: No such file or directory."),
        ("folder.png", "Error: `folder.png` cannot be written: Is a directory."),
        ("a.gif", "Error: `a.gif` cannot be written: its name must end with .png, .jpg, .jpeg, .webp."),
    ],
)
def test_what_cannot_be_written(run: Run, photo: Path, here: Path, target: str, sentence: str) -> None:
    (here / "folder.png").mkdir()
    result = run("explain", photo, "-o", target)
    assert (result.exit_code, result.stderr.strip()) == (2, sentence)
    assert [path.name for path in here.iterdir()] == ["folder.png"]


def test_errors_are_one_sentence(run: Run, photo: Path, tmp_path: Path, fake: FakeClassifier) -> None:
    fake.script = {"Explain": [NotExplainableError("It was trained on class scores; use the recipe auto.")]}
    failures = [
        run("explain", photo),
        run("explain", tmp_path / "nosuch.png"),
        run("explain", photo, "--label", "owl"),
        run("explain", photo, "--model", "nosuch"),
    ]
    assert [result.exit_code for result in failures] == [2] * 4
    assert [result.stderr for result in failures] == [
        "Error: It was trained on class scores; use the recipe auto.\n",
        f"Error: There is no file `{tmp_path / 'nosuch.png'}`.\n",
        "Error: The model knows no class `owl`.\n",
        "Error: There is no model `nosuch`.\n",
    ]


def test_without_pillow_it_says_what_to_install(photo: Path, server: str) -> None:
    program = "import sys; sys.modules['PIL'] = None; from lastlayer.client.__main__ import main; main()"
    command = [sys.executable, "-c", program, "explain", str(photo)]
    environment = {**os.environ, "LASTLAYER_SERVER": server}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: Drawing needs Pillow and NumPy")
    assert "pip install 'lastlayer[report]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, json.loads(done.stdout)["label"]) == (0, "cat")
