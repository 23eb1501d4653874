"""Explanations of real photos: what speaks for a toaster lies on the toaster."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.e2e.conftest import json_lines, run_client
from tests.shared import SHARED, needs_shared

pytestmark = needs_shared

TUTORIAL = SHARED / "data/tutorial"

BOXES = {
    "toaster.jpg": ((566, 480), (15, 18, 548, 463)),
    "toaster2.png": ((501, 480), (15, 16, 487, 474)),
    "toaster3.jpg": ((639, 480), (6, 20, 515, 474)),
}
"""The size of each photo in pixels, and a box around its toaster, drawn by hand: left, top, right, bottom."""


@pytest.fixture(scope="module")
def server(googlenet: str) -> str:
    json_lines(run_client(googlenet, "train", str(TUTORIAL / "tags.tsv"), "--json"))
    return googlenet


@pytest.mark.parametrize("name", BOXES)
def test_what_speaks_for_a_toaster_lies_on_the_toaster(server: str, tmp_path: Path, name: str) -> None:
    size, (left, top, right, bottom) = BOXES[name]
    picture = tmp_path / "picture.png"
    photo = str(TUTORIAL / name)
    finished = run_client(server, "explain", photo, "--label", "appliance", "--json", "-o", str(picture))
    [found] = json_lines(finished)
    assert found["label"] == found["scores"][0]["label"] == "appliance"
    grid, region = np.array(found["contributions"]), found["region"]
    assert grid.sum() + found["bias"] == pytest.approx(found["logit"], rel=1e-4)
    assert min(grid.shape) > 1
    speaking_for = grid.clip(min=0) / grid.clip(min=0).sum()
    x = size[0] * (region["left"] + (region["right"] - region["left"]) * _middles(grid.shape[1]))
    y = size[1] * (region["top"] + (region["bottom"] - region["top"]) * _middles(grid.shape[0]))
    assert left < speaking_for.sum(0) @ x < right
    assert top < speaking_for.sum(1) @ y < bottom
    inside = speaking_for[np.ix_((y > top) & (y < bottom), (x > left) & (x < right))].sum()
    assert inside > 0.8
    with Image.open(picture) as drawn:
        assert drawn.width >= size[0]


def _middles(cells: int) -> np.ndarray:
    return (np.arange(cells) + 0.5) / cells


def test_explained_is_what_is_predicted(server: str) -> None:
    photo = str(TUTORIAL / "teddy6.jpg")
    [predicted] = json_lines(run_client(server, "predict", photo, "--json"))
    labels = [entry["label"] for entry in predicted["scores"]]
    explained = [json_lines(run_client(server, "explain", photo, "--json", "--label", label))[0] for label in labels]
    for entry, score in zip(explained, predicted["scores"], strict=True):
        assert entry["score"] == pytest.approx(score["score"], abs=1e-4)
    exponentials = np.exp([np.sum(entry["contributions"]) + entry["bias"] for entry in explained])
    expected = [entry["score"] for entry in predicted["scores"]]
    np.testing.assert_allclose(exponentials / exponentials.sum(), expected, atol=1e-4)


def test_a_version_that_cannot_be_explained(server: str) -> None:
    run_client(server, "train", str(TUTORIAL / "tags.tsv"), "--model", "scores", "--recipe", "tutorial")
    finished = run_client(server, "explain", str(TUTORIAL / "teddy6.jpg"), "--model", "scores", "--json")
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: Version 1 of the model `scores` cannot be explained")
    assert "recipe auto" in finished.stderr
