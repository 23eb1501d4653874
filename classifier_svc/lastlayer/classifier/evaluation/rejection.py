"""Chooses the probability below which a prediction is rejected, from out-of-fold predictions."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array, Indices

_LEAST_COVERAGE: Final = 0.1
"""A threshold that accepts less than this share of the examples is not considered: they are too few to know its
precision by."""

_CURVE_POINTS: Final = 41


class PrecisionNotReachedError(ValueError):
    """No threshold has the precision that was asked for."""

    def __init__(self, best: float) -> None:
        super().__init__(f"the best precision of any threshold is {best:.3g}")
        self.best = best
        """The best precision that a threshold has, from 0 to 1."""


@dataclass(frozen=True)
class Rejection:
    """Predictions whose best class is less probable than `threshold` are rejected."""

    threshold: float
    min_precision: float
    """The precision that was asked for."""


@dataclass(frozen=True)
class RejectionPoint:
    """What rejecting at a threshold does to out-of-fold predictions."""

    threshold: float
    precision: float
    """The share of the accepted predictions that is correct."""
    coverage: float
    """The share of all predictions that is accepted."""


def choose_threshold(probabilities: Array, y: Indices, min_precision: float) -> Rejection:
    """Return the least threshold with a precision of at least `min_precision`, from 0 to 1, at it and above it.

    `probabilities`, float64 [n, c], are out-of-fold and calibrated; `y` is [n], the classes' indices, n being 1 or
    more. Thresholds that accept less than a tenth of the examples are not considered. Raises PrecisionNotReachedError
    where no threshold has that precision.
    """
    best = probabilities.max(1)
    order = np.argsort(-best, kind="stable")
    accepted = np.arange(1, len(order) + 1)
    precision = np.cumsum((probabilities.argmax(1) == y)[order]) / accepted
    # Examples with the same probability are accepted together: only the last of them stands for a threshold.
    last = np.append(best[order][1:] != best[order][:-1], True)
    considered = np.flatnonzero(last & (accepted >= _LEAST_COVERAGE * len(order)))
    kept = np.flatnonzero(np.cumprod(precision[considered] >= min_precision))
    if not len(kept):
        raise PrecisionNotReachedError(float(precision[considered].max()))
    return Rejection(threshold=float(best[order][considered[kept[-1]]]), min_precision=min_precision)


def rejection_curve(probabilities: Array, y: Indices) -> tuple[RejectionPoint, ...]:
    """Return precision and coverage at evenly spaced thresholds, from 0 up to the last that accepts any prediction.

    `probabilities`, float64 [n, c], are out-of-fold; `y` is [n], the classes' indices.
    """
    best, correct = probabilities.max(1), probabilities.argmax(1) == y
    points = []
    for threshold in np.linspace(0, 1, _CURVE_POINTS).round(3):
        accepted = best >= threshold
        if not accepted.any():
            break
        points.append(RejectionPoint(float(threshold), float(correct[accepted].mean()), float(accepted.mean())))
    return tuple(points)
