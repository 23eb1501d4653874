"""Fits a multinomial logistic regression with L1 and L2 penalties, an elastic net: ML.NET's LbfgsMaximumEntropy.

The objective is the mean cross-entropy of the n examples, plus l2 / 2n times the sum of the weights' squares, plus
l1 / n times the sum of their absolute values. Biases are not penalised, and every class has weights. In scikit-learn's
terms: C = 1 / (l1 + l2), l1_ratio = l1 / (l1 + l2). Its solver for that, `saga`, hardly moves the biases of features
that are not centred, and takes thousands of passes to come as close to the minimum.

The L1 penalty is made smooth by writing the weights as the difference of two parts that are not negative, whose sum is
penalised. That is a problem with bounds, for SciPy's L-BFGS-B (Byrd, Lu, Nocedal and Zhu, 1995). ML.NET comes to the
same minimum by OWL-QN (Andrew and Gao, Scalable Training of L1-Regularized Log-Linear Models, 2007).
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Indices

_Floats = npt.NDArray[np.float64]

_MAX_STEPS: Final = 20_000
_HISTORY: Final = 20
"""As ML.NET's default."""


def fit_elastic_net(
    features: npt.NDArray[Any],
    y: Indices,
    class_count: int,
    *,
    l1: float,
    l2: float,
    tolerance: float,
    callback: Callable[[], None] = lambda: None,
) -> tuple[_Floats, _Floats]:
    """Return the weights, float64 [d, c], and biases, float64 [c], of the minimum.

    `features` is [n, d], `y` [n] the classes' indices. The fit ends where no element of the objective's least
    subgradient is above `tolerance`. `callback` is called at every step, and may raise to end the work.
    """
    from scipy.optimize import minimize  # half a second and 50 MB: only once something is trained

    count, dimension = features.shape
    size = dimension * class_count
    examples = np.arange(count)
    # Biases take up any shift of the features: centred, they are fitted in far fewer steps.
    mean = features.mean(0, dtype=np.float64)
    centred = features - mean
    penalty = l1 / count

    def evaluate(point: _Floats) -> tuple[float, _Floats]:
        """Return the objective and its gradient at the positive parts, the negative parts and the biases."""
        callback()
        positive, negative, biases = point[:size], point[size : 2 * size], point[2 * size :]
        weights = (positive - negative).reshape(dimension, class_count)
        logits = centred @ weights + biases
        logits -= logits.max(1, keepdims=True)
        y_logits = logits[examples, y].sum()
        residuals = np.exp(logits, out=logits)
        sums = residuals.sum(1)
        value = (np.log(sums).sum() - y_logits + l2 / 2 * np.vdot(weights, weights)) / count
        residuals /= sums[:, None]
        residuals[examples, y] -= 1
        gradient = ((centred.T @ residuals + l2 * weights) / count).ravel()
        return (
            float(value) + penalty * float(positive.sum() + negative.sum()),
            np.concatenate([gradient + penalty, penalty - gradient, residuals.sum(0) / count]),
        )

    solution = minimize(
        evaluate,
        np.zeros(2 * size + class_count),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * (2 * size) + [(None, None)] * class_count,
        options={"maxiter": _MAX_STEPS, "maxfun": _MAX_STEPS, "maxcor": _HISTORY, "gtol": tolerance, "ftol": 0.0},
    ).x
    weights = (solution[:size] - solution[size : 2 * size]).reshape(dimension, class_count)
    return weights, solution[2 * size :] - mean @ weights
