"""Measures the ways to run a network on this machine, how fast and how near to float32, and takes the best.

Features of other precisions are used together (a head is trained on some and predicts from others), as long as they are
near: the mean cosine between the vectors of an image is what the measured heads do not notice, see
docs/explanation/performance.md.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.config import Precision
from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network.variants import FULL, Variant
from lastlayer.rpc.system.files import write_whole
from lastlayer.rpc.vectors import TOLERATED_MEAN_COSINE

_log = logging.getLogger(__name__)

_MIN_SPEEDUP: Final = 1.1
"""Below that, what all others are compared with is as good."""
_BATCH: Final = 8
_ROUNDS: Final = 3
_BUDGET_S: Final = 15.0
"""After so long no further variant is begun with; the likeliest come first."""


class Distance(NamedTuple):
    """How far the vectors of a tap are from those in float32: cosines, over some images."""

    mean_cosine: float
    least_cosine: float


SAME: Final = Distance(1.0, 1.0)

UNMEASURED: Final = "there was no time to measure it"
"""In place of an error."""


class Network(Protocol):
    """A network, as far as it is measured."""

    def run(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Return float32 [n, d] for each tap of uint8 [n, height, width, 3]."""
        ...

    def close(self) -> None:
        """Free the network."""
        ...


@dataclass(frozen=True)
class Measurement:
    """How a variant did."""

    images_per_second: float = 0.0
    """The network alone, in batches."""
    distances: Mapping[str, Distance] = field(default_factory=dict)
    """By tap."""
    error: str = ""
    """Why it cannot run the network; empty where it can."""

    @property
    def farthest(self) -> float:
        """The mean cosine at the tap where that is least."""
        return min((distance.mean_cosine for distance in self.distances.values()), default=0.0)


Measurements = Mapping[Variant, Measurement]


def compare(
    expected: Mapping[str, npt.NDArray[np.float32]], got: Mapping[str, npt.NDArray[np.float32]]
) -> dict[str, Distance]:
    """Return how far vectors, float32 [n, d] by tap, are from those that are expected."""
    cosines = {tap: _cosines(expected[tap], got[tap]) for tap in expected}
    return {tap: Distance(float(found.mean()), float(found.min())) for tap, found in cosines.items()}


def vectors_of(
    network: Network, images: npt.NDArray[np.uint8], taps: Sequence[str]
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the vectors of images, uint8 [n, height, width, 3], at some taps: float32 [n, d]."""
    parts = [network.run(images[start : start + _BATCH], taps) for start in range(0, len(images), _BATCH)]
    return {tap: np.concatenate([part[tap] for part in parts]) for tap in taps}


def measure(
    make: Callable[[Variant], Network],
    variants: Sequence[Variant],
    images: npt.NDArray[np.uint8],
    taps: Sequence[str],
    known: Mapping[Variant, Mapping[str, Distance]],
) -> dict[Variant, Measurement]:
    """Return how variants do beside `FULL`, and that one: each in turn with it, so that what else runs weighs on both.

    `make` loads a network. Those variants whose distances are `known` are measured for speed alone. For the first of
    them there is always time.
    """
    began = time.monotonic()
    full = make(FULL)
    try:
        expected = vectors_of(full, images, taps)
        batch = images[:_BATCH]
        own = [_seconds(full, batch, taps)]
        found: dict[Variant, Measurement] = {}
        for variant in variants:
            if variant == FULL:
                continue
            if found and time.monotonic() - began > _BUDGET_S:
                found[variant] = Measurement(error=UNMEASURED)
                continue
            try:
                network = make(variant)
            except BackboneError as error:
                found[variant] = Measurement(error=str(error))
                continue
            try:
                distances = known.get(variant) or compare(expected, vectors_of(network, images, taps))
                network.run(batch, taps)
                ratios = []
                for _ in range(_ROUNDS):
                    own.append(_seconds(full, batch, taps))
                    ratios.append(own[-1] / _seconds(network, batch, taps))
            finally:
                network.close()
            found[variant] = Measurement(float(np.median(ratios)), distances)
        speed = len(batch) / float(np.median(own))
    finally:
        full.close()
    measured = {
        variant: Measurement(speed * entry.images_per_second, entry.distances, entry.error)
        for variant, entry in found.items()
    }
    return {**measured, FULL: Measurement(speed, dict.fromkeys(taps, SAME))}


def choose(measured: Measurements, candidates: Sequence[Variant]) -> Variant:
    """Return the fastest of the candidates that is near enough to float32.

    Where none is, the nearest. Raises BackboneError where none of them can run the network.
    """
    able = {variant: measured[variant] for variant in candidates if variant in measured and not measured[variant].error}
    if not able:
        raise BackboneError(next((measured[one].error for one in candidates if one in measured), "Nothing runs it."))
    near = [variant for variant in able if able[variant].farthest >= TOLERATED_MEAN_COSINE]
    if not near:
        return max(able, key=lambda variant: able[variant].farthest)
    fastest = max(near, key=lambda variant: able[variant].images_per_second)
    if FULL in near and able[fastest].images_per_second < _MIN_SPEEDUP * able[FULL].images_per_second:
        return FULL
    return fastest


def describe(measured: Measurements) -> str:
    """Return what could be measured in one line, the fastest first."""
    able = {variant: entry.images_per_second for variant, entry in measured.items() if not entry.error}
    return ", ".join(f"{variant} {able[variant]:.1f} images/s" for variant in sorted(able, key=lambda one: -able[one]))


def recall(path: Path, quantized: str) -> dict[Variant, Measurement]:
    """Return what was measured before; nothing where that cannot be read.

    `quantized` is the checksum of the network in int8: measurements of another one do not count.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = [_read(entry) for entry in content["variants"]]
        other = content["int8"] != quantized
    except (OSError, AttributeError, KeyError, TypeError, ValueError):
        return {}
    return {variant: entry for variant, entry in entries if not (other and variant.precision == "int8")}


def remember(path: Path, measured: Measurements, quantized: str) -> None:
    """Keep measurements; where that fails they are made again at the next start."""
    entries = [
        {
            "engine": variant.engine,
            "precision": variant.precision,
            "images_per_second": entry.images_per_second,
            "distances": entry.distances,
            "error": entry.error,
        }
        for variant, entry in measured.items()
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(path) as unfinished:
            unfinished.write_text(json.dumps({"int8": quantized, "variants": entries}, indent=1), encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        _log.warning("`%s` cannot be written (%s): the next start measures again", path, reason)


_ENGINES: Final = ("tensorflow", "openvino")
_PRECISIONS: Final[tuple[Precision, ...]] = ("float32", "bfloat16", "float16", "int8")


def _read(entry: Any) -> tuple[Variant, Measurement]:
    distances = {str(tap): Distance(float(mean), float(least)) for tap, (mean, least) in entry["distances"].items()}
    variant = Variant(entry["engine"], entry["precision"])
    if variant.engine not in _ENGINES or variant.precision not in _PRECISIONS:
        raise ValueError(f"unknown variant {variant}")
    return variant, Measurement(float(entry["images_per_second"]), distances, str(entry["error"]))


def _cosines(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the cosines between the rows of float32 [n, d] and [n, d], float64 [n]; -1 where one is not finite."""
    one, other = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines: npt.NDArray[np.float64] = (one * other).sum(1) / np.maximum(lengths, np.finfo(np.float64).tiny)
    # Rows that are zero in both are the same.
    cosines[(lengths == 0) & (first == second).all(1)] = 1
    return np.nan_to_num(cosines, nan=-1.0).clip(-1, 1)


def _seconds(network: Network, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> float:
    started = time.perf_counter()
    network.run(images, taps)
    return time.perf_counter() - started
