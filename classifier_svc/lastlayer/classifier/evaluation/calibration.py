"""Makes probabilities mean what they say, by temperature scaling (Guo et al., On Calibration of Modern Neural Networks,
2017): all logits are divided by one number, which changes how sure a prediction is, but never which it is.

scikit-learn has it from version 1.8 on, as `CalibratedClassifierCV(method="temperature")`, and finds the same
temperature (a test compares them). It does not fit here: it calibrates a fitted classifier, not logits; it warns of
sample weights where the classifier is frozen; the temperature is not among its public results; and its bounds are
fixed, at e to the power of 10, where few examples need closer ones.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.head import softmax

LEAST_EXAMPLES: Final = 30
"""The fewest out-of-fold examples that a temperature is fitted to: it would fit the noise in fewer."""

_EXTREME: Final = 4.0
"""The most that logits are divided or multiplied by."""


@dataclass(frozen=True)
class Calibration:
    """How a head's probabilities were calibrated."""

    temperature: float
    """What its logits were divided by; above 1 where they were too sure."""
    log_loss_before: float
    """The cross-validated log-loss without it."""
    expected_calibration_error_before: float
    """The same of the expected calibration error (see `evaluation.metrics.calibration_error`)."""


def fit_temperature(
    logits: Array, y: Indices, sample_weight: Array, *, least: int = LEAST_EXAMPLES, extreme: float = _EXTREME
) -> float:
    """Return the temperature with the least log-loss, from 1/4 to 4; 1 where examples are fewer than `LEAST_EXAMPLES`.

    `logits`, float64 [n, c], are out-of-fold; `y` is [n], the classes' indices; `sample_weight` is [n]. `least` and
    `extreme` are other bounds, for logits that are far from probabilities.
    """
    if len(y) < least:
        return 1.0
    from scipy.optimize import minimize_scalar  # half a second and 50 MB: only once something is trained

    centred = logits - logits.max(1, keepdims=True)
    y_logits = centred[np.arange(len(y)), y]

    def loss(log_temperature: float) -> float:
        inverse = np.exp(-log_temperature)
        return float(sample_weight @ (np.log(np.exp(inverse * centred).sum(1)) - inverse * y_logits))

    bound = float(np.log(extreme))
    found = minimize_scalar(loss, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def calibrate_folds(logits: Array, y: Indices, sample_weight: Array, folds: Indices) -> Array:
    """Return calibrated probabilities, float64 [n, c]: of each fold with the temperature of the other folds.

    No example has a say in its own calibration. `logits`, float64 [n, c], are out-of-fold; `y` is [n], the classes'
    indices; `sample_weight` is [n]; `folds` [n] is the fold of each example.
    """
    probabilities = np.empty_like(logits)
    for fold in np.unique(folds):
        own, others = folds == fold, folds != fold
        temperature = fit_temperature(logits[others], y[others], sample_weight[others])
        probabilities[own] = softmax(logits[own] / temperature)
    return probabilities
