"""The recipes on one dataset: what each fits, and what it scores examples that it was fitted without."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.head import unit_length
from lastlayer.classifier.fitting.elastic_net import fit_elastic
from lastlayer.classifier.fitting.folds import Indices, assign_folds, fold_count
from lastlayer.classifier.fitting.logistic import scored
from lastlayer.classifier.fitting.pca import blocks, overwritten, rotate, split, whiten
from lastlayer.classifier.training.progress import Pulse
from lastlayer.classifier.training.search import Candidate, Choice, Search, Trial, choose

Array = npt.NDArray[Any]

NESTED_EXAMPLES: Final = 400
"""Up to this many examples the estimate repeats the choice among the leading candidates without each fold. With more,
the choice for each fold is made on the losses of the others: choosing among so few candidates on so many examples
hardly flatters, and this takes out what there is of it, as far as the fold's examples do not count for the choice."""

_NESTED_SCORES: Final = 8000
"""The most examples times classes with which that is done: the work grows with both."""

_WHITENING: Final = 0.25
"""What else than no whitening is tried, up to `NESTED_EXAMPLES`; it sometimes helps where examples are few, and hardly
ever with more."""

_NESTED_FINALISTS: Final = 4

_ALL: Final = slice(None)

_TUTORIAL_PENALTY: Final = 1.0
_SEED: Final = 20240229

_ESTIMATE_TOLERANCE: Final = 3e-4
_FINAL_TOLERANCE: Final = 1e-5
_ELASTIC_TOLERANCE: Final = 1e-5
_ELASTIC_ESTIMATE_TOLERANCE: Final = 1e-4
"""The log-loss is then right to three digits, in half the time."""


class Recipe(enum.Enum):
    """How a head is trained."""

    AUTO = "auto"
    TUTORIAL = "tutorial"


@dataclass(frozen=True)
class TapFeatures:
    """The features of the examples at one tap."""

    name: str
    class_scores: bool
    """Whether they are the network's class scores before softmax."""
    values: npt.NDArray[np.float32]
    """float32 [n, d]; a training may overwrite them where they are many (see `fitting.pca.overwritten`)."""


@dataclass(frozen=True)
class Fitted:
    """A regression on the vectors of taps, side by side."""

    taps: tuple[str, ...]
    unit_length: bool
    weights: Array
    """float64 [d, c]."""
    biases: Array
    """float64 [c]."""
    l1: float
    l2: float
    whitening: float = 0.0


@dataclass(frozen=True)
class Validation:
    """What a recipe scores examples that it was fitted without."""

    rows: Indices
    """[m], which examples were validated."""
    scores: Array
    """float64 [m, c], before softmax."""
    folds: Indices
    """[m], with which others each was left out."""


class Trainer(Protocol):
    """A recipe on one dataset."""

    taps: tuple[str, ...]
    """The taps that it uses."""

    def validate(self) -> Validation:
        """Cross-validate the recipe, all choices included."""
        ...

    def fit(self) -> Fitted:
        """Fit all examples."""
        ...


class AutoTrainer:
    """The recipe `auto`."""

    def __init__(
        self, taps: Sequence[TapFeatures], truth: Indices, class_count: int, weights: Array, pulse: Pulse
    ) -> None:
        self._truth = truth
        self._classes = class_count
        self._weights = weights
        self._pulse = pulse
        self._nested = len(truth) <= NESTED_EXAMPLES and len(truth) * class_count <= _NESTED_SCORES
        self._search = Search(truth, class_count, weights, pulse)
        pulse.stage("preparing the features", 0, 0.05)
        # Class scores are what the network makes of its own classes: worse features than those that they were made of,
        # so that they are left out unless there are no others.
        used = [tap for tap in taps if not tap.class_scores] or list(taps)
        self._vectors = {tap.name: _unit_length(tap.values, pulse) for tap in used}
        self._candidates = self._build_candidates()
        if not self._nested:
            self._vectors.clear()  # nothing looks at them again, and they may be many
        pulse.stage("choosing taps and regularisation", 0.05, 0.45)
        self._scans = self._search.scan_all(self._candidates, _SEED, pulse.tell)
        self._choice = choose(self._scans, weights)
        self.taps = self._choice.candidate.taps

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What was tried."""
        return self._search.trials(self._choice)

    def validate(self) -> Validation:
        """Cross-validate the recipe, the choosing included."""
        self._pulse.stage("cross-validating the recipe auto", 0.45, 0.75)
        assigned = assign_folds(self._truth, fold_count(len(self._truth)), _SEED)
        folds = np.unique(assigned[assigned >= 0])
        scores = np.zeros((len(self._truth), self._classes))
        groups: dict[tuple[tuple[str, ...], float, float], tuple[Choice, list[int]]] = {}
        for fold, choice in zip(folds, self._choices(assigned, folds), strict=True):
            key = (choice.candidate.taps, choice.candidate.whitening, choice.l2)
            groups.setdefault(key, (choice, []))[1].append(fold)
        for done, (choice, members) in enumerate(groups.values()):
            self._score(choice, members, assigned, scores)
            self._pulse.tell(0.7 + 0.3 * (done + 1) / len(groups))
        rows = np.flatnonzero(assigned >= 0)
        return Validation(rows, scores[rows], assigned[rows])

    def fit(self) -> Fitted:
        """Fit all examples."""
        candidate, l2 = self._choice.candidate, self._choice.l2
        values = candidate.values(_ALL, np.float64)
        solution = self._search.fit(values, self._truth, self._weights[:, None], l2, _FINAL_TOLERANCE)
        weights, biases = candidate.restore(solution[:, 0])
        return Fitted(candidate.taps, True, weights, biases, l1=0.0, l2=l2, whitening=candidate.whitening)

    def _build_candidates(self) -> list[Candidate]:
        """Return what to choose from, from the cheapest to the dearest: what costs is the depth of the deepest tap.

        Each tap, each with the one before, and all of them.
        """
        names = list(self._vectors)
        spans = [(begin, end) for end in range(1, len(names) + 1) for begin in (end - 1, end - 2, 0) if begin >= 0]
        chosen = [
            tuple(names[begin:end]) for begin, end in dict.fromkeys(spans) if end - begin <= 2 or end == len(names)
        ]
        parts = {}
        for done, name in enumerate(names):
            self._pulse()
            parts[name] = tuple(rotate(part, self._pulse) for part in split(self._vectors[name]))
            self._pulse.tell((done + 1) / len(names))
        return [
            Candidate(taps, whitening, tuple(whiten(part, whitening) for tap in taps for part in parts[tap]))
            for taps in chosen
            for whitening in ((0.0, _WHITENING) if self._nested else (0.0,))
        ]

    def _choices(self, assigned: Indices, folds: Indices) -> list[Choice]:
        """Return for each fold what would have been chosen had there not been its examples."""
        if not self._nested:
            left_out = (np.where(assigned == fold, 0.0, self._weights) for fold in folds)
            return [choose(self._scans, weights) for weights in left_out]
        scans = self._search.scan_without(
            self._scans, assigned, _NESTED_FINALISTS, _SEED + 1, lambda share: self._pulse.tell(0.7 * share)
        )
        return [choose(of_fold, self._weights) for of_fold in scans]

    def _score(self, choice: Choice, folds: Sequence[int], assigned: Indices, scores: Array) -> None:
        """Fill in the scores of the examples of some folds for which the choice is the same."""
        if choice.candidate.whitening:
            # Whitening looks at the spread of the examples, of which those that are left out are no part.
            for fold in folds:
                kept = np.flatnonzero(assigned != fold)
                parts = tuple(
                    whiten(rotate(self._vectors[tap][kept]), choice.candidate.whitening)
                    for tap in choice.candidate.taps
                )
                candidate = Candidate(choice.candidate.taps, choice.candidate.whitening, parts)
                values = candidate.values(_ALL, np.float32)
                counted = self._weights[kept, None]
                solution = self._search.fit(values, self._truth[kept], counted, choice.l2, _ESTIMATE_TOLERANCE)
                weights, biases = candidate.restore(solution[:, 0])
                left = np.hstack([self._vectors[tap][assigned == fold] for tap in choice.candidate.taps])
                scores[assigned == fold] = left @ weights + biases
            return
        values = choice.candidate.values(_ALL, np.float32)
        counted = (assigned[:, None] != np.array(folds)) * self._weights[:, None]
        solutions = self._search.fit(values, self._truth, counted, choice.l2, _ESTIMATE_TOLERANCE)
        for rows, scored_by_all in scored(values, solutions, self._pulse):
            for number, fold in enumerate(folds):
                own = assigned[rows] == fold
                scores[rows][own] = scored_by_all[own, number]


class TutorialTrainer:
    """The recipe `tutorial`: what the ML.NET tutorial does, elastic net with L1 = L2 = 1 on the raw class scores."""

    def __init__(self, tap: TapFeatures, truth: Indices, class_count: int, pulse: Pulse) -> None:
        self._values = tap.values
        self._truth = truth
        self._classes = class_count
        self._pulse = pulse
        self.taps: tuple[str, ...] = (tap.name,)

    def validate(self) -> Validation:
        """Cross-validate the recipe."""
        self._pulse.stage("cross-validating the recipe tutorial", 0.75, 0.95)
        assigned = assign_folds(self._truth, fold_count(len(self._truth)), _SEED)
        folds = np.unique(assigned[assigned >= 0])
        scores = np.zeros((len(self._truth), self._classes))
        for done, fold in enumerate(folds):
            weights, biases = self._fit(np.flatnonzero(assigned != fold), _ELASTIC_ESTIMATE_TOLERANCE)
            scores[assigned == fold] = self._values[assigned == fold] @ weights + biases
            self._pulse.tell((done + 1) / len(folds))
        rows = np.flatnonzero(assigned >= 0)
        return Validation(rows, scores[rows], assigned[rows])

    def fit(self) -> Fitted:
        """Fit all examples."""
        weights, biases = self._fit(np.arange(len(self._truth)), _ELASTIC_TOLERANCE)
        return Fitted(self.taps, False, weights, biases, l1=_TUTORIAL_PENALTY, l2=_TUTORIAL_PENALTY)

    def _fit(self, rows: Indices, tolerance: float) -> tuple[Array, Array]:
        return fit_elastic(
            self._values[rows],
            self._truth[rows],
            self._classes,
            l1=_TUTORIAL_PENALTY,
            l2=_TUTORIAL_PENALTY,
            tolerance=tolerance,
            pulse=self._pulse,
        )


def _unit_length(values: npt.NDArray[np.float32], pulse: Pulse) -> npt.NDArray[np.float32]:
    """Return the rows scaled to length 1, in their place where they are overwritten."""
    if not overwritten(values):
        return unit_length(values)
    for block in blocks(values):
        pulse()
        block[:] = unit_length(block)
    return values
