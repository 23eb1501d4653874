"""Cross-validates candidates along a path of penalties."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.fitting.coordinates import Coordinates, Decorrelated, pays_decorrelating
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.folds import Splits, choose_fold_count, make_splits, stratified_sample
from lastlayer.classifier.fitting.logistic import fit_logistic, iterate_logits
from lastlayer.classifier.fitting.pca import MAX_COLUMNS
from lastlayer.classifier.training.search.candidates import Candidate
from lastlayer.classifier.training.search.penalties import L2_BOUNDS, L2_PATH, STEP, interpolate
from lastlayer.classifier.training.search.scans import (
    NEGLIGIBLE,
    Choice,
    Regressions,
    Scan,
    Trial,
    find_leading,
    mean_and_error,
    neighbours,
)
from lastlayer.rpc.vectors import View

_GAIN: Final = 0.01
"""A path ends growing where the next penalty lowers the log-loss by less than this share."""

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

_WORSE: Final = 1.05
"""A path ends at the second penalty in a row whose log-loss is more than this many times the least before it."""

_ALL: Final = slice(None)


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
        finalists = find_leading(scans, self._sample_weight[sample], _FINALISTS)
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
        leading = find_leading(scans, self._sample_weight, finalists)
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
        """Return the scan of a candidate on some of the examples; a fit begins at that for the nearest penalty.

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
        for factor in (1 / STEP, STEP) if grows else ():
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
            if mean > min((1 - _GAIN) * tried[last][1], tried[last][1] - NEGLIGIBLE):
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


def _losses(features: FeatureBlocks, y: Indices, solutions: Array, callback: Callable[[], None]) -> Array:
    """Return -ln p(y) of all examples in all regressions, [n, p]."""
    losses = np.empty((len(y), solutions.shape[1]), solutions.dtype)
    for rows, logits in iterate_logits(features, solutions, callback):
        logits -= logits.max(2, keepdims=True)
        y_logits = logits[np.arange(len(logits)), :, y[rows]].copy()
        losses[rows] = np.minimum(np.log(np.exp(logits, out=logits).sum(2)) - y_logits, -np.log(1e-15))
    return losses
