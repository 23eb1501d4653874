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
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.logistic import minimize

_MOST_NUMBERS: Final = 2_000_000
"""The most weights that are fitted together: L-BFGS keeps some twenty times as many numbers."""

_CURVATURE: Final = 0.25
"""That of the cross-entropy at the start, where all probabilities are a half."""


def fit_sigmoid(
    features: FeatureBlocks,
    targets: Array,
    sample_weight: Array,
    l2: Array,
    *,
    tolerance: float,
    start: Array | None = None,
    callback: Callable[[], None] = lambda: None,
) -> Array:
    """Return the solutions of p * c regressions, [r + 1, p, c]: weights, and in the last row the biases.

    `features` is [n, r], rotated (see `fitting.pca`); the solutions have their precision. `targets`, [n, c], is 1 where
    an example has a label and 0 where it has not. `sample_weight`, [n, p], is how much each example counts in each of p
    fits, 0 for those that are left out. `l2` is the penalty of each label, [c] or [p, c]. `tolerance`, `start` and
    `callback` are as for `fit_logistic`.
    """
    fits, labels = sample_weight.shape[1], targets.shape[1]
    together = max(1, _MOST_NUMBERS // ((features.shape[1] + 1) * fits))
    solutions = np.empty((features.shape[1] + 1, fits, labels), features.dtype)
    for first in range(0, labels, together):
        some = slice(first, first + together)
        objective = _Objective(features, targets[:, some], sample_weight, l2[..., some], callback)
        begin = None if start is None else start[:, :, some].reshape(objective.shape)
        found = minimize(objective, tolerance=tolerance, start=begin)
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
        self, features: FeatureBlocks, targets: Array, sample_weight: Array, l2: Array, callback: Callable[[], None]
    ) -> None:
        total = sample_weight.sum(0)  # [p]
        count, rank = features.shape
        self._fits, self._labels = sample_weight.shape[1], targets.shape[1]
        self.shape = (rank + 1, self._fits * self._labels, 1)
        self._features = features
        self._targets = targets.astype(features.dtype)
        self._share = (sample_weight / total).astype(features.dtype)
        self._callback = callback
        squares = np.zeros(rank)
        for _, block in features.blocks(1):
            callback()
            squares += np.einsum("nr,nr->r", block, block, dtype=np.float64)
        scale = np.append(
            1 / np.sqrt(_CURVATURE * squares / count + np.mean(l2) / total.mean()), 1 / np.sqrt(_CURVATURE)
        )
        self.scale = scale.astype(features.dtype)[:, None, None]
        self._penalty = (l2 / total[:, None]).astype(features.dtype).reshape(-1, 1)  # [p * c, 1]

    def __call__(self, point: Array) -> tuple[Array, Array]:
        rank, fits, labels = self.shape[0] - 1, self._fits, self._labels
        weights = (point * self.scale)[:, :, 0]
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
        gradient: Array = slopes.astype(point.dtype)
        penalised = self._penalty[:, 0] * weights[:rank]
        values = losses.ravel() + np.einsum("rp,rp->p", penalised, weights[:rank], dtype=np.float64) / 2
        gradient[:rank] += penalised
        gradient *= self.scale[:, :, 0]
        return values, gradient[:, :, None]
