"""Images by the thousand: small, each different from all others, made in a moment."""

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

BROKEN_EVERY = 97
"""One image of so many is cut short."""


def make_images(folder: Path, count: int) -> dict[str, str]:
    """Write images into folders of a thousand; return the sha256 of each by its path inside of the folder."""
    random = np.random.default_rng(7)
    checksums = {}
    for number in range(count):
        file = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (24, 24, 3), np.uint8)).save(file, "PNG")
        content = file.getvalue()
        if number % BROKEN_EVERY == 0:
            content = content[:-40]
        path = folder / f"{number // 1000:03}" / f"{number:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        checksums[path.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
    return checksums
