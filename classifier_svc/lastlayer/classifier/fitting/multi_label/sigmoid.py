"""Fits logistic regressions with an L2 penalty, one for each label: whether an image has it, by itself.

A regression minimises the mean cross-entropy of its n examples plus l2 / 2n times the sum of its weights' squares; the
bias is not penalised. In scikit-learn's `LogisticRegression`, C is then 1 / l2. All labels, and all folds of a
cross-validation, have the same features: their products are computed together. The method is that of
`fitting.logistic`, each label of each fold being a regression of its own with its own steps.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array
from lastlayer.classifier.fitting.coordinates import Coordinates, ScaledColumns
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.logistic import minimize

_MOST_NUMBERS: Final = 2_000_000
"""The most weights that are fitted together: L-BFGS keeps some twenty times as many numbers."""


def fit_sigmoid(
    features: FeatureBlocks,
    targets: Array,
    sample_weight: Array,
    l2: Array,
    *,
    tolerance: float,
    coordinates: Coordinates | None = None,
    start: Array | None = None,
    callback: Callable[[], None] = lambda: None,
) -> Array:
    """Return the solutions of p * c regressions, [r + 1, p, c]: weights, and in the last row the biases.

    `features` is [n, r], rotated (see `fitting.pca`); the solutions have their precision. `targets`, [n, c], is 1 where
    an example has a label and 0 where it has not. `sample_weight`, [n, p], is how much each example counts in each of p
    fits, 0 for those that are left out. `l2` is the penalty of each label, [c] or [p, c]. `tolerance`,
    `coordinates`, `start` and `callback` are as for `fit_logistic`; a label is curved as two classes are.
    """
    fits, labels = sample_weight.shape[1], targets.shape[1]
    together = max(1, _MOST_NUMBERS // ((features.shape[1] + 1) * fits))
    solutions = np.empty((features.shape[1] + 1, fits, labels), features.dtype)
    if coordinates is None:
        coordinates = ScaledColumns(features, 2, float(np.mean(l2) / sample_weight.sum(0).mean()), callback)
    for first in range(0, labels, together):
        some = slice(first, first + together)
        objective = _Objective(features, targets[:, some], sample_weight, l2[..., some], coordinates, callback)
        begin = None if start is None else start[:, :, some].reshape(objective.shape)
        found = minimize(objective, coordinates, features.dtype, tolerance=tolerance, start=begin)
        solutions[:, :, some] = found.reshape(len(found), fits, -1)
    return solutions


def iterate_scores(
    features: FeatureBlocks, solutions: Array, callback: Callable[[], None] = lambda: None
) -> Iterator[tuple[slice, Array]]:
    """Yield the logits of all examples in p * c regressions, some at a time: which rows, and the logits [rows, p, c].

    `features` is [n, r], `solutions` [r + 1, p, c]. `callback` is called for each yield and may raise to end the work.
    """
    rank, fits, labels = solutions.shape[0] - 1, *solutions.shape[1:]
    weights = solutions[:rank].reshape(rank, fits * labels)
    for rows, block in features.blocks(fits * labels):
        callback()
        logits = (block @ weights).reshape(-1, fits, labels)
        logits += solutions[rank]
        yield rows, logits


def losses_of(logits: Array, targets: Array) -> Array:
    """Return the cross-entropies of decisions, -ln p of what is true: `targets` are 1 or 0, of any shape."""
    losses: Array = np.logaddexp(0, logits) - targets * logits
    return losses


class _Objective:
    """The objectives of p * c regressions, and their gradients, each by itself."""

    def __init__(
        self,
        features: FeatureBlocks,
        targets: Array,
        sample_weight: Array,
        l2: Array,
        coordinates: Coordinates,
        callback: Callable[[], None],
    ) -> None:
        total = sample_weight.sum(0)  # [p]
        self._fits, self._labels = sample_weight.shape[1], targets.shape[1]
        self.shape = (features.shape[1] + 1, self._fits * self._labels, 1)
        self._features = features
        self._targets = targets.astype(features.dtype)
        self._share = (sample_weight / total).astype(features.dtype)
        self._coordinates = coordinates
        self._callback = callback
        self._penalty = (l2 / total[:, None]).astype(features.dtype).reshape(-1, 1)  # [p * c, 1]

    def __call__(self, point: Array) -> tuple[Array, Array]:
        rank, fits, labels = self.shape[0] - 1, self._fits, self._labels
        weights = self._coordinates.to_weights(point)[:, :, 0]
        losses, slopes = np.zeros((fits, labels)), np.zeros((rank + 1, fits * labels))
        for rows, block in self._features.blocks(fits * labels):
            self._callback()
            targets, share = self._targets[rows][:, None], self._share[rows]
            logits = (block @ weights[:rank]).reshape(-1, fits, labels)
            logits += weights[rank].reshape(fits, labels)
            losses += np.einsum("npc,np->pc", losses_of(logits, targets), share, dtype=np.float64)
            residuals = 1 / (1 + np.exp(-np.maximum(logits, -80)))
            residuals -= targets
            residuals *= share[:, :, None]
            flat = residuals.reshape(len(residuals), -1)
            slopes[:rank] += block.T @ flat
            slopes[rank] += flat.sum(0)
        gradient = slopes.astype(point.dtype)
        penalised = self._penalty[:, 0] * weights[:rank]
        values = losses.ravel() + np.einsum("rp,rp->p", penalised, weights[:rank], dtype=np.float64) / 2
        gradient[:rank] += penalised
        return values, self._coordinates.to_gradient(gradient[:, :, None])
