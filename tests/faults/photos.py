"""Noisy images of three colours, each different from all others."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 210)}
SIDE = 160


class Photo(NamedTuple):
    """An image file and its label."""

    path: Path
    label: str


def make_photos(folder: Path, each: int) -> list[Photo]:
    """Write `each` images of every colour; return them, the colours taking turns."""
    random = np.random.default_rng(11)
    made = []
    for number in range(each):
        for label, colour in COLOURS.items():
            pixels = np.clip(np.array(colour) + random.integers(-30, 30, (SIDE, SIDE, 3)), 0, 255)
            path = folder / f"{label}-{number:04}.jpg"
            Image.fromarray(pixels.astype(np.uint8)).save(path, quality=90)
            made.append(Photo(path, label))
    return made
