"""The recipe `auto`: chooses taps, whitening and L2 penalty, estimates what to expect, and fits all examples."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.head import unit_length
from lastlayer.classifier.fitting.folds import assign_folds, choose_fold_count
from lastlayer.classifier.fitting.logistic import fit_single, iterate_logits
from lastlayer.classifier.fitting.pca import is_overwritten, iterate_blocks, rotate, split_columns, whiten
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.classifier.training.recipes import SEED, Fitted, TapFeatures, Validation
from lastlayer.classifier.training.search import Candidate, Choice, Scan, Search, Trial, choose

NESTED_EXAMPLES: Final = 400
"""Up to this many examples the cross-validation is nested: each fold's choice among the leading candidates is made by a
cross-validation of its own, without the fold's examples. With more examples, each fold's choice is made by the losses
of the other folds' examples: that leaves the fold's own losses out of the choice, and costs nothing. The regressions
behind the other losses were fitted on the fold's examples; with this many, that hardly matters."""

_NESTED_LOGITS: Final = 8000
"""The most examples times classes with which it is nested: the work grows with both."""

_WHITENING: Final = 0.25
"""Tried beside no whitening, where the cross-validation is nested. It helps some small datasets, and hardly ever large
ones."""

_NESTED_FINALISTS: Final = 4

_ALL: Final = slice(None)

_VALIDATION_TOLERANCE: Final = 3e-4
_FINAL_TOLERANCE: Final = 1e-5


class AutoTrainer:
    """The recipe `auto` on one dataset; `search` makes its choices."""

    def __init__(
        self,
        taps: Sequence[TapFeatures],
        y: Indices,
        class_count: int,
        sample_weight: Array,
        progress: TrainingProgress,
    ) -> None:
        """`taps` are in order of depth, the deepest last; `y` is [n], the classes' indices; `sample_weight` is [n]."""
        # The network's class scores are left out unless there is nothing else: they are made of the deepest features,
        # for other classes than these.
        self._taps = [tap for tap in taps if not tap.are_logits] or list(taps)
        self._y = y
        self._class_count = class_count
        self._sample_weight = sample_weight
        self._progress = progress
        self._nested = len(y) <= NESTED_EXAMPLES and len(y) * class_count <= _NESTED_LOGITS

    def search(self) -> "SearchedAuto":
        """Choose taps, whitening and penalty by cross-validated log-loss; overwrites features that are many."""
        self._progress.stage("preparing the features", 0, 0.05)
        vectors = {tap.name: _unit_length(tap.values, self._progress) for tap in self._taps}
        candidates = self._build_candidates(vectors)
        search = Search(self._y, self._class_count, self._sample_weight, self._progress)
        self._progress.stage("choosing taps and regularisation", 0.05, 0.45)
        scans = search.scan_all(candidates, SEED, self._progress.tell)
        # Only what is nested looks at the vectors again, and others may be many.
        kept = vectors if self._nested else None
        return SearchedAuto(self._y, self._class_count, self._sample_weight, self._progress, search, scans, kept)

    def _build_candidates(self, vectors: dict[str, npt.NDArray[np.float32]]) -> list[Candidate]:
        """Return what to choose from, from the cheapest to the dearest: what costs is the depth of the deepest tap.

        These are each tap, each with the one before it, and all of them.
        """
        names = list(vectors)
        spans = [(begin, end) for end in range(1, len(names) + 1) for begin in (end - 1, end - 2, 0) if begin >= 0]
        chosen = [
            tuple(names[begin:end]) for begin, end in dict.fromkeys(spans) if end - begin <= 2 or end == len(names)
        ]
        parts = {}
        for done, name in enumerate(names):
            self._progress()
            parts[name] = tuple(rotate(part, self._progress) for part in split_columns(vectors[name]))
            self._progress.tell((done + 1) / len(names))
        return [
            Candidate(taps, whitening, tuple(whiten(part, whitening) for tap in taps for part in parts[tap]))
            for taps in chosen
            for whitening in ((0.0, _WHITENING) if self._nested else (0.0,))
        ]


class SearchedAuto:
    """The recipe `auto` on one dataset, its choices made."""

    def __init__(
        self,
        y: Indices,
        class_count: int,
        sample_weight: Array,
        progress: TrainingProgress,
        search: Search,
        scans: Sequence[Scan],
        vectors: dict[str, npt.NDArray[np.float32]] | None,
    ) -> None:
        """`scans` are those of `search` that decide; `vectors` are given, by tap, where the validation is nested."""
        self._y = y
        self._class_count = class_count
        self._sample_weight = sample_weight
        self._progress = progress
        self._search = search
        self._scans = scans
        self._vectors = vectors
        self._choice = choose(scans, sample_weight)

    @property
    def taps(self) -> tuple[str, ...]:
        """The taps that were chosen."""
        return self._choice.candidate.taps

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What was tried."""
        return self._search.trials(self._choice)

    def validate(self) -> Validation:
        """Cross-validate the recipe, the choosing included (see `NESTED_EXAMPLES`)."""
        self._progress.stage("cross-validating the recipe auto", 0.45, 0.75)
        assigned = assign_folds(self._y, choose_fold_count(len(self._y)), SEED)
        folds = np.unique(assigned[assigned >= 0])
        logits = np.zeros((len(self._y), self._class_count))
        groups: dict[tuple[tuple[str, ...], float, float], tuple[Choice, list[int]]] = {}
        for fold, choice in zip(folds, self._choose_without(assigned, folds), strict=True):
            key = (choice.candidate.taps, choice.candidate.whitening, choice.l2)
            groups.setdefault(key, (choice, []))[1].append(fold)
        for done, (choice, members) in enumerate(groups.values()):
            self._fill_logits(choice, members, assigned, logits)
            self._progress.tell(0.7 + 0.3 * (done + 1) / len(groups))
        rows = np.flatnonzero(assigned >= 0)
        return Validation(rows, logits[rows], assigned[rows])

    def fit(self) -> Fitted:
        """Fit all examples."""
        candidate, l2 = self._choice.candidate, self._choice.l2
        solution = fit_single(
            candidate.values(_ALL, np.float64),
            self._y,
            self._class_count,
            self._sample_weight,
            l2,
            tolerance=_FINAL_TOLERANCE,
            callback=self._progress,
        )
        weights, biases = candidate.restore(solution)
        return Fitted(candidate.taps, True, weights, biases, l1=0.0, l2=l2, whitening=candidate.whitening)

    def _choose_without(self, assigned: Indices, folds: Indices) -> list[Choice]:
        """Return the choice for each fold that its examples have no part in."""
        if self._vectors is None:
            left_out = (np.where(assigned == fold, 0.0, self._sample_weight) for fold in folds)
            return [choose(self._scans, sample_weight) for sample_weight in left_out]
        scans = self._search.scan_without(
            self._scans, assigned, _NESTED_FINALISTS, SEED + 1, lambda share: self._progress.tell(0.7 * share)
        )
        return [choose(of_fold, self._sample_weight) for of_fold in scans]

    def _fill_logits(self, choice: Choice, folds: Sequence[int], assigned: Indices, logits: Array) -> None:
        """Write the logits, [n, c], of the examples of some folds for which the choice is the same."""
        if self._vectors is not None and choice.candidate.whitening:
            for fold in folds:
                logits[assigned == fold] = self._whitened_logits(choice, assigned == fold, self._vectors)
            return
        features = choice.candidate.values(_ALL, np.float32)
        sample_weight = (assigned[:, None] != np.array(folds)) * self._sample_weight[:, None]
        solutions = self._search.fit(features, self._y, sample_weight, choice.l2, _VALIDATION_TOLERANCE)
        for rows, of_all in iterate_logits(features, solutions, self._progress):
            for number, fold in enumerate(folds):
                own = assigned[rows] == fold
                logits[rows][own] = of_all[own, number]

    def _whitened_logits(
        self, choice: Choice, left_out: npt.NDArray[np.bool_], vectors: dict[str, npt.NDArray[np.float32]]
    ) -> Array:
        """Return the logits, [m, c], of the examples that are left out, `left_out` being bool [n].

        Whitening looks at the spread of the examples. It is done anew, so that these have no part in it.
        """
        kept, candidate = np.flatnonzero(~left_out), choice.candidate
        parts = tuple(whiten(rotate(vectors[tap][kept]), candidate.whitening) for tap in candidate.taps)
        own = Candidate(candidate.taps, candidate.whitening, parts)
        features = own.values(_ALL, np.float32)
        sample_weight = self._sample_weight[kept, None]
        solutions = self._search.fit(features, self._y[kept], sample_weight, choice.l2, _VALIDATION_TOLERANCE)
        weights, biases = own.restore(solutions[:, 0])
        logits: Array = np.hstack([vectors[tap][left_out] for tap in candidate.taps]) @ weights + biases
        return logits


def _unit_length(values: npt.NDArray[np.float32], progress: TrainingProgress) -> npt.NDArray[np.float32]:
    """Return the rows scaled to length 1, in their place where they are overwritten."""
    if not is_overwritten(values):
        return unit_length(values)
    for block in iterate_blocks(values):
        progress()
        block[:] = unit_length(block)
    return values
