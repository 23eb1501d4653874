"""Chooses the probability below which a prediction is rejected, from held-out predictions."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.errors import DatasetNotTrainableError
from lastlayer.classifier.fitting.folds import Indices

Array = npt.NDArray[Any]

_LEAST_COVERAGE: Final = 0.1
"""Thresholds that accept less than this share of the examples tell too little of their precision to be heeded."""

_CURVE_POINTS: Final = 41


@dataclass(frozen=True)
class Rejection:
    """Predictions whose best class is less probable than `threshold` are rejected."""

    threshold: float
    min_precision: float
    """The precision that was asked for."""


@dataclass(frozen=True)
class RejectionPoint:
    """What rejecting at a threshold does to held-out examples."""

    threshold: float
    precision: float
    """Of the predictions that are not rejected, the share that is right."""
    coverage: float
    """The share of predictions that is not rejected."""


def choose_threshold(probabilities: Array, truth: Indices, min_precision: float) -> Rejection:
    """Return the least threshold at which, and at every greater one that accepts a tenth of the examples or more, at
    least `min_precision` of the accepted predictions are right.

    `probabilities`, float64 [n, c], are held-out and calibrated. Raises DatasetNotTrainableError where there is none.
    """
    best = probabilities.max(1)
    order = np.argsort(-best, kind="stable")
    accepted = np.arange(1, len(order) + 1)
    precision = np.cumsum((probabilities.argmax(1) == truth)[order]) / accepted
    # Examples with the same probability are accepted together: only the last of them stands for a threshold.
    last = np.append(best[order][1:] != best[order][:-1], True)
    heeded = np.flatnonzero(last & (accepted >= _LEAST_COVERAGE * len(order)))
    held = np.flatnonzero(np.cumprod(precision[heeded] >= min_precision))
    if not len(held):
        most = float(precision[heeded].max()) if len(heeded) else 0.0
        raise DatasetNotTrainableError(
            f"No threshold has a precision of {min_precision:g} on held-out examples; up to {most:.3g} is possible; "
            "ask for less with `min_precision`, or add examples."
        )
    return Rejection(threshold=float(best[order][heeded[held[-1]]]), min_precision=min_precision)


def rejection_curve(probabilities: Array, truth: Indices) -> tuple[RejectionPoint, ...]:
    """Return what evenly spaced thresholds do to held-out predictions, float64 [n, c], as long as any are accepted."""
    best, right = probabilities.max(1), probabilities.argmax(1) == truth
    points = []
    for threshold in np.linspace(0, 1, _CURVE_POINTS).round(3):
        accepted = best >= threshold
        if not accepted.any():
            break
        points.append(RejectionPoint(float(threshold), float(right[accepted].mean()), float(accepted.mean())))
    return tuple(points)
