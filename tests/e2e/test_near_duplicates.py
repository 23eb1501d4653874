"""Near duplicates of real photos, through the real services: copies are found, other photos of the same are not."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lastlayer.local.services import running_services
from tests.e2e.conftest import json_lines, run_client
from tests.shared import SHARED, needs_shared

pytestmark = [needs_shared, pytest.mark.long]

FLOWERS = SHARED / "data/flowers"


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "less": lambda image: cropped(image, 0.075, 0.075, 0.925, 0.925),
    "much-less": lambda image: cropped(image, 0.15, 0.15, 0.85, 0.85),
    "corner": lambda image: cropped(image, 0.15, 0.0, 1.0, 0.85),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A table of 96 photos to train on, and a folder with 80 copies of 20 of them and 96 other photos."""
    folder = tmp_path_factory.mktemp("flowers")
    kinds = [sorted(kind.glob("*.jpg")) for kind in sorted(FLOWERS.iterdir()) if kind.is_dir()]
    trained = [file for kind in kinds for file in kind[:20]][:96]
    others = [file for kind in kinds for file in kind[20:40]][-96:]
    table = folder / "train.tsv"
    table.write_text("".join(f"{file}\t{file.parent.name}\n" for file in trained))
    for file in others:
        target = folder / "evaluated" / file.parent.name / f"other-{file.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    for file in trained[::5]:
        for name, copy in COPIES.items():
            saved = io.BytesIO()
            with Image.open(file) as image:
                copy(image.convert("RGB")).save(saved, "JPEG", quality=85)
            (folder / "evaluated" / file.parent.name / f"{name}-{file.name}").write_bytes(saved.getvalue())
    return table, folder / "evaluated"


def test_copies_are_found_and_other_photos_are_not(photos: tuple[Path, Path], tmp_path: Path) -> None:
    table, evaluated = photos
    environment = {
        "LASTLAYER_BACKBONE": "googlenet",
        "LASTLAYER_MIRROR": str(SHARED / "models"),
        "LASTLAYER_HOME": str(tmp_path / "home"),
    }
    with running_services(tmp_path, environment=environment) as (_, classifier):
        [trained] = json_lines(run_client(classifier.address, "train", str(table), "--json"))
        assert trained["examples"] == 96
        [found] = json_lines(run_client(classifier.address, "evaluate", str(evaluated), "--json"))
    names = [Path(near["image"]).name for near in found["near_duplicates"]]
    counts = {copy: sum(name.startswith(f"{copy}-") for name in names) for copy in COPIES}
    assert counts["half"] == counts["less"] == counts["much-less"] == 20, counts
    assert counts["corner"] >= 19, counts
    # One dandelion is far nearer to another one than to all else, by its features; hashes add no false alarm.
    assert {name for name in names if name.startswith("other-")} <= {"other-15987457_49dc11bf4b.jpg"}
    for near in found["near_duplicates"]:
        if not Path(near["image"]).name.startswith("other-"):
            assert near["image"].endswith(f"-{Path(near['training_id']).name}")
