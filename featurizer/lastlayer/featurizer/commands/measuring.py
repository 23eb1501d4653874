"""What commands read, and what `quantize` and `tune` print."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click
import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.backbones.spec import Preprocessing
from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network import tuning
from lastlayer.featurizer.network.tuning import Distance, Measurements
from lastlayer.featurizer.network.variants import Variant
from lastlayer.featurizer.pipeline.decoding import decode
from lastlayer.rpc.errors import ImageError

_LEAST_PHOTOS: Final = 30
_MOST_PHOTOS: Final = 300
MAX_PIXELS: Final = 64_000_000
"""The most pixels of a photo that is used."""
_MAX_BYTES: Final = 64 << 20
_SUFFIXES: Final = (".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def find_photos(folder: Path) -> list[Path]:
    """Return the photos of a folder and of the folders in it, in an order that is the same each time and mixes them."""
    paths = [path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file()]
    paths = sorted(path for path in paths if path.stat().st_size <= _MAX_BYTES)
    np.random.default_rng(0).shuffle(paths)
    return paths


def read_photos(folder: Path, size: Preprocessing) -> npt.NDArray[np.uint8]:
    """Return photos of a folder and of the folders in it, as the network sees them: uint8 [n, height, width, 3].

    Of many some are taken, from all over the folder. What cannot be decoded is left out. Raises BackboneError where
    there are too few.
    """
    photos: list[npt.NDArray[np.uint8]] = []
    for path in find_photos(folder):
        if len(photos) == _MOST_PHOTOS:
            break
        try:
            photos.append(decode(path.read_bytes(), width=size.width, height=size.height, max_pixels=MAX_PIXELS))
        except (ImageError, OSError):
            continue
    if len(photos) < _LEAST_PHOTOS:
        raise BackboneError(
            f"`{folder}` has {len(photos)} photos that can be read, and at least {_LEAST_PHOTOS} are needed; without "
            "--images made-up ones are used."
        )
    return np.stack(photos)


def print_distances(distances: Mapping[str, Distance]) -> None:
    """Print how far features are from those in float32, a tap a line."""
    for tap, distance in distances.items():
        click.echo(f"  {tap}: mean cosine to float32 {distance.mean_cosine:.4f}, least {distance.least_cosine:.4f}")


def print_measurements(measured: Measurements, candidates: Sequence[Variant], *, as_json: bool) -> None:
    """Print how the candidates do, the fastest first, and which of them is taken."""
    chosen = tuning.choose(measured, candidates)
    for variant in sorted(candidates, key=lambda variant: -measured[variant].images_per_second):
        entry = measured[variant]
        if as_json:
            found = {
                "engine": variant.engine,
                "precision": variant.precision,
                "chosen": variant == chosen,
                "images_per_second": round(entry.images_per_second, 1),
                "distances": {tap: distance._asdict() for tap, distance in entry.distances.items()},
                "error": entry.error,
            }
            click.echo(json.dumps(found))
            continue
        mark = "*" if variant == chosen else " "
        if entry.error:
            click.echo(f"{mark} {variant.engine:11}{variant.precision:10}{entry.error}")
            continue
        least = min(distance.least_cosine for distance in entry.distances.values())
        click.echo(
            f"{mark} {variant.engine:11}{variant.precision:10}{entry.images_per_second:7.1f} images/s   "
            f"cosine to float32: mean {entry.farthest:.4f}, least {least:.4f}"
        )
