"""Rotates features into their principal directions, where a regression on them is small and quick to fit.

An L2 penalty does not change under rotation, nor a regression with free biases under centring: what is fitted on
rotated features is the solution on the features themselves. There are never more directions than examples, and their
variances tell the solver how far to step in each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array

MAX_COLUMNS: Final = 1024
"""The most columns that are rotated together. The eigenvectors of more take seconds, in which a training can neither
tell how far it is nor be cancelled. Wider features are rotated in parts: `fitting.coordinates` does the rest."""

_PRECISE_SIZE: Final = 20_000_000
"""Up to this many numbers the rotation is computed in double precision."""

_BLOCK_ROWS: Final = 4096
"""How many rows are worked on at a time where features are overwritten."""

_LEAST_VARIANCE: Final = 1e-10
"""A direction with less than this share of the largest variance is rounding."""


@dataclass(frozen=True)
class Rotated:
    """Features in their principal directions."""

    values: Array
    """[n, r], centred, from the least variance to the greatest; as precise as the rotation."""
    mean: Array
    """float64 [d], what was subtracted."""
    directions: Array
    """[d, r], orthogonal columns: values = (features - mean) @ directions."""

    def restore(self, weights: Array) -> tuple[Array, Array]:
        """Return weights [r, c] on the values as weights float64 [d, c] on the features, and what to add to biases."""
        restored = self.directions.astype(np.float64) @ weights
        return restored, -(self.mean @ restored)


def rotate(features: npt.NDArray[np.float32], callback: Callable[[], None] = lambda: None) -> Rotated:
    """Rotate features, float32 [n, d]; d is at most `MAX_COLUMNS` where n is more.

    The directions are the eigenvectors of the covariance matrix [d, d], or, where examples are fewer than columns, come
    from those of the examples' inner products [n, n]. Features that are many are destroyed (see `is_overwritten`): the
    result lies in their place. `callback` is called for each block of those, and may raise to end the work.
    """
    if is_overwritten(features):
        return _rotate_in_place(features, callback)
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


def is_overwritten(features: npt.NDArray[np.float32]) -> bool:
    """Return whether features are so many that they are rotated in their place, without a copy."""
    return features.size > _PRECISE_SIZE and len(features) > MAX_COLUMNS


def iterate_blocks(features: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
    """Yield all rows of features [n, d], some at a time, as views that may be written to."""
    for start in range(0, len(features), _BLOCK_ROWS):
        yield features[start : start + _BLOCK_ROWS]


def keep_largest(parts: Sequence[Rotated], rank: int) -> list[Rotated]:
    """Return rotated features, side by side, in the `rank` directions of the largest variance of all, or a few more."""
    spreads = [np.square(part.values, dtype=np.float32).mean(0) for part in parts]
    everything = np.sort(np.concatenate(spreads))
    if len(everything) <= rank:
        return list(parts)
    kept = [spread >= everything[-rank] for spread in spreads]
    return [
        Rotated(part.values[:, columns], part.mean, part.directions[:, columns])
        for part, columns in zip(parts, kept, strict=True)
    ]


def split_columns(features: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Return features [n, d] in as few parts, side by side, as can be rotated; the parts are views."""
    count, dimension = features.shape
    if min(count, dimension) <= MAX_COLUMNS:
        return [features]
    return np.array_split(features, -(-dimension // MAX_COLUMNS), axis=1)


def _rotate_in_place(features: npt.NDArray[np.float32], callback: Callable[[], None]) -> Rotated:
    dimension = features.shape[1]
    total = np.zeros(dimension)
    for block in iterate_blocks(features):
        callback()
        total += block.sum(0, dtype=np.float64)
    mean = (total / len(features)).astype(np.float32)
    products = np.zeros((dimension, dimension))
    for block in iterate_blocks(features):
        callback()
        block -= mean
        products += block.T @ block
    variances, vectors = np.linalg.eigh(products)
    kept = variances > _LEAST_VARIANCE * max(variances[-1], np.finfo(np.float32).tiny)
    directions = vectors[:, kept].astype(np.float32)
    rank = directions.shape[1]
    for block in iterate_blocks(features):
        callback()
        block[:, :rank] = block @ directions
    return Rotated(features[:, :rank], mean.astype(np.float64), directions)
