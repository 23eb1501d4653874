"""What cross-validation found along a path of penalties, and the choice by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.training.search.candidates import Candidate
from lastlayer.classifier.training.search.penalties import STEP, interpolate
from lastlayer.rpc.vectors import CROP_ALONE, View

_LIKELY_L2: Final = 0.01

_DECADE_COST: Final = 0.25
"""What is known of the penalty before any example is seen: a prior that is normal in its logarithm. A decade away from
`_LIKELY_L2` costs as much as that many nats of out-of-fold log-loss, summed over the examples; two cost four times as
much. The best penalty hardly depends on the number of examples, but few find it only by luck. The log-loss on others
fell from 1.24 to 1.14 with 2 photos in each of five classes, from 0.81 to 0.78 with 5, and rose nowhere by more than
chance: on photos, thumbnails, digits and emoji (docs/explanation/training.md)."""

NEGLIGIBLE: Final = 1e-3
"""A difference in log-loss that nobody notices."""

_PREFERENCE_EXAMPLES: Final = 30
"""From this many examples on, what is cheaper is preferred to what is better by less than a standard error. With fewer,
the error is so large that the cheapest would nearly always be chosen."""


@dataclass(frozen=True)
class Choice:
    """What a search chose."""

    candidate: Candidate
    l2: float
    """The penalty, in the terms of `fitting.logistic`."""


@dataclass(frozen=True)
class Trial:
    """Features that were tried, at their best penalty."""

    taps: tuple[str, ...]
    l2: float
    log_loss: float
    """Cross-validated. The search chooses by it, which makes that of the chosen features a little too good."""
    log_loss_standard_error: float
    """0 for one example."""
    example_count: int
    """The examples that were validated."""
    chosen: bool
    views: tuple[View, ...] = CROP_ALONE
    """See `Candidate.views`."""


@dataclass(frozen=True)
class Regressions:
    """The regressions of a cross-validation along a path of penalties: others, of about the same, begin at them."""

    path: tuple[float, ...]
    """The L2 penalties."""
    solutions: tuple[Array, ...]
    """For each, the solutions [r + 1, p, c]."""
    validating: Indices
    """[n], the regression that validates each example, from 0 to p - 1; -1 where none does."""

    def near(self, l2: float) -> Array:
        """Return about the solutions, [r + 1, p, c], for another penalty."""
        return interpolate(dict(zip(self.path, self.solutions, strict=True)), l2)

    def near_whole(self, l2: float) -> Array:
        """Return about the solution, [r + 1, c], for a penalty if all examples are fitted.

        It is the mean of those of the folds. What they were fitted on is less, and so a penalty weighs more there.
        """
        left_out = np.mean(self.validating >= 0) / self.solutions[0].shape[1]
        near: Array = self.near(l2 * (1 - float(left_out))).mean(1)
        return near


@dataclass(frozen=True)
class Scan:
    """The cross-validated losses of one candidate along a path of penalties."""

    candidate: Candidate
    path: tuple[float, ...]
    """The L2 penalties, from the strongest to the weakest."""
    losses: Array
    """float64 [penalties, s, n], -ln p(y) of each example, out of fold, for each of the s sets that were left out
    altogether (see `Splits`); NaN where it was not validated."""
    regressions: Regressions | None = None
    """What was fitted; None where it was not kept."""

    def of(self, left_out: int) -> "Scan":
        """Return the scan of one of the sets alone."""
        return Scan(self.candidate, self.path, self.losses[:, left_out : left_out + 1])

    def best(self, sample_weight: Array) -> tuple[int, Array, Array]:
        """Return the place in the path of the best penalty, and of the validated examples the losses there, and the
        weights, both [validated]. `sample_weight` is [n]. The best has the least loss, the prior of penalties included.
        """
        losses, weights = self._validated(sample_weight)
        step = int(self._objectives(losses, weights).argmin())
        return step, losses[step], weights

    def choose_l2(self, sample_weight: Array) -> float:
        """Return about the best penalty, between those that were tried. `sample_weight` is [n].

        It is where the parabola through the best and its neighbours is least. The best alone would change by a factor
        of 3 over a few examples. A fold of an estimate, whose own examples have no say, would then often get the
        penalty that suits it worse: with 200 photos the log-loss was estimated as 0.41, with the parabola as 0.40.
        """
        objectives = self._objectives(*self._validated(sample_weight))
        step = int(objectives.argmin())
        if not 0 < step < len(self.path) - 1:
            return self.path[step]
        before, least, after = objectives[step - 1 : step + 2]
        offset = (before - after) / max(2 * (before - 2 * least + after), np.finfo(float).tiny)
        return float(self.path[step] * (self.path[step + 1] / self.path[step]) ** offset)

    def _validated(self, sample_weight: Array) -> tuple[Array, Array]:
        """Return the losses [penalties, validated] and weights [validated] of the validated examples."""
        validated = ~np.isnan(self.losses[0, 0])
        return self.losses[:, 0, validated], sample_weight[validated]

    def _objectives(self, losses: Array, weights: Array) -> Array:
        """Return what is to be least, [penalties]: the sum of losses and of what the prior adds."""
        decades = np.log10(np.array(self.path) / _LIKELY_L2)
        objectives: Array = losses @ weights + _DECADE_COST * np.square(decades)
        return objectives


def mean_and_error(losses: Array, weights: Array) -> tuple[float, float]:
    """Return the mean of losses [n], weighted by `weights` [n], and its standard error (0 for one example)."""
    mean = float(losses @ weights / weights.sum())
    if len(losses) < 2:
        return mean, 0.0
    deviations = weights * (losses - mean)
    return mean, float(np.sqrt((deviations @ deviations) * len(losses) / (len(losses) - 1)) / weights.sum())


def choose(scans: Sequence[Scan], sample_weight: Array, *, prefers_cheap: bool = True) -> Choice:
    """Return the choice with about the least mean log-loss over the validated examples.

    `scans` are of one set each, from the cheapest candidate to the dearest; `sample_weight` is [n]. If what is cheap is
    preferred, the cheapest is chosen whose log-loss is within one standard error of the least (Hastie, Tibshirani and
    Friedman, The Elements of Statistical Learning, 2nd edition, 7.10); the error is that of the difference between the
    two, as both have the same examples. If not, that holds for fewer views alone: each takes a pass of the network.
    Where nothing was validated, the deepest tap of the first view alone is chosen, or all taps if there is no other
    candidate.
    """
    best = [(scan, *scan.best(sample_weight)) for scan in scans]
    if not len(best[0][2]) or not best[0][3].sum():
        first = [scan.candidate for scan in scans if scan.candidate.views == scans[0].candidate.views]
        single = [candidate for candidate in first if len(candidate.taps) == 1]
        return Choice(single[-1] if single else first[-1], _LIKELY_L2)
    means = [losses @ weights for _, _, losses, weights in best]
    least = int(np.argmin(means))
    chosen = least
    if len(best[least][2]) >= _PREFERENCE_EXAMPLES:
        views = [len(scan.candidate.views) for scan in scans]
        fewer = (number for number in np.argsort(means, kind="stable") if views[number] < views[least])
        for number in range(least) if prefers_cheap else fewer:
            mean, error = mean_and_error(best[number][2] - best[least][2], best[least][3])
            if mean <= max(error, NEGLIGIBLE):
                chosen = number
                break
    scan = scans[chosen]
    return Choice(scan.candidate, scan.choose_l2(sample_weight))


def neighbours(scan: Scan, sample_weight: Array) -> tuple[float, ...]:
    """Return the best penalty of a scan and the ones next to it, the stronger first. `sample_weight` is [n]."""
    best = scan.path[scan.best(sample_weight)[0]]
    return best * STEP, best, best / STEP


def find_leading(scans: Sequence[Scan], sample_weight: Array, count: int) -> list[int]:
    """Return the places of the scans with the least losses, `count` or fewer, in the order of the scans."""
    means = []
    for scan in scans:
        _, losses, weights = scan.best(sample_weight)
        means.append(float(losses @ weights))
    return sorted(sorted(range(len(scans)), key=lambda number: means[number])[:count])
