"""Chooses the probability below which a prediction is rejected, from out-of-fold predictions."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array, Indices

CONFIDENCE: Final = 0.8
"""How sure a promised precision is."""

_LEAST_COVERAGE: Final = 0.1
"""A threshold that accepts less than this share of the examples is of little use, and not considered."""

_MOST_EXAMPLES: Final = 10**6
"""More examples than this are not asked for."""

_CURVE_POINTS: Final = 41


class PrecisionNotReachedError(ValueError):
    """No threshold has the precision that was asked for."""

    def __init__(self, best: float, needed: int | None) -> None:
        super().__init__(f"the best precision that can be promised is {best:.3g}")
        self.best = best
        """The best precision that can be promised for a threshold, from 0 to 1."""
        self.needed = needed
        """About how many examples would do, were the head no better with them; None where none would."""


@dataclass(frozen=True)
class Rejection:
    """Predictions whose best class is less probable than `threshold` are rejected."""

    threshold: float
    min_precision: float
    """The precision that was asked for."""
    max_distance: float = 0.0
    """Images that are farther than this from the training images are rejected, too; 0 where none is."""
    unfamiliar_share: float = 0.0
    """The share of held-out training images that are farther away."""


@dataclass(frozen=True)
class RejectionPoint:
    """What rejecting at a threshold does to out-of-fold predictions."""

    threshold: float
    precision: float
    """The share of the accepted predictions that is correct."""
    coverage: float
    """The share of all predictions that is accepted."""


def choose_threshold(probabilities: Array, y: Indices, min_precision: float, inflation: float = 1.0) -> Rejection:
    """Return a threshold whose precision is at least `min_precision`, from 0 to 1, with a confidence of 80 %.

    The share of the accepted examples that is correct is a lucky one where the threshold was chosen by it: promised is
    its one-sided lower bound (Clopper and Pearson, 1934). The surest predictions come first; the first threshold is the
    one at which so many are accepted that the bound is high enough, and it is lowered as long as the bound stays there.
    A threshold further down, after a gap, would be one of many that were tried.

    `probabilities`, float64 [n, c], are out-of-fold and calibrated; `y` is [n], the classes' indices, n being 1 or
    more; `inflation` is how many of them are as sure as one independent example (see `evaluation.metrics`). Raises
    PrecisionNotReachedError where nothing can be promised.
    """
    best = probabilities.max(1)
    order = np.argsort(-best, kind="stable")
    accepted = np.arange(1, len(order) + 1)
    correct = np.cumsum((probabilities.argmax(1) == y)[order])
    # Examples with the same probability are accepted together: only the last of them stands for a threshold.
    last = np.append(best[order][1:] != best[order][:-1], True)
    considered = np.flatnonzero(last & (accepted >= _LEAST_COVERAGE * len(order)))
    bounds = lower_bound(correct[considered] / inflation, accepted[considered] / inflation)
    kept = bounds >= min_precision
    if not kept.any():
        shares = correct[considered] / accepted[considered]
        needed = _count_needed(shares, accepted[considered], min_precision, inflation)
        raise PrecisionNotReachedError(float(bounds.max()), None if needed is None else round(needed * len(order)))
    first = int(kept.argmax())
    end = first + int(np.append(~kept[first:], True).argmax())
    return Rejection(threshold=float(best[order][considered[end - 1]]), min_precision=min_precision)


def lower_bound(correct: Array, count: Array) -> Array:
    """Return the lower bounds, with `CONFIDENCE`, of shares that were seen as `correct` of `count` (Clopper-Pearson).

    Both are float64 [n] and need not be whole numbers.
    """
    from scipy.special import betaincinv

    some = np.maximum(correct, np.finfo(float).tiny)
    bounds: Array = np.where(correct > 0, betaincinv(some, count - correct + 1, 1 - CONFIDENCE), 0.0)
    return bounds


def _count_needed(precision: Array, accepted: Array, min_precision: float, inflation: float) -> float | None:
    """Return how many times the examples would have to be for a promise, were their precisions, [n], to stay."""
    found = []
    for share, count in zip(precision, accepted, strict=True):
        low, high = count / inflation, float(_MOST_EXAMPLES)
        if share <= min_precision or lower_bound(np.array([share * high]), np.array([high]))[0] < min_precision:
            continue
        while high / low > 1.01:
            middle = np.sqrt(low * high)
            if lower_bound(np.array([share * middle]), np.array([middle]))[0] < min_precision:
                low = middle
            else:
                high = middle
        found.append(high * inflation / count)
    return min(found, default=None)


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
