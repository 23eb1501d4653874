"""Searches for the taps and the L2 penalty with the least cross-validated log-loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.fitting.coordinates import Coordinates, Decorrelated, pays_decorrelating
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.folds import Splits, choose_fold_count, make_splits, stratified_sample
from lastlayer.classifier.fitting.logistic import fit_logistic, iterate_logits
from lastlayer.classifier.fitting.pca import MAX_COLUMNS, Rotated, rotate
from lastlayer.rpc.vectors import CROP_ALONE, View

L2_PATH: Final = tuple(10.0 ** (power / 2) for power in range(2, -7, -1))
"""The L2 penalties that are tried first on unit-length features, from the strongest to the weakest (`fitting.logistic`
has them in scikit-learn's terms). They weigh against the sum of the examples' losses, not the mean: the best one hardly
depends on the number of examples. Where the best is at an end, the path grows there."""

L2_BOUNDS: Final = (1e-7, 1e5)
"""The weakest and the strongest penalty that a path grows to."""

_STEP: Final = 10.0**0.5
_GAIN: Final = 0.01
"""A path ends growing where the next penalty lowers the log-loss by less than this share."""

_LIKELY_L2: Final = 0.01
_DECADE_COST: Final = 0.25
"""What is known of the penalty before any example is seen: a prior that is normal in its logarithm. A decade away from
`_LIKELY_L2` costs as much as that many nats of out-of-fold log-loss, summed over the examples; two cost four times as
much. The best penalty hardly depends on the number of examples, but few find it only by luck. The log-loss on others
fell from 1.24 to 1.14 with 2 photos in each of five classes, from 0.81 to 0.78 with 5, and rose nowhere by more than
chance: on photos, thumbnails, digits and emoji (docs/explanation/training.md)."""

SEARCH_EXAMPLES: Final = 1000
"""The most examples on which all candidates are tried. Of more, a sample of this size decides which go on to all."""

_FOLDS: Final = 5
_REPEATED_EXAMPLES: Final = 400
"""Up to this many examples the cross-validation is repeated once, with other folds, as one alone is noisy."""

_FINALISTS: Final = 3
_TOLERANCE: Final = 1e-3
"""How exactly the regressions are fitted that only serve to choose (see `fit_logistic`): two digits of their log-loss
are then right."""

MANY_LOGITS: Final = 500_000
"""With more examples x classes than this, the best penalty on the sample is the only one on all examples, and
there are three folds."""

MANY_LOGITS_FOLDS: Final = 3

_NEGLIGIBLE: Final = 1e-3
"""A difference in log-loss that nobody notices."""

_WORSE: Final = 1.05
"""A path ends at the second penalty in a row whose log-loss is more than this many times the least before it."""

_ALL: Final = slice(None)

_PREFERENCE_EXAMPLES: Final = 30
"""From this many examples on, what is cheaper is preferred to what is better by less than a standard error. With fewer,
the error is so large that the cheapest would nearly always be chosen."""


@dataclass(frozen=True)
class Candidate:
    """Features that a head could be trained on: the taps, side by side, each scaled to unit length and rotated."""

    taps: tuple[str, ...]
    parts: tuple[Rotated, ...]
    """The features [n, r], in one part for each tap, or in several."""
    views: tuple[View, ...] = CROP_ALONE
    """The views whose vectors were averaged at each tap."""

    @property
    def key(self) -> tuple[tuple[str, ...], tuple[View, ...]]:
        """What tells it from other candidates of a search."""
        return self.taps, self.views

    def values(self, rows: Indices | slice, precision: type[np.floating[Any]]) -> FeatureBlocks:
        """Return the features of some examples, [rows, r], without a copy where `rows` is a slice and they are many."""
        return FeatureBlocks([part.values[rows] for part in self.parts], precision)

    def rotated(self, rows: Indices) -> "Candidate":
        """Return some of the examples, as few as `MAX_COLUMNS` or fewer, in fewer columns: one for each at most.

        What is fitted on them is the same. Its solutions are those of `rows` alone, not to be restored.
        """
        values = np.hstack([part.values[rows] for part in self.parts], dtype=np.float32, casting="unsafe")
        return Candidate(self.taps, (rotate(values),), self.views)

    def restore(self, solution: Array) -> tuple[Array, Array]:
        """Return a solution on these features, [r + 1, c], as weights [d, c] and biases [c] on the taps' vectors."""
        weights, biases, row = [], solution[-1].astype(np.float64), 0
        for part in self.parts:
            rank = part.values.shape[1]
            restored, bias = part.restore(solution[row : row + rank])
            weights.append(restored)
            biases = biases + bias
            row += rank
        return np.concatenate(weights), biases


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
            if mean <= max(error, _NEGLIGIBLE):
                chosen = number
                break
    scan = scans[chosen]
    return Choice(scan.candidate, scan.choose_l2(sample_weight))


class Search:
    """Cross-validates candidates on examples of known classes."""

    def __init__(
        self, y: Indices, class_count: int, sample_weight: Array, callback: Callable[[], None] = lambda: None
    ) -> None:
        """`y` is [n], the classes' indices; `sample_weight` float64 [n].

        `callback` is called at least once a step of a fit, and may raise to end the work.
        """
        self._y = y
        self._class_count = class_count
        self._sample_weight = sample_weight
        self._callback = callback
        self._tried: dict[tuple[tuple[str, ...], tuple[View, ...]], tuple[Scan, Array]] = {}
        self._decorrelated: tuple[Candidate, Decorrelated] | None = None

    def scan_all(self, candidates: Sequence[Candidate], seed: int, tell: Callable[[float], None]) -> list[Scan]:
        """Return the scans of the candidates, which are given from the cheapest to the dearest.

        Of more than `SEARCH_EXAMPLES` a sample decides which candidates, and which penalties, are scanned on all; only
        those scans are returned. `tell` is told the share of the work that is done, from 0 to 1.
        """
        count = len(self._y)
        many = count > SEARCH_EXAMPLES
        sample = stratified_sample(self._y, SEARCH_EXAMPLES, seed) if many else _ALL
        repeats = 2 if count <= _REPEATED_EXAMPLES else 1
        splits = make_splits(self._y[sample], self._fold_count(sample), seed, repeats=repeats)
        scans = []
        for number, candidate in enumerate(candidates):
            scans.append(self._try(candidate, sample, splits, L2_PATH))
            tell((number + 1) / len(candidates) / (2 if many else 1))
        if not many:
            return scans
        finalists = _leading(scans, self._sample_weight[sample], _FINALISTS)
        splits = make_splits(self._y, self._fold_count(_ALL), seed)
        scans_of_all = []
        for done, number in enumerate(finalists):
            path = neighbours(scans[number], self._sample_weight[sample])
            if count * self._class_count > MANY_LOGITS:
                path = path[1:2]
            scans_of_all.append(self._try(candidates[number], _ALL, splits, path, grows=len(path) > 1, keeps=True))
            tell(0.5 + (done + 1) / len(finalists) / 2)
        return scans_of_all

    def trials(self, choice: Choice) -> tuple[Trial, ...]:
        """Return what was tried, from the cheapest taps to the dearest."""
        trials = []
        for scan, sample_weight in self._tried.values():
            step, losses, weights = scan.best(sample_weight)
            if not weights.sum():
                continue
            mean, error = mean_and_error(losses, weights)
            chosen = scan.candidate is choice.candidate
            l2 = choice.l2 if chosen else scan.path[step]
            trials.append(Trial(scan.candidate.taps, l2, mean, error, len(losses), chosen, scan.candidate.views))
        return tuple(trials)

    def _fold_count(self, rows: Indices | slice) -> int:
        y = self._y[rows]
        return min(_FOLDS if len(y) * self._class_count <= MANY_LOGITS else MANY_LOGITS_FOLDS, choose_fold_count(y))

    def _try(
        self,
        candidate: Candidate,
        rows: Indices | slice,
        splits: Splits,
        path: Sequence[float],
        *,
        grows: bool = True,
        keeps: bool = False,
    ) -> Scan:
        scan = self.scan(candidate, rows, splits, path, grows=grows, keeps=keeps)
        self._tried[candidate.key] = scan, self._sample_weight[rows]
        return scan

    def scan_without(
        self, scans: Sequence[Scan], assigned: Indices, finalists: int, seed: int, tell: Callable[[float], None]
    ) -> list[list[Scan]]:
        """Scan the leading candidates once more for each fold, without its examples; return the scans of each fold.

        `assigned` [n] has the fold of each example, -1 for none. `finalists` says how many candidates lead; their best
        penalties and the ones next to these are tried. `tell` is told the share of the work that is done, from 0 to 1.
        """
        splits = make_splits(self._y, self._fold_count(_ALL), seed, without=assigned)
        found = []
        leading = _leading(scans, self._sample_weight, finalists)
        for done, number in enumerate(leading):
            path = neighbours(scans[number], self._sample_weight)
            found.append(self.scan(scans[number].candidate, _ALL, splits, path))
            tell((done + 1) / len(leading))
        return [[scan.of(fold) for scan in found] for fold in range(len(splits.validating))]

    def scan(
        self,
        candidate: Candidate,
        rows: Indices | slice,
        splits: Splits,
        path: Sequence[float],
        *,
        grows: bool = False,
        keeps: bool = False,
    ) -> Scan:
        """Return the scan of a candidate on some of the examples; a fit begins where those for others point to.

        `splits` are of the examples that `rows` chooses. The path ends early where the losses only get worse; where it
        `grows`, it goes on at an end at which the best penalty is. It `keeps` the regressions, of one cross-validation.
        """
        y, weights = self._y[rows], self._sample_weight[rows]
        if not splits.fitted.size:
            return Scan(candidate, tuple(path), np.full((len(path), len(splits.validating), len(y)), np.nan))
        few = candidate if isinstance(rows, slice) or len(rows) > MAX_COLUMNS else candidate.rotated(rows)
        values = few.values(_ALL if few is not candidate else rows, np.float32)
        coordinates = self.coordinates(few, path[len(path) // 2])
        sample_weight = splits.weights * weights[:, None]
        solutions: dict[float, Array] = {}

        def losses_at(l2: float) -> tuple[Array, float]:
            start = interpolate(solutions, l2) if solutions else None
            found = self.fit(values, y, sample_weight, l2, _TOLERANCE, coordinates=coordinates, start=start)
            solutions[l2] = found
            losses = splits.average(_losses(values, y, found, self._callback))
            counted = np.broadcast_to(weights, losses.shape)[~np.isnan(losses)]
            return losses, float(np.average(losses[~np.isnan(losses)], weights=counted))

        tried: dict[float, tuple[Array, float]] = {}
        worse = 0
        for l2 in path:
            _, mean = tried[l2] = losses_at(l2)
            worse = worse + 1 if mean > _WORSE * min(other for _, other in tried.values()) else 0
            if worse == 2:
                break
        for factor in (1 / _STEP, _STEP) if grows else ():
            self._grow(tried, factor, losses_at)
        order = tuple(sorted(tried, reverse=True))
        kept = Regressions(order, tuple(solutions[l2] for l2 in order), splits.validating[0, :, 0]) if keeps else None
        return Scan(candidate, order, np.stack([tried[l2][0] for l2 in order]), kept)

    @staticmethod
    def _grow(
        tried: dict[float, tuple[Array, float]], factor: float, losses_at: Callable[[float], tuple[Array, float]]
    ) -> None:
        """Go on with a path at one end as long as the best penalty is the last there, and the next one is better."""
        while True:
            last = min(tried) if factor < 1 else max(tried)
            following = last * factor
            if tried[last][1] > min(mean for _, mean in tried.values()):
                return
            if not L2_BOUNDS[0] <= following <= L2_BOUNDS[1]:
                return
            _, mean = tried[following] = losses_at(following)
            if mean > min((1 - _GAIN) * tried[last][1], tried[last][1] - _NEGLIGIBLE):
                return

    def coordinates(self, candidate: Candidate, l2: float) -> Coordinates | None:
        """Return in which coordinates to fit a candidate's features with penalties of about `l2`, see `fit_logistic`.

        None where those that it chooses are as good. Those of one candidate are kept.
        """
        columns = sum(part.values.shape[1] for part in candidate.parts)
        if not pays_decorrelating(len(candidate.parts), len(self._y), columns):
            return None
        if self._decorrelated is None or self._decorrelated[0] is not candidate:
            l2_share = l2 / float(self._sample_weight.sum())
            values = candidate.values(_ALL, np.float32)
            self._decorrelated = candidate, Decorrelated(values, self._class_count, l2_share, self._callback)
        return self._decorrelated[1]

    def fit(
        self,
        features: FeatureBlocks,
        y: Indices,
        sample_weight: Array,
        l2: float | Array,
        tolerance: float,
        *,
        coordinates: Coordinates | None = None,
        start: Array | None = None,
    ) -> Array:
        """Return the solutions of p regressions, [r + 1, p, c]; see `fit_logistic`. `sample_weight` is [n, p]."""
        return fit_logistic(
            features,
            y,
            self._class_count,
            sample_weight,
            l2,
            tolerance=tolerance,
            coordinates=coordinates,
            start=start,
            callback=self._callback,
        )


def interpolate(solutions: Mapping[float, Array], l2: float) -> Array:
    """Return about the solutions for a penalty: on the line, by its logarithm, through those for the nearest two."""
    nearest = sorted(solutions, key=lambda penalty: abs(np.log(penalty / l2)))[:2]
    near, far = nearest[0], nearest[-1]
    if near == far:
        return solutions[near]
    share = np.log(l2 / near) / np.log(far / near)
    between: Array = solutions[near] + solutions[near].dtype.type(share) * (solutions[far] - solutions[near])
    return between


def neighbours(scan: Scan, sample_weight: Array) -> tuple[float, ...]:
    """Return the best penalty of a scan and the ones next to it, the stronger first. `sample_weight` is [n]."""
    best = scan.path[scan.best(sample_weight)[0]]
    return best * _STEP, best, best / _STEP


def _leading(scans: Sequence[Scan], sample_weight: Array, count: int) -> list[int]:
    """Return the places of the scans with the least losses, `count` or fewer, in the order of the scans."""
    means = []
    for scan in scans:
        _, losses, weights = scan.best(sample_weight)
        means.append(float(losses @ weights))
    return sorted(sorted(range(len(scans)), key=lambda number: means[number])[:count])


def _losses(features: FeatureBlocks, y: Indices, solutions: Array, callback: Callable[[], None]) -> Array:
    """Return -ln p(y) of all examples in all regressions, [n, p]."""
    losses = np.empty((len(y), solutions.shape[1]), solutions.dtype)
    for rows, logits in iterate_logits(features, solutions, callback):
        logits -= logits.max(2, keepdims=True)
        y_logits = logits[np.arange(len(logits)), :, y[rows]].copy()
        losses[rows] = np.minimum(np.log(np.exp(logits, out=logits).sum(2)) - y_logits, -np.log(1e-15))
    return losses
