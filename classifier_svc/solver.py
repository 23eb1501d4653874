"""Fits a multinomial logistic regression with L2 and L1 penalties, exactly and interruptibly.

The objective is that of ML.NET's LbfgsMaximumEntropy: the mean cross-entropy over the n examples, plus l2 / 2n times
the sum of the weights' squares, plus l1 / n times the sum of their absolute values. Biases are not penalised, and every
class has weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

Array = npt.NDArray[np.float64]

_MAX_ITERATIONS: Final = 5000


class TrainingCancelledError(Exception):
    """The training was cancelled while it ran."""


@dataclass(frozen=True)
class Solution:
    """Fitted weights, float64 [d, c], and biases, float64 [c]."""

    weights: Array
    biases: Array

    def scores(self, features: Array) -> Array:
        """Return the scores of the classes before softmax, float64 [n, c]."""
        return features @ self.weights + self.biases


def fit(
    features: Array,
    truth: npt.NDArray[np.intp],
    class_count: int,
    *,
    l1: float = 0.0,
    l2: float,
    tolerance: float = 1e-5,
    start: Solution | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Solution:
    """Return the minimum of the objective.

    `features` is float64 [n, d] (float32 where memory is short), `truth` [n] the index of each example's class;
    `tolerance` is the largest element of the mean objective's gradient at which the fit ends; `start` is where to
    begin, such as the solution for a neighbouring penalty. Raises TrainingCancelledError soon after `cancelled` turns
    true.
    """
    count, dimension = features.shape
    examples = np.arange(count)
    size = dimension * class_count
    begin = start or Solution(np.zeros((dimension, class_count)), np.zeros(class_count))

    def smooth(weights: Array, biases: Array) -> tuple[float, Array, Array]:
        """Return the objective without L1, and its gradients."""
        if cancelled():
            raise TrainingCancelledError
        scores = (features @ weights.astype(features.dtype, copy=False)).astype(np.float64, copy=False) + biases
        scores -= scores.max(1, keepdims=True)
        right = scores[examples, truth]
        slopes = np.exp(scores, out=scores)
        sums = slopes.sum(1)
        value = np.log(sums).sum() - right.sum() + l2 / 2 * np.vdot(weights, weights)
        slopes /= sums[:, None]
        slopes[examples, truth] -= 1
        gradient = (features.T @ slopes.astype(features.dtype, copy=False)).astype(np.float64, copy=False)
        return float(value) / count, (gradient + l2 * weights) / count, slopes.sum(0) / count

    def plain(point: Array) -> tuple[float, Array]:
        value, gradient, slope = smooth(point[:size].reshape(dimension, class_count), point[size:])
        return value, np.concatenate([gradient.ravel(), slope])

    def split(point: Array) -> tuple[float, Array]:
        """The same with weights = positive part - negative part, whose sum is the L1 norm: smooth within bounds."""
        positive, negative = point[:size], point[size : 2 * size]
        value, gradient, slope = smooth((positive - negative).reshape(dimension, class_count), point[2 * size :])
        flat = gradient.ravel()
        penalty = l1 / count
        return (
            value + penalty * float(positive.sum() + negative.sum()),
            np.concatenate([flat + penalty, penalty - flat, slope]),
        )

    flat = begin.weights.ravel()
    options = {"maxiter": _MAX_ITERATIONS, "maxfun": 2 * _MAX_ITERATIONS, "maxcor": 20, "gtol": tolerance}
    if l1 == 0:
        point = np.concatenate([flat, begin.biases])
        solved = minimize(plain, point, jac=True, method="L-BFGS-B", options={**options, "ftol": tolerance * 1e-6}).x
        return Solution(solved[:size].reshape(dimension, class_count), solved[size:])
    point = np.concatenate([np.maximum(flat, 0), np.maximum(-flat, 0), begin.biases])
    bounds = [(0, None)] * (2 * size) + [(None, None)] * class_count
    solved = minimize(
        split, point, jac=True, method="L-BFGS-B", bounds=bounds, options={**options, "ftol": tolerance * 1e-8}
    ).x
    return Solution((solved[:size] - solved[size : 2 * size]).reshape(dimension, class_count), solved[2 * size :])
