"""Rotates features into their principal directions, where a regression on them is small and quick to fit.

An L2 penalty does not change under rotation, nor a regression with free biases under centring, so that what is fitted
on rotated features is the solution on the features themselves. There are never more directions than examples, and
their variances tell the solver how far to step in each.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MAX_COLUMNS: Final = 1024
"""The most columns that are rotated together: the eigenvectors of more take seconds in which nothing can be told or
cancelled. Wider features are rotated in parts, which is as exact, and only a little slower to fit."""

_PRECISE_SIZE: Final = 20_000_000
"""Up to this many numbers the rotation is computed in double precision."""

_BLOCK_ROWS: Final = 4096
"""How many rows of features that are overwritten are worked on at a time."""

_LEAST_VARIANCE: Final = 1e-10
"""A direction with less than this share of the largest variance is rounding."""


@dataclass(frozen=True)
class Rotated:
    """Features in their principal directions."""

    values: Array
    """[n, r], centred; as precise as the rotation."""
    mean: Array
    """float64 [d], what was subtracted."""
    directions: Array
    """[d, r], orthogonal columns: values = (features - mean) @ directions."""

    def restore(self, weights: Array) -> tuple[Array, Array]:
        """Return weights [r, c] on the values as weights float64 [d, c] on the features, and what to add to biases."""
        restored = self.directions.astype(np.float64) @ weights
        return restored, -(self.mean @ restored)


def rotate(features: npt.NDArray[np.float32], pulse: Callable[[], None] = lambda: None) -> Rotated:
    """Rotate features, float32 [n, d], with d at most `MAX_COLUMNS` where n is more.

    Where they are `overwritten`, they are no more afterwards: the result lies in their place. `pulse` may raise to end
    the work.
    """
    if overwritten(features):
        return _rotate_in_place(features, pulse)
    precision = np.float64 if features.size <= _PRECISE_SIZE else np.float32
    mean = features.mean(0, dtype=np.float64)
    centred: Array = features - mean.astype(precision)
    count, dimension = centred.shape
    wide = count < dimension
    variances, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    kept = variances > _LEAST_VARIANCE * max(variances[-1], np.finfo(precision).tiny)
    vectors = vectors[:, kept]
    if not wide:
        return Rotated(centred @ vectors, mean, vectors)
    lengths = np.sqrt(variances[kept])
    return Rotated(vectors * lengths, mean, centred.T @ (vectors / lengths))


def overwritten(features: npt.NDArray[np.float32]) -> bool:
    """Return whether features are so many that there is to be no copy of them."""
    return features.size > _PRECISE_SIZE and len(features) > MAX_COLUMNS


def blocks(features: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
    """Yield all rows of features, some at a time, to be changed where they are."""
    for start in range(0, len(features), _BLOCK_ROWS):
        yield features[start : start + _BLOCK_ROWS]


def _rotate_in_place(features: npt.NDArray[np.float32], pulse: Callable[[], None]) -> Rotated:
    dimension = features.shape[1]
    total = np.zeros(dimension)
    for block in blocks(features):
        pulse()
        total += block.sum(0, dtype=np.float64)
    mean = (total / len(features)).astype(np.float32)
    products = np.zeros((dimension, dimension))
    for block in blocks(features):
        pulse()
        block -= mean
        products += block.T @ block
    variances, vectors = np.linalg.eigh(products)
    kept = variances > _LEAST_VARIANCE * max(variances[-1], np.finfo(np.float32).tiny)
    directions = vectors[:, kept].astype(np.float32)
    rank = directions.shape[1]
    for block in blocks(features):
        pulse()
        block[:, :rank] = block @ directions
    return Rotated(features[:, :rank], mean.astype(np.float64), directions)


def whiten(rotated: Rotated, strength: float) -> Rotated:
    """Return rotated features with the spread of their directions made more alike, without changing it as a whole.

    A direction is divided by its standard deviation to the power of `strength`: 0 leaves it, 1 would be whitening. A
    penalty on weights then weighs less in the directions in which features hardly vary.
    """
    if not strength or not rotated.values.size:
        return rotated
    spread = np.sqrt((rotated.values.astype(np.float64) ** 2).mean(0))
    scales = spread**-strength
    scales *= np.sqrt((spread**2).sum() / ((spread * scales) ** 2).sum())
    scales = scales.astype(rotated.values.dtype)
    return Rotated(rotated.values * scales, rotated.mean, rotated.directions * scales)


def split(features: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Return features in as few parts, side by side, as can be rotated."""
    count, dimension = features.shape
    if min(count, dimension) <= MAX_COLUMNS:
        return [features]
    return np.array_split(features, -(-dimension // MAX_COLUMNS), axis=1)
