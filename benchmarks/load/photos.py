"""The photos that are measured with: a folder of JPEGs, or made-up ones."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter


def chosen_photos(folder: Path | None, scratch: Path) -> Path:
    """Return a folder with JPEGs, one sub-folder a class: the one that was given, or one below `scratch`."""
    if folder is None:
        folder = scratch / "photos"
        write_photos(folder)
    return folder


def read_photos(folder: Path) -> list[bytes]:
    """Return the JPEGs below a folder."""
    return [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))]


def write_photos(folder: Path, count: int = 64) -> None:
    """Write JPEGs of 500 x 375 with about as much detail as photos, in two folders, `bright` and `dark`."""
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8)).resize(
            (500, 375), Image.Resampling.BICUBIC
        )
        grain = Image.fromarray(random.integers(0, 256, (375, 500, 3), np.uint8)).filter(ImageFilter.GaussianBlur(1))
        file = io.BytesIO()
        Image.blend(coarse, grain, 0.4).save(file, "JPEG", quality=90)
        label = folder / ("bright" if np.asarray(coarse).mean() > 127.5 else "dark")
        label.mkdir(parents=True, exist_ok=True)
        (label / f"{number}.jpg").write_bytes(file.getvalue())
