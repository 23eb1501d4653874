"""Prints what it costs to make pixels of a JPEG, and where that goes: `python -m benchmarks.services.decode`.

Photos of 500 x 375 and of 12 megapixels (the same ones, enlarged) become 224 x 224 pixels, as the featurizer does it:
the whole of it, then the checks of the file's structure, the decoder and the scaling by themselves. Where simplejpeg is
installed (`pip install simplejpeg`, which the product does not need), the same decoding by it: libjpeg-turbo without
Pillow around it, exactly and with its faster approximations. Numbers are milliseconds of one processor for an image,
the least of the rounds, so that what else the machine does weighs little; distances are of pixels, in grey levels of
255, on average and at most, from those of the featurizer.
"""

import argparse
import importlib
import importlib.util
import io
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from PIL import Image, features
from rich.console import Console
from rich.table import Table

from benchmarks.load.photos import chosen_photos, read_photos
from benchmarks.load.processes import machine
from lastlayer.featurizer.pipeline.decoding import decode, inspect_for

_SIDE = 224
_MOST_PIXELS = 64_000_000
_LARGE = (4000, 3000)

_Pixels = npt.NDArray[np.uint8]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder with JPEGs; made up, of 500 x 375, where not given")
    parser.add_argument("--count", type=int, default=24, help="how many photos")
    parser.add_argument("--rounds", type=int, default=7, help="how many times each is measured")
    options = parser.parse_args(arguments)
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    out.print(f"Pillow {version('pillow')} with libjpeg-turbo {features.version_feature('libjpeg_turbo')}")
    with TemporaryDirectory() as scratch:
        photos = read_photos(chosen_photos(options.photos, Path(scratch)))[: options.count]
    large = [_enlarged(photo) for photo in photos[: max(1, options.count // 4)]]
    for name, files in (("as they are", photos), ("12 megapixels", large)):
        out.print(_table(name, files, options.rounds))


def _enlarged(photo: bytes) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(photo)).convert("RGB").resize(_LARGE, Image.Resampling.BICUBIC).save(
        stream, "JPEG", quality=90
    )
    return stream.getvalue()


def _table(name: str, files: Sequence[bytes], rounds: int) -> Table:
    size = np.mean([len(file) for file in files]) / 1e3
    shown = Table("", "CPU ms/image", "mean distance", "most", title=f"{len(files)} photos, {name}, {size:.0f} kB each")
    opened = [_opened(file) for file in files]
    ways: dict[str, tuple[Callable[[int], object], Callable[[int], _Pixels] | None]] = {
        "featurizer, in all": (lambda index: _ours(files[index]), lambda index: _ours(files[index])),
        "  the checks of the structure": (lambda index: _checked(files[index]), None),
        "  Pillow's decoder at the reduced scale": (
            lambda index: _opened(files[index]),
            lambda index: _scaled(_opened(files[index])),
        ),
        "  Pillow's scaling": (lambda index: _scaled(opened[index]), None),
    }
    if importlib.util.find_spec("simplejpeg") is not None:
        for label, fast in (("simplejpeg", False), ("simplejpeg, approximately", True)):
            ways[f"{label}: the decoder at the reduced scale"] = (
                lambda index, fast=fast: _simply(files[index], fast),  # type: ignore[misc]
                lambda index, fast=fast: _scaled(Image.fromarray(_simply(files[index], fast))),  # type: ignore[misc]
            )
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for way, (measured, _) in ways.items():
            started = time.process_time()
            for index in range(len(files)):
                measured(index)
            least[way] = min(least[way], (time.process_time() - started) / len(files))
    expected = [_ours(file).astype(int) for file in files]
    for way, (_, pixels) in ways.items():
        distances = [np.abs(expected[index] - pixels(index)) for index in range(len(files))] if pixels else []
        told = (f"{np.mean(distances):.2f}", f"{np.max(distances)}") if distances else ("", "")
        shown.add_row(way, f"{least[way] * 1e3:.2f}", *told)
    return shown


def _ours(file: bytes) -> _Pixels:
    return decode(file, width=_SIDE, height=_SIDE, max_pixels=_MOST_PIXELS)


def _checked(file: bytes) -> object:
    return inspect_for(file, width=_SIDE, height=_SIDE, max_pixels=_MOST_PIXELS)


def _opened(file: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(file), formats=["JPEG"])
    image.draft(None, (2 * _SIDE, 2 * _SIDE))
    image.load()
    return image


def _scaled(image: Image.Image) -> _Pixels:
    scale = max(_SIDE / image.width, _SIDE / image.height)
    scaled = [max(_SIDE, round(length * scale)) for length in image.size]
    starts = [(length - _SIDE) // 2 for length in scaled]
    across, down = image.width / scaled[0], image.height / scaled[1]
    box = (starts[0] * across, starts[1] * down, (starts[0] + _SIDE) * across, (starts[1] + _SIDE) * down)
    return np.asarray(image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, box=box))


def _simply(file: bytes, fast: bool) -> _Pixels:
    simplejpeg = importlib.import_module("simplejpeg")

    least = 2 * _SIDE
    pixels: _Pixels = simplejpeg.decode_jpeg(file, min_height=least, min_width=least, fastdct=fast, fastupsample=fast)
    return pixels


if __name__ == "__main__":
    main()
