"""Photos for the story: those of the tutorial with a real network beside the project, or else drawn ones."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from tests.shared import SHARED

_PER_CLASS: Final = 5
_SIDE: Final = 256


@dataclass(frozen=True)
class Photos:
    """A folder of photos with two tables of path and label, and the network to use for them."""

    folder: Path
    held_out: dict[str, str]
    """Photos that are not trained on, and their labels."""
    backbone: str
    mirror: Path | None
    """A folder to take the network's weights from; None where they come over the network."""


def provide_photos(folder: Path) -> Photos:
    """Fill a folder with photos, `train.tsv` and `held-out.tsv`."""
    tutorial = SHARED / "data" / "tutorial"
    mirror: Path | None = SHARED / "models"
    backbone = "googlenet"
    if tutorial.is_dir():
        for file in tutorial.iterdir():
            shutil.copyfile(file, folder / file.name)  # not its mode: the container's user must be able to read it
        (folder / "tags.tsv").rename(folder / "train.tsv")
        (folder / "test-tags.tsv").rename(folder / "held-out.tsv")
    else:
        _draw(folder)
        mirror, backbone = None, "xception"
    folder.chmod(0o755)
    lines = (folder / "held-out.tsv").read_text().splitlines()
    held_out = {path.strip(): label.strip() for path, label, *_ in (line.split("\t") for line in lines if line.strip())}
    return Photos(folder, held_out, backbone, mirror)


def _draw(folder: Path) -> None:
    random = np.random.default_rng(0)
    tables: dict[str, list[str]] = {"train.tsv": [], "held-out.tsv": []}
    for label in ("disc", "stripes", "noise"):
        for number in range(_PER_CLASS):
            name = f"{label}-{number}.png"
            _picture(label, random).save(folder / name)
            tables["held-out.tsv" if number == 0 else "train.tsv"].append(f"{name}\t{label}\n")
    for table, lines in tables.items():
        (folder / table).write_text("".join(lines))


def _picture(label: str, random: np.random.Generator) -> Image.Image:
    if label == "noise":
        return Image.fromarray(random.integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8))
    background, colour = (tuple(int(value) for value in random.integers(0, 256, 3)) for _ in range(2))
    image = Image.new("RGB", (_SIDE, _SIDE), background)
    draw = ImageDraw.Draw(image)
    if label == "disc":
        radius, (x, y) = int(random.integers(40, 90)), (int(value) for value in random.integers(100, 156, 2))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    else:
        step = int(random.integers(12, 30))
        for left in range(0, _SIDE, 2 * step):
            draw.rectangle((left, 0, left + step, _SIDE), fill=colour)
    return image
