"""The tests of `sorting`: pytest gives them `lastlayer_client`, a client of services that run in this process."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sorting import sort

from lastlayer.client import Client, NotFoundError

COLOURS = {"ripe": (200, 30, 40), "unripe": (60, 180, 60)}


def draw(label: str, seed: int) -> Image.Image:
    """Draw something of the colour of a class: that is what the tiny network can tell apart."""
    noise = np.random.default_rng(seed).integers(-30, 30, (64, 64, 3))
    return Image.fromarray(np.clip(np.array(COLOURS[label]) + noise, 0, 255).astype(np.uint8))


@pytest.fixture
def client(lastlayer_client: Client) -> Client:
    """A client of a classifier that has the model `tomatoes`."""
    examples = [(draw(label, seed), label) for label in COLOURS for seed in range(6)]
    lastlayer_client.add_examples(examples, dataset="tomatoes")
    lastlayer_client.train("tomatoes")
    return lastlayer_client


def test_photos_are_sorted_by_their_labels(client: Client, tmp_path: Path) -> None:
    """Each photo lands in the folder of its class, and what is no photo stays."""
    photos = tmp_path / "photos"
    photos.mkdir()
    draw("ripe", 100).save(photos / "a.png")
    draw("unripe", 101).save(photos / "b.png")
    (photos / "c.txt").write_text("no photo")
    assert sort(client, photos, tmp_path / "sorted", model="tomatoes") == [photos / "c.txt"]
    found = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "sorted").rglob("*.png"))
    assert found == ["sorted/ripe/a.png", "sorted/unripe/b.png"]


def test_a_model_that_is_not_there_is_told(lastlayer_client: Client, tmp_path: Path) -> None:
    """The services are empty when a test begins."""
    draw("ripe", 0).save(tmp_path / "a.png")
    with pytest.raises(NotFoundError, match="tomatoes"):
        sort(lastlayer_client, tmp_path, tmp_path / "sorted", model="tomatoes")
