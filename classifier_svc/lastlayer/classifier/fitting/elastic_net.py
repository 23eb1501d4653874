"""Fits a multinomial logistic regression with L1 and L2 penalties: ML.NET's LbfgsMaximumEntropy.

The objective is the mean cross-entropy over the n examples, plus l2 / 2n times the sum of the weights' squares, plus
l1 / n times the sum of their absolute values. Biases are not penalised, and every class has weights. In scikit-learn's
terms: elastic net, C = 1 / (l1 + l2), l1_ratio = l1 / (l1 + l2).
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_MAX_STEPS: Final = 20_000


def fit_elastic(
    features: npt.NDArray[Any],
    truth: npt.NDArray[np.intp],
    class_count: int,
    *,
    l1: float,
    l2: float,
    tolerance: float,
    pulse: Callable[[], None] = lambda: None,
) -> tuple[Array, Array]:
    """Return the weights, float64 [d, c], and biases, float64 [c], of the minimum.

    `features` is [n, d], `truth` [n] the classes' indices; the fit ends where no element of the objective's least
    subgradient is above `tolerance`. `pulse` is called at every step and may raise to end the work.
    """
    from scipy.optimize import minimize  # see `training`

    count, dimension = features.shape
    size = dimension * class_count
    examples = np.arange(count)
    # Free biases make the solution indifferent to the features' means, without which it is found much sooner.
    mean = features.mean(0, dtype=np.float64)
    centred = features - mean
    penalty = l1 / count

    def objective(point: Array) -> tuple[float, Array]:
        """The weights being positive part - negative part, whose sum is their L1 norm: smooth within bounds."""
        pulse()
        positive, negative, biases = point[:size], point[size : 2 * size], point[2 * size :]
        weights = (positive - negative).reshape(dimension, class_count)
        scores = centred @ weights + biases
        scores -= scores.max(1, keepdims=True)
        right = scores[examples, truth].sum()
        slopes = np.exp(scores, out=scores)
        sums = slopes.sum(1)
        value = (np.log(sums).sum() - right + l2 / 2 * np.vdot(weights, weights)) / count
        slopes /= sums[:, None]
        slopes[examples, truth] -= 1
        gradient = ((centred.T @ slopes + l2 * weights) / count).ravel()
        return (
            float(value) + penalty * float(positive.sum() + negative.sum()),
            np.concatenate([gradient + penalty, penalty - gradient, slopes.sum(0) / count]),
        )

    solved = minimize(
        objective,
        np.zeros(2 * size + class_count),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * (2 * size) + [(None, None)] * class_count,
        options={"maxiter": _MAX_STEPS, "maxfun": _MAX_STEPS, "maxcor": 20, "gtol": tolerance, "ftol": 0.0},
    ).x
    weights = (solved[:size] - solved[size : 2 * size]).reshape(dimension, class_count)
    return weights, solved[2 * size :] - mean @ weights
