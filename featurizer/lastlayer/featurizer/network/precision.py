"""Chooses the numbers that a network computes in: 32 bits, or 16 where that is faster and as good.

The choice shapes the features, so that it takes part in the backbone's digest. The cosine of vectors in 16 and 32 bits
is above 0.999, which is near enough to serve but not to mix: a head would see noise in use that it was not trained on,
and the same photo would be two examples. A featurizer in another precision is therefore another backbone, refused by
heads of this one instead of answering them a little wrong; and what `auto` has chosen by measuring is remembered.
"""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.config import Precision

_MIN_COSINE: Final = 0.999
_MIN_SPEEDUP: Final = 1.1
"""Less is not worth another digest."""
_BATCH: Final = 8
_ROUNDS: Final = 3


class Runs(Protocol):
    """A network, as far as it is compared."""

    def run(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Return float32 [n, d] for each tap of uint8 [n, height, width, 3]."""
        ...


def reduced_precision(*, gpu: bool, cpuinfo: Path = Path("/proc/cpuinfo")) -> Precision | None:
    """Return the numbers of 16 bits that the device multiplies faster, if any.

    Of a processor those are bfloat16 with AVX512-BF16 or AMX; without, they are emulated and slower than float32.
    """
    if gpu:
        return "float16"
    try:
        return "bfloat16" if re.search(r"\b(avx512_bf16|amx_bf16)\b", cpuinfo.read_text()) else None
    except OSError:  # not Linux
        return None


def compare(full: Runs, reduced: Runs, *, width: int, height: int, taps: Sequence[str]) -> tuple[bool, str]:
    """Return whether the network in reduced precision is near enough to the full one and faster, and the measurements.

    Made-up images are run by both in turn, so that what else the machine does weighs on both.
    """
    images = _images(width, height)
    expected, got = full.run(images, taps), reduced.run(images, taps)
    cosine = min(_cosine(expected[tap], got[tap]) for tap in taps)
    ratios = []
    for _ in range(_ROUNDS):
        slow, fast = (_seconds(network, images, taps) for network in (full, reduced))
        ratios.append(slow / fast)
    speedup = float(np.median(ratios))
    return cosine > _MIN_COSINE and speedup >= _MIN_SPEEDUP, f"{speedup:.2f} times as fast, cosine {cosine:.5f}"


def _images(width: int, height: int) -> npt.NDArray[np.uint8]:
    """Return images of large patches with some noise, uint8 [8, height, width, 3]."""
    random = np.random.default_rng(0)
    patches = random.integers(0, 256, (_BATCH, 8, 8, 3))
    rows, columns = np.arange(height) * 8 // height, np.arange(width) * 8 // width
    images = patches[:, rows][:, :, columns] + random.normal(0, 10, (_BATCH, height, width, 3))
    return images.clip(0, 255).astype(np.uint8)


def _cosine(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    """Return the least cosine between the rows of float32 [n, d] and [n, d]; -1 where one is not finite."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosines = (first * second).sum(1) / np.maximum(lengths, np.finfo(np.float32).tiny)
    # Rows that are zero in both are the same.
    cosines[(lengths == 0) & (first == second).all(1)] = 1
    return float(np.nan_to_num(cosines, nan=-1.0).min())


def _seconds(network: Runs, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> float:
    started = time.perf_counter()
    network.run(images, taps)
    return time.perf_counter() - started
