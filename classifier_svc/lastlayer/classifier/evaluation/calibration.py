"""Makes probabilities mean what they say, by temperature scaling (Guo et al., On Calibration of Modern Neural Networks,
2017): all scores are divided by one number, which changes how sure a prediction is, but never which it is.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.head import softmax
from lastlayer.classifier.fitting.folds import Indices

Array = npt.NDArray[Any]

LEAST_EXAMPLES: Final = 30
"""With fewer held-out examples a temperature would fit their chance rather than the head."""

_EXTREME: Final = 4.0
"""The most that scores are divided or multiplied by."""


@dataclass(frozen=True)
class Calibration:
    """How a head's probabilities were calibrated."""

    temperature: float
    """What its scores were divided by; above 1 they were too sure."""
    log_loss_before: float
    """The cross-validated log-loss without it."""
    expected_calibration_error_before: float


def fit_temperature(scores: Array, truth: Indices, weights: Array) -> float:
    """Return the temperature with the least log-loss on held-out scores, float64 [n, c], of examples that count by
    their `weights` [n]; 1 where they are fewer than `LEAST_EXAMPLES`.
    """
    if len(truth) < LEAST_EXAMPLES:
        return 1.0
    from scipy.optimize import minimize_scalar  # see `training`

    centred = scores - scores.max(1, keepdims=True)
    right = centred[np.arange(len(truth)), truth]

    def loss(logarithm: float) -> float:
        sharpness = np.exp(-logarithm)
        return float(weights @ (np.log(np.exp(sharpness * centred).sum(1)) - sharpness * right))

    bound = float(np.log(_EXTREME))
    found = minimize_scalar(loss, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def calibrate_folds(scores: Array, truth: Indices, weights: Array, assigned: Indices) -> Array:
    """Return the calibrated probabilities, float64 [n, c], of held-out scores: for each fold in `assigned` [n] with the
    temperature of the other folds, so that the examples do not calibrate themselves.
    """
    probabilities = np.empty_like(scores)
    for fold in np.unique(assigned):
        own, others = assigned == fold, assigned != fold
        temperature = fit_temperature(scores[others], truth[others], weights[others])
        probabilities[own] = softmax(scores[own] / temperature)
    return probabilities
