"""Chooses the probability below which a prediction is rejected, from out-of-fold predictions."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array, Indices

CONFIDENCE: Final = 0.95
"""How sure a promised precision is."""

_PRIOR_EXAMPLES: Final = 10.0
"""How many examples the head's own probabilities count for. They know of all predictions, the accepted ones are few: of
160 trainings with 5 and 20 images a class of four sets 69 then got a promise of 0.9, and 68 kept it. By the shares
alone, with a confidence of 80 %, 47 got one and 44 kept it. With 20 or 40 in place of 10 fewer promises are kept."""

_LEAST_DOUBT: Final = 0.02
"""How far what is expected is at least from 1. A head that is surer would else promise 0.99 by its own word, with a
dozen examples."""

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
    """Return a threshold whose precision is at least `min_precision`, from 0 to 1, with a confidence of 95 %.

    The share of the accepted examples that is correct is a lucky one where the threshold was chosen by it: promised is
    a lower bound (see `lower_bound`), and the share is as high, too. The surest predictions come first; the first
    threshold is the one at which so many are accepted that the bound is high enough, and it is lowered as long as the
    bound stays there. A threshold further down, after a gap, would be one of many that were tried.

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
    counts, shares = accepted[considered], correct[considered] / accepted[considered]
    expected = np.cumsum(best[order])[considered] / counts
    bounds = np.minimum(lower_bound(shares, counts / inflation, expected), shares)
    kept = bounds >= min_precision
    if not kept.any():
        needed = _count_needed(shares, counts / inflation, expected, min_precision)
        raise PrecisionNotReachedError(float(bounds.max()), None if needed is None else round(needed * len(order)))
    first = int(kept.argmax())
    end = first + int(np.append(~kept[first:], True).argmax())
    return Rejection(threshold=float(best[order][considered[end - 1]]), min_precision=min_precision)


def lower_bound(shares: Array, counts: Array, expected: Array) -> Array:
    """Return what precisions are at least, with `CONFIDENCE`, float64 [n].

    `shares` are those that were seen to be correct, of `counts` independent examples, which need not be whole numbers;
    `expected` are those that the head's probabilities make one expect, the means of what it accepts. All are [n].

    The bound is a quantile of the beta distribution that the shares make of the one that is expected, which counts for
    `_PRIOR_EXAMPLES` (Gelman et al., Bayesian Data Analysis, 3rd edition, 2.4).
    """
    from scipy.special import betaincinv

    prior = np.minimum(expected, 1 - _LEAST_DOUBT)
    right = counts * shares + _PRIOR_EXAMPLES * prior
    wrong = counts * (1 - shares) + _PRIOR_EXAMPLES * (1 - prior)
    bounds: Array = betaincinv(right, wrong, 1 - CONFIDENCE)
    return bounds


def _count_needed(shares: Array, counts: Array, expected: Array, min_precision: float) -> float | None:
    """Return how many times the examples would have to be for a promise, were shares and expectations, [n], to stay."""
    found = []
    for share, count, mean in zip(shares, counts, expected, strict=True):

        def promised(times: float, share: float = share, count: float = count, mean: float = mean) -> bool:
            bound = lower_bound(np.array([share]), np.array([count * times]), np.array([mean]))[0]
            return bool(bound >= min_precision)

        low, high = 1.0, _MOST_EXAMPLES / count
        if share <= min_precision or not promised(high):
            continue
        while high / low > 1.01:
            middle = float(np.sqrt(low * high))
            low, high = (low, middle) if promised(middle) else (middle, high)
        found.append(high)
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
