"""Searches for the taps, the whitening and the strength of regularisation with the least cross-validated log-loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.fitting.feature_blocks import Columns
from lastlayer.classifier.fitting.folds import Indices, Splits, split, stratified_sample
from lastlayer.classifier.fitting.logistic import fit_ridge, scored
from lastlayer.classifier.fitting.pca import Rotated

Array = npt.NDArray[Any]

L2_PATH: Final = tuple(10.0 ** (power / 2) for power in range(2, -7, -1))
"""The strengths of regularisation that are tried on unit-length features, from the strongest to the weakest; scikit-
learn's C is 1 / L2. Being in terms of the sum over the examples, the best one hardly depends on their number."""

SEARCH_EXAMPLES: Final = 1000
"""The most examples on which all candidates are tried; of more, a sample decides which are tried on all of them."""

_FOLDS: Final = 5
_REPEATED_EXAMPLES: Final = 400
"""Up to this many examples the cross-validation is done twice, with other folds, as one alone is noisy."""

_FINALISTS: Final = 3
_TOLERANCE: Final = 1e-3
"""How exactly the heads are fitted that only serve to choose: their log-loss is then right to two digits."""

_UNVALIDATED_L2: Final = 0.01
"""Where nothing can be validated: what is usually about the best."""

_WORSE: Final = 1.05
"""A path ends once the log-loss has twice in a row been this many times the least so far."""

_ALL: Final = slice(None)

_PREFERENCE_EXAMPLES: Final = 30
"""From this many examples, a cheaper tap wins that is not distinguishably worse; with fewer, hardly any would be."""


@dataclass(frozen=True)
class Candidate:
    """Features that a head could be trained on: the taps, side by side, each scaled to unit length and rotated."""

    taps: tuple[str, ...]
    whitening: float
    """How much the rotated features were whitened (see `lastlayer.classifier.fitting.pca.whiten`)."""
    parts: tuple[Rotated, ...]

    def values(self, rows: Indices | slice, precision: type[np.floating[Any]]) -> Columns:
        """Return the features of some examples, [n, r]; without a copy where the rows are a slice of many."""
        return Columns([part.values[rows] for part in self.parts], precision)

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


@dataclass(frozen=True)
class Trial:
    """Features that were tried, at their best strength of regularisation."""

    taps: tuple[str, ...]
    whitening: float
    l2: float
    log_loss: float
    """Cross-validated; choosing by it makes it a little too good."""
    log_loss_standard_error: float
    example_count: int
    chosen: bool


@dataclass(frozen=True)
class Scan:
    """What cross-validation says of one candidate along the path of strengths."""

    candidate: Candidate
    path: tuple[float, ...]
    losses: Array
    """float64 [strengths, s, n], -ln p(true class) of each example while held out, for each of the s sets that were
    left out altogether; not a number where it was not validated."""

    def of(self, left_out: int) -> "Scan":
        """Return the scan of one of the sets alone."""
        return Scan(self.candidate, self.path, self.losses[:, left_out : left_out + 1])

    def best(self, weights: Array) -> tuple[int, Array, Array]:
        """Return the step with the least mean loss, the examples' losses there and their weights, both [validated]."""
        validated = ~np.isnan(self.losses[0, 0])
        losses, counts = self.losses[:, 0, validated], weights[validated]
        step = int((losses @ counts).argmin())
        return step, losses[step], counts


def mean_and_error(losses: Array, weights: Array) -> tuple[float, float]:
    """Return the weighted mean of losses [n] and its standard error (0 for one example)."""
    mean = float(losses @ weights / weights.sum())
    if len(losses) < 2:
        return mean, 0.0
    deviations = weights * (losses - mean)
    return mean, float(np.sqrt((deviations @ deviations) * len(losses) / (len(losses) - 1)) / weights.sum())


def choose(scans: Sequence[Scan], weights: Array) -> Choice:
    """Return the choice with the least mean log-loss over the validated examples, which count by their `weights` [n].

    `scans` are of one set each, from the cheapest candidate to the dearest. The cheapest is chosen whose log-loss is
    within one standard error of the least, the error being that of the difference between the two (Hastie,
    Tibshirani and Friedman, The Elements of Statistical Learning, 7.10, on paired losses). Of the same taps, that
    whitening is chosen which has the least loss. Where nothing was validated it is the deepest tap alone.
    """
    best = [(scan, *scan.best(weights)) for scan in scans]
    if not len(best[0][2]) or not best[0][3].sum():
        single = [scan.candidate for scan in scans if len(scan.candidate.taps) == 1 and not scan.candidate.whitening]
        return Choice(single[-1], _UNVALIDATED_L2)
    means = [losses @ counts for _, _, losses, counts in best]
    least = int(np.argmin(means))
    chosen = least
    if len(best[least][2]) >= _PREFERENCE_EXAMPLES:
        for number in range(least):
            mean, error = mean_and_error(best[number][2] - best[least][2], best[least][3])
            if mean <= error:
                taps = best[number][0].candidate.taps
                same = [other for other in range(len(best)) if best[other][0].candidate.taps == taps]
                chosen = min(same, key=lambda other: means[other])
                break
    scan, step, _, _ = best[chosen]
    return Choice(scan.candidate, scan.path[step])


class Search:
    """Cross-validates candidates on examples of known classes."""

    def __init__(self, truth: Indices, class_count: int, weights: Array, pulse: Callable[[], None]) -> None:
        """`truth` is [n], the classes' indices; `weights` float64 [n], how much each example counts."""
        self._truth = truth
        self._classes = class_count
        self._weights = weights
        self._pulse = pulse
        self._tried: dict[tuple[tuple[str, ...], float], tuple[Scan, Array]] = {}

    def scan_all(self, candidates: Sequence[Candidate], seed: int, tell: Callable[[float], None]) -> list[Scan]:
        """Scan the candidates, from the cheapest to the dearest.

        On many examples a sample of them decides which candidates, and which strengths, are scanned on all.
        """
        count = len(self._truth)
        many = count > SEARCH_EXAMPLES
        sample = stratified_sample(self._truth, SEARCH_EXAMPLES, seed) if many else _ALL
        repeats = 2 if count <= _REPEATED_EXAMPLES else 1
        splits = split(self._truth[sample], _FOLDS, seed, repeats=repeats)
        scans = []
        for number, candidate in enumerate(candidates):
            scans.append(self._try(candidate, sample, splits, L2_PATH))
            tell((number + 1) / len(candidates) / (2 if many else 1))
        if not many:
            return scans
        finalists = _leading(scans, self._weights[sample], _FINALISTS)
        splits = split(self._truth, _FOLDS, seed)
        scans_of_all = []
        for done, number in enumerate(finalists):
            path = around(scans[number], self._weights[sample])
            scans_of_all.append(self._try(candidates[number], _ALL, splits, path))
            tell(0.5 + (done + 1) / len(finalists) / 2)
        return scans_of_all

    def trials(self, choice: Choice) -> tuple[Trial, ...]:
        """Return what was tried, from the cheapest taps to the dearest: of the same taps, the better whitening."""
        best: dict[tuple[str, ...], Trial] = {}
        for scan, weights in self._tried.values():
            candidate = scan.candidate
            step, losses, counts = scan.best(weights)
            if not counts.sum():
                continue
            mean, error = mean_and_error(losses, counts)
            chosen = candidate is choice.candidate
            trial = Trial(candidate.taps, candidate.whitening, scan.path[step], mean, error, len(losses), chosen)
            other = best.get(candidate.taps)
            if other is None or chosen or (trial.log_loss < other.log_loss and not other.chosen):
                best[candidate.taps] = trial
        return tuple(best.values())

    def _try(self, candidate: Candidate, rows: Indices | slice, splits: Splits, path: Sequence[float]) -> Scan:
        scan = self.scan(candidate, rows, splits, path)
        self._tried[candidate.taps, candidate.whitening] = scan, self._weights[rows]
        return scan

    def scan_without(
        self, scans: Sequence[Scan], assigned: Indices, finalists: int, seed: int, tell: Callable[[float], None]
    ) -> list[list[Scan]]:
        """Scan the leading candidates once more for each fold, 0 and up in `assigned` [n], without its examples.

        Return the scans by fold. A few strengths around the best one are tried again.
        """
        splits = split(self._truth, _FOLDS, seed, without=assigned)
        found = []
        leading = _leading(scans, self._weights, finalists)
        for done, number in enumerate(leading):
            path = around(scans[number], self._weights)
            found.append(self.scan(scans[number].candidate, _ALL, splits, path))
            tell((done + 1) / len(leading))
        return [[scan.of(fold) for scan in found] for fold in range(len(splits.columns))]

    def scan(self, candidate: Candidate, rows: Indices | slice, splits: Splits, path: Sequence[float]) -> Scan:
        """Scan one candidate on some of the examples, the solution of each strength beginning at the one before."""
        truth, weights = self._truth[rows], self._weights[rows]
        if not splits.counted.size:
            return Scan(candidate, tuple(path), np.full((len(path), len(splits.columns), len(truth)), np.nan))
        values = candidate.values(rows, np.float32)
        losses: list[Array] = []
        least, worse = np.inf, 0
        solutions: Array | None = None
        for l2 in path:
            solutions = self.fit(values, truth, splits.counted * weights[:, None], l2, _TOLERANCE, solutions)
            losses.append(splits.average(_losses(values, truth, solutions, self._pulse)))
            mean = float(np.nanmean(losses[-1]))
            least = min(least, mean)
            worse = worse + 1 if mean > _WORSE * least else 0
            if worse == 2:
                break
        return Scan(candidate, tuple(path[: len(losses)]), np.stack(losses))

    def fit(
        self, values: Columns, truth: Indices, counted: Array, l2: float, tolerance: float, start: Array | None = None
    ) -> Array:
        """Return the solutions [r + 1, p, c] of regressions in which examples count by `counted`, [n, p]."""
        return fit_ridge(values, truth, self._classes, counted, l2, tolerance=tolerance, start=start, pulse=self._pulse)


def around(scan: Scan, weights: Array) -> tuple[float, ...]:
    """Return the strengths next to the best one of a scan, and that itself."""
    step = scan.best(weights)[0]
    return L2_PATH[max(0, step - 1) : step + 2]


def _leading(scans: Sequence[Scan], weights: Array, count: int) -> list[int]:
    """Return the numbers of the scans with the least losses, in the order of the scans."""
    means = []
    for scan in scans:
        _, losses, counts = scan.best(weights)
        means.append(float(losses @ counts))
    return sorted(sorted(range(len(scans)), key=lambda number: means[number])[:count])


def _losses(values: Columns, truth: Indices, solutions: Array, pulse: Callable[[], None]) -> Array:
    """Return -ln p(true class) of all examples in all regressions, [n, p]."""
    losses = np.empty((len(truth), solutions.shape[1]), solutions.dtype)
    for rows, scores in scored(values, solutions, pulse):
        scores -= scores.max(2, keepdims=True)
        right = scores[np.arange(len(scores)), :, truth[rows]].copy()
        losses[rows] = np.minimum(np.log(np.exp(scores, out=scores).sum(2)) - right, -np.log(1e-15))
    return losses
