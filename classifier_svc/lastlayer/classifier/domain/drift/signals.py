"""What is measured of each image to tell drift: a few numbers, in microseconds, beside its prediction."""

import enum
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float32]

DIRECTIONS: Final = 32
"""Into how many numbers the features are projected. With 16 or 64 shifts of light and compression are seen about as
soon."""

_SEED: Final = 20240229

_LEAST: Final = 1e-6
"""What is smaller counts as this, so that a logarithm of nothing is a number."""

_DECIMALS: Final = 5
"""To these numbers are rounded: what is the same but for the order of additions is to be equal."""


class Sample(enum.Enum):
    """Training images that have no part in what they are measured by, so that new ones are exchangeable with them."""

    ALL = "all"
    """All of them, where they are measured by nothing that was fitted."""
    HALF = "half"
    """The half by which no scale was fitted."""
    HELD_OUT = "held out"
    """Those with out-of-fold predictions."""


class Kind(enum.Enum):
    """What a signal is about."""

    SCORE = "score"
    """The probability of the best class."""
    UNKNOWN = "unknown"
    """Whether the head rejects the image: 0 or 1."""
    DISTANCE = "distance"
    """How far the features are from the mean of the first half of the training images'."""
    FEATURES = "features"
    """The features themselves, in some directions."""
    STRENGTH = "strength"
    """How strongly the network responds at a tap, and how much of that is in few channels."""

    @property
    def sample(self) -> "Sample":
        """By which training images it is known."""
        if self in (Kind.SCORE, Kind.UNKNOWN):
            return Sample.HELD_OUT
        return Sample.HALF if self is Kind.DISTANCE else Sample.ALL


@dataclass(frozen=True)
class Signal:
    """A number that each image has."""

    kind: Kind
    name: str = ""
    """What tells it from others of its kind: a tap, or the number of a direction."""


@dataclass(frozen=True)
class Scale:
    """What makes a distance of projections: their mean and standard deviation over the training images."""

    mean: _Floats
    """float32 [k]."""
    deviation: _Floats
    """float32 [k], above 0."""

    @classmethod
    def of(cls, projections: _Floats) -> "Scale":
        """Return that of projections, float32 [n, k], n being 1 or more."""
        deviation = projections.std(0, dtype=np.float64)
        return cls(
            projections.mean(0, dtype=np.float64).astype(np.float32),
            np.where(deviation > _LEAST, deviation, 1).astype(np.float32),
        )

    def distances(self, projections: _Floats) -> _Floats:
        """Return the distances [n] of projections, float32 [n, k], on average over the directions."""
        standard = (projections - self.mean) / self.deviation
        distances: _Floats = np.sqrt(np.square(standard).mean(1))
        return distances


def list_signals(taps: Sequence[str], *, rejects: bool) -> tuple[Signal, ...]:
    """Return the signals of a head with some taps, in the order of `measure`; `rejects` says whether it ever does."""
    return (
        Signal(Kind.SCORE),
        *([Signal(Kind.UNKNOWN)] if rejects else []),
        *list_feature_signals(taps),
    )


def list_feature_signals(taps: Sequence[str]) -> tuple[Signal, ...]:
    """Return those that need no fitted head, in the order of `measure_features`."""
    return (
        Signal(Kind.DISTANCE),
        *(Signal(Kind.FEATURES, str(number)) for number in range(DIRECTIONS)),
        *(Signal(Kind.STRENGTH, f"{tap} {what}") for tap in taps for what in ("mean", "peak")),
    )


def project(vectors: _Floats) -> _Floats:
    """Return features, float32 [n, d], in `DIRECTIONS` random directions, float32 [n, k]; fewer where d is less.

    Each direction is the sum of other elements with random signs (a sparse random projection: Li, Hastie and Church,
    Very Sparse Random Projections, 2006). It is the same for all images, so that images of one kind are exchangeable in
    it, whatever they show.
    """
    signs, starts = _directions(vectors.shape[1])
    projections: _Floats = np.add.reduceat(vectors * signs, starts, axis=1)
    return projections


def measure_features(
    by_tap: Mapping[str, _Floats], taps: Sequence[str], projections: _Floats, distances: _Floats
) -> _Floats:
    """Return the signals of `list_feature_signals`, float32 [n, s].

    `by_tap` has the vectors as the network made them, float32 [n, d] each; `projections` float32 [n, k] and `distances`
    [n] are those of `project` and `Scale`.
    """
    columns = [distances[:, None], projections]
    if projections.shape[1] < DIRECTIONS:
        columns.append(np.zeros((len(projections), DIRECTIONS - projections.shape[1]), np.float32))
    # Of all taps at once: for an image that comes alone, calls of NumPy are what takes time.
    vectors = np.hstack([by_tap[tap] for tap in taps])
    sizes = np.array([by_tap[tap].shape[1] for tap in taps])
    starts = sizes.cumsum() - sizes
    means = np.maximum(np.add.reduceat(np.abs(vectors), starts, axis=1) / sizes, _LEAST)
    lengths = np.sqrt(np.add.reduceat(np.square(vectors), starts, axis=1))
    peaks = np.maximum(lengths, _LEAST) / means
    columns.append(np.log(np.stack([means, peaks], 2), dtype=np.float32).reshape(len(vectors), -1))
    return np.hstack(columns).round(_DECIMALS)


def measure_scores(
    probabilities: npt.NDArray[np.float64], rejected: npt.NDArray[np.bool_], *, rejects: bool
) -> _Floats:
    """Return the signals of `list_signals` that come before those of the features, float32 [n, s].

    `probabilities` are float64 [n, c], `rejected` bool [n].
    """
    best = probabilities.max(1).round(_DECIMALS)
    return np.column_stack([best, rejected] if rejects else [best]).astype(np.float32)


@functools.lru_cache(maxsize=16)
def _directions(dimension: int) -> tuple[_Floats, npt.NDArray[np.intp]]:
    """Return the signs [d] of the elements of features, and where each direction's elements begin [k]."""
    # Raw numbers, as NumPy promises that these stay the same; what it makes of them may change.
    raw = np.random.PCG64(_SEED).random_raw(dimension)
    signs = np.where(raw >> np.uint64(63), 1, -1).astype(np.float32)
    count = min(DIRECTIONS, dimension)
    return signs, np.arange(count) * dimension // count
