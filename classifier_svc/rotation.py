"""Rotates features into their principal directions, where a regression on them is small and quick to fit.

An L2 penalty does not change under rotation, nor a regression with free biases under centring, so that what is fitted
on rotated features is the solution on the features themselves. There are never more directions than examples, and
their variances tell the solver how far to step in each.
"""

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


def rotate(features: npt.NDArray[np.float32]) -> Rotated:
    """Rotate features, float32 [n, d], with d at most `MAX_COLUMNS` where n is more."""
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
