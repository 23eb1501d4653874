"""`client move` through real services: another network is served, and a dataset moves to it, interrupted in between."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lastlayer.local.services import running_services
from lastlayer.testing.tiny_backbone import write_tiny_backbone
from tests.e2e.conftest import json_lines, run_client


def write_photos(folder: Path) -> None:
    """Write 6 images of each of two kinds that any network tells apart."""
    random = np.random.default_rng(0)
    for label, level in (("dark", 60), ("light", 200)):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            noise = random.normal(level, 20, (40, 50, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noise).save(folder / label / f"{number}.png")


def environment(tmp_path: Path, name: str, seed: int) -> dict[str, str]:
    declaration = write_tiny_backbone(tmp_path / name, seed=seed)
    return {"LASTLAYER_BACKBONE": str(declaration), "LASTLAYER_HOME": str(tmp_path / "home")}


@pytest.mark.long
def test_a_dataset_moves_to_the_network_that_is_served(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    write_photos(photos)
    first, second = environment(tmp_path, "first", 0), environment(tmp_path, "second", 1)
    with running_services(tmp_path / "state", environment=first) as (_, classifier):
        [before] = json_lines(run_client(classifier.address, "train", str(photos), "--json"))
        [kept] = json_lines(run_client(classifier.address, "move", "default", str(photos), "--json"))
        assert (kept["sent"], kept["present"], kept["missing"]) == (0, 12, [])

    # Half of the images are elsewhere, under other names: the move ends before they are found.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for number, file in enumerate(sorted((photos / "dark").iterdir())):
        shutil.move(file, elsewhere / f"scan {9 - number}.png")
    with running_services(tmp_path / "state", environment=second) as (_, classifier):
        address = classifier.address
        assert "takes features of" in run_client(address, "predict", str(photos / "light" / "0.png")).stderr
        half = run_client(address, "move", "default", str(photos))
        assert half.returncode == 1
        assert half.stdout == "Dataset default: 6 images have features of tiny now, 6 sent, 0 there before\n"
        assert half.stderr.count("cannot be found.\n") == 6
        assert "dark/0.png" in half.stderr
        assert run_client(address, "train").returncode == 2  # six of its images have no features of this network

        [done] = json_lines(run_client(address, "move", "default", str(elsewhere), "--json"))
        assert (done["sent"], done["present"], done["missing"]) == (6, 6, [])
        [dataset] = json_lines(run_client(address, "datasets", "show", "default", "--json"))
        assert (dataset["classes"], dataset["stale"]) == ({"dark": 6, "light": 6}, 0)
        [after] = json_lines(run_client(address, "train", "--json"))
        assert after["backbone_digest"] == dataset["backbone_digest"] != before["backbone_digest"]
        [predicted] = json_lines(run_client(address, "predict", str(photos / "light" / "0.png"), "--json"))
        assert predicted["label"] == "light"

    # The features of the first network are still there: back is for nothing, without any folder.
    with running_services(tmp_path / "state", environment=first) as (_, classifier):
        [back] = json_lines(run_client(classifier.address, "move", "default", str(tmp_path / "state"), "--json"))
        assert (back["sent"], back["present"], back["missing"]) == (0, 12, [])
        assert back["backbone_digest"] == before["backbone_digest"]
