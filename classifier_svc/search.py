"""Searches for the taps and the strength of regularisation with the least cross-validated log-loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from classifier_svc.folds import Indices, assign_folds, fold_count, stratified_sample
from classifier_svc.head import softmax
from classifier_svc.ridge import fit_ridge
from classifier_svc.rotation import Rotated

Array = npt.NDArray[Any]

L2_PATH: Final = tuple(10.0**power for power in np.arange(1.0, -3.1, -0.5))
"""The strengths of regularisation that are tried on unit-length features, from the strongest to the weakest; scikit-
learn's C is 1 / L2. Being in terms of the sum over the examples, the best one hardly depends on their number."""

SEARCH_EXAMPLES: Final = 1000
"""The most examples on which all candidates are tried; of more, a sample decides which are tried on all of them."""

_FINALISTS: Final = 3
_TOLERANCE: Final = 1e-3
"""How exactly the heads are fitted that only serve to choose: their log-loss is then right to two digits."""

_UNVALIDATED_L2: Final = 0.01
"""Where nothing can be validated: what is usually about the best."""

_WORSE: Final = 1.05
"""A path ends once the log-loss has twice in a row been this many times the least so far."""

_PREFERENCE_EXAMPLES: Final = 30
"""From this many examples, a cheaper tap wins that is not distinguishably worse; with fewer, hardly any would be."""


@dataclass(frozen=True)
class Candidate:
    """Features that a head could be trained on: the taps, side by side, each scaled to unit length and rotated."""

    taps: tuple[str, ...]
    parts: tuple[Rotated, ...]

    def values(self, rows: Indices, precision: type[np.floating[Any]]) -> Array:
        """Return the features of some examples, [n, r]."""
        return np.hstack([part.values[rows] for part in self.parts], dtype=precision, casting="unsafe")

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
class Scan:
    """What cross-validation says of one candidate along the path of strengths."""

    candidate: Candidate
    path: tuple[float, ...]
    losses: Array
    """float64 [strengths, n], -ln p(true class) of each example while held out; not a number where it never was."""


def choose(scans: Sequence[Scan], counted: Array | None = None) -> Choice:
    """Return the choice with the least mean log-loss, over all validated examples or those `counted`, bool [n].

    `scans` go from the cheapest candidate to the dearest. The cheapest is chosen whose log-loss is within one standard
    error of the least, the error being that of the difference between the two (Hastie, Tibshirani and Friedman, The
    Elements of Statistical Learning, 7.10, on paired losses). Where nothing was validated it is the deepest tap alone.
    """
    validated = ~np.isnan(scans[0].losses[0])
    if counted is not None:
        validated &= counted
    if not validated.any():
        return Choice([scan.candidate for scan in scans if len(scan.candidate.taps) == 1][-1], _UNVALIDATED_L2)
    best = []
    for scan in scans:
        losses = scan.losses[:, validated]
        step = int(losses.mean(1).argmin())
        best.append((scan.path[step], losses[step]))
    number = int(np.argmin([losses.mean() for _, losses in best]))
    least = best[number][1]
    if len(least) >= _PREFERENCE_EXAMPLES:
        for cheaper, (_, losses) in enumerate(best[:number]):
            differences = losses - least
            if differences.mean() <= differences.std(ddof=1) / np.sqrt(len(differences)):
                number = cheaper
                break
    return Choice(scans[number].candidate, best[number][0])


class Search:
    """Cross-validates candidates on examples of known classes."""

    def __init__(self, truth: Indices, class_count: int, pulse: Callable[[], None]) -> None:
        self._truth = truth
        self._classes = class_count
        self._pulse = pulse

    def scan_all(
        self, candidates: Sequence[Candidate], rows: Indices, seed: int, tell: Callable[[float], None]
    ) -> list[Scan]:
        """Scan the candidates, from the cheapest to the dearest, on some of the examples.

        On many examples a sample of them decides which candidates, and which strengths, are scanned on all.
        """
        many = len(rows) > SEARCH_EXAMPLES
        sample = rows[stratified_sample(self._truth[rows], SEARCH_EXAMPLES, seed)] if many else rows
        scans = []
        for number, candidate in enumerate(candidates):
            scans.append(self.scan(candidate, sample, L2_PATH, seed))
            tell((number + 1) / len(candidates) / (2 if many else 1))
        if not many:
            return scans
        means = [np.nanmean(scan.losses, axis=1) for scan in scans]
        finalists = sorted(sorted(range(len(scans)), key=lambda number: means[number].min())[:_FINALISTS])
        scans_of_all = []
        for done, number in enumerate(finalists):
            step = int(means[number].argmin())
            scans_of_all.append(self.scan(candidates[number], rows, L2_PATH[max(0, step - 1) : step + 2], seed))
            tell(0.5 + (done + 1) / len(finalists) / 2)
        return scans_of_all

    def scan(self, candidate: Candidate, rows: Indices, path: Sequence[float], seed: int) -> Scan:
        """Scan one candidate on some of the examples, the solution of each strength beginning at the one before."""
        truth = self._truth[rows]
        folds = fold_count(len(rows))
        assigned = assign_folds(truth, folds, seed)
        used = np.unique(assigned[assigned >= 0])
        if not len(used):
            return Scan(candidate, tuple(path), np.full((len(path), len(rows)), np.nan))
        counted = assigned[:, None] != used
        validated = np.flatnonzero(assigned >= 0)
        column = np.searchsorted(used, assigned[validated])
        values = candidate.values(rows, np.float32)
        losses: list[Array] = []
        least, worse = np.inf, 0
        solutions: Array | None = None
        for l2 in path:
            solutions = self.fit(values, truth, counted, l2, _TOLERANCE, solutions)
            held_out = np.full(len(rows), np.nan)
            held_out[validated] = -np.log(np.maximum(self._right(values, truth, solutions, validated, column), 1e-15))
            losses.append(held_out)
            mean = float(held_out[validated].mean())
            least = min(least, mean)
            worse = worse + 1 if mean > _WORSE * least else 0
            if worse == 2:
                break
        return Scan(candidate, tuple(path[: len(losses)]), np.stack(losses))

    def fit(
        self, values: Array, truth: Indices, counted: Array, l2: float, tolerance: float, start: Array | None = None
    ) -> Array:
        """Return the solutions [r + 1, p, c] of regressions that each count some of the examples, bool [n, p]."""
        return fit_ridge(values, truth, self._classes, counted, l2, tolerance=tolerance, start=start, pulse=self._pulse)

    def _right(self, values: Array, truth: Indices, solutions: Array, rows: Indices, column: Indices) -> Array:
        """Return the probability of the true class of examples that each belong to the regression in `column`."""
        right = np.empty(len(rows))
        for fit in np.unique(column):
            of_fit = np.flatnonzero(column == fit)
            scores = values[rows[of_fit]] @ solutions[:-1, fit] + solutions[-1, fit]
            right[of_fit] = softmax(scores.astype(np.float64))[np.arange(len(of_fit)), truth[rows[of_fit]]]
        return right
