"""Trains heads: the recipes, and honest estimates of what to expect of them."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from classifier_svc.elastic import fit_elastic
from classifier_svc.folds import Indices, assign_folds, fold_count
from classifier_svc.head import Head, softmax, unit_length
from classifier_svc.metrics import Metrics, evaluate
from classifier_svc.pulse import Pulse, TrainingCancelledError
from classifier_svc.rotation import rotate, split
from classifier_svc.search import Candidate, Choice, Search, choose
from rpc.errors import DatasetNotTrainableError, RecipeNotSupportedError

__all__ = ["Estimate", "Recipe", "TapFeatures", "Trained", "TrainingCancelledError", "train"]

NESTED_EXAMPLES: Final = 400
"""Up to this many examples the estimate repeats the whole search without each fold. With more, the search is run once,
and the choice for each fold is made on the losses of the others: choosing among so few candidates on so many examples
hardly flatters, and this takes out what there is of it, as far as the fold's examples do not count for the choice."""

COMPARED_EXAMPLES: Final = 1000
"""Up to this many examples the other recipe is estimated too; beyond, that would take longer than the training."""

_TUTORIAL_PENALTY: Final = 1.0
_SEED: Final = 20240229

_ESTIMATE_TOLERANCE: Final = 3e-4
_FINAL_TOLERANCE: Final = 1e-5
_ELASTIC_TOLERANCE: Final = 1e-5


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
    """float32 [n, d]."""


@dataclass(frozen=True)
class Estimate:
    """What to expect of a recipe on new images."""

    recipe: Recipe
    taps: tuple[str, ...]
    metrics: Metrics


@dataclass(frozen=True)
class Trained:
    """A trained head and what is known of it."""

    head: Head
    recipe: Recipe
    cross_validation: Metrics | None
    """None where the examples are too few to validate on."""
    comparisons: tuple[Estimate, ...]
    notes: tuple[str, ...]
    """What a user should know, a sentence each."""


def train(
    taps: Sequence[TapFeatures],
    labels: Sequence[str],
    recipe: Recipe,
    *,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
) -> Trained:
    """Train a head on the features of n examples at some taps, from the shallowest to the deepest, and their labels.

    `auto`: vectors of unit length, of one tap or several side by side; taps and L2 penalty chosen by stratified
    cross-validated log-loss. `tutorial`: what the ML.NET tutorial does, elastic net with L1 = L2 = 1 on the raw class
    scores. Either way the other recipe is estimated on the same folds for comparison, where the taps allow it.

    `progress` is told what is done and the share that is, from 0 to 1. Raises
    DatasetNotTrainableError, RecipeNotSupportedError, or TrainingCancelledError soon after `cancelled` turns true.
    """
    classes = tuple(dict.fromkeys(str(label) for label in labels))
    _check(classes)
    scores = next((tap for tap in taps if tap.class_scores), None)
    if recipe is Recipe.TUTORIAL and scores is None:
        raise RecipeNotSupportedError(
            "The recipe `tutorial` needs the network's class scores, which this backbone has not; "
            "inception5h and googlenet have them."
        )
    index = {label: number for number, label in enumerate(classes)}
    truth = np.array([index[label] for label in labels], np.intp)
    pulse = Pulse(progress, cancelled)
    compared = len(labels) <= COMPARED_EXAMPLES
    # One thread: on matrices of this size several are hardly faster, and the service goes on answering meanwhile.
    with threadpool_limits(1, user_api="blas"):
        trainers: dict[Recipe, _Auto | _Tutorial] = {}
        if recipe is Recipe.AUTO or compared:
            trainers[Recipe.AUTO] = _Auto(taps, truth, classes, pulse)
        if scores is not None and (recipe is Recipe.TUTORIAL or compared):
            trainers[Recipe.TUTORIAL] = _Tutorial(scores, truth, classes, pulse)
        estimates = {done: trainer.estimate() for done, trainer in trainers.items()}
        pulse.stage("fitting all examples", 0.95, 1)
        head = trainers[recipe].fit()
        pulse.tell(1)
    own = estimates.pop(recipe)
    return Trained(
        head=head,
        recipe=recipe,
        cross_validation=own.metrics if own else None,
        comparisons=tuple(estimate for estimate in estimates.values() if estimate),
        notes=_notes(labels, classes),
    )


class _Auto:
    """The recipe `auto` on one dataset."""

    def __init__(self, taps: Sequence[TapFeatures], truth: Indices, classes: tuple[str, ...], pulse: Pulse) -> None:
        self._truth = truth
        self._classes = classes
        self._pulse = pulse
        self._rows = np.arange(len(truth))
        self._search = Search(truth, len(classes), pulse)
        pulse.stage("preparing the features", 0, 0.05)
        self._candidates = _candidates(taps, pulse)
        pulse.stage("choosing taps and regularisation", 0.05, 0.4)
        self._scans = self._search.scan_all(self._candidates, self._rows, _SEED, pulse.tell)
        self._choice = choose(self._scans)

    def estimate(self) -> Estimate | None:
        """Return what cross-validation says of the recipe, the choosing included; None where nothing is validated."""
        self._pulse.stage("cross-validating the recipe auto", 0.4, 0.75)
        assigned = assign_folds(self._truth, fold_count(len(self._rows)), _SEED)
        probabilities = np.empty((len(self._rows), len(self._classes)))
        choices: dict[tuple[tuple[str, ...], float], tuple[Choice, list[int]]] = {}
        for fold in np.unique(assigned[assigned >= 0]):
            choice = self._choose_without(fold, assigned)
            choices.setdefault((choice.candidate.taps, choice.l2), (choice, []))[1].append(fold)
            self._pulse.tell(0.7 * (fold + 1) / (assigned.max() + 1))
        for done, (choice, folds) in enumerate(choices.values()):
            values = choice.candidate.values(self._rows, np.float32)
            counted = assigned[:, None] != np.array(folds)
            solutions = self._search.fit(values, self._truth, counted, choice.l2, _ESTIMATE_TOLERANCE)
            for number, fold in enumerate(folds):
                scores = values[assigned == fold] @ solutions[:-1, number] + solutions[-1, number]
                probabilities[assigned == fold] = softmax(scores.astype(np.float64))
            self._pulse.tell(0.7 + 0.3 * (done + 1) / len(choices))
        return _estimate(Recipe.AUTO, self._choice.candidate.taps, probabilities, self._truth, assigned, self._classes)

    def _choose_without(self, fold: int, assigned: Indices) -> Choice:
        """Return what would have been chosen had there not been the examples of a fold."""
        if len(self._rows) > NESTED_EXAMPLES:
            return choose(self._scans, assigned != fold)
        trained = np.flatnonzero(assigned != fold)
        return choose(self._search.scan_all(self._candidates, trained, _SEED + 1 + fold, lambda _share: None))

    def fit(self) -> Head:
        """Return the head of all examples."""
        candidate, l2 = self._choice.candidate, self._choice.l2
        values = candidate.values(self._rows, np.float64)
        counted = np.ones((len(self._rows), 1))
        weights, biases = candidate.restore(self._search.fit(values, self._truth, counted, l2, _FINAL_TOLERANCE)[:, 0])
        return _head(candidate.taps, True, self._classes, weights, biases, l1=0.0, l2=l2)


class _Tutorial:
    """The recipe `tutorial` on one dataset."""

    def __init__(self, tap: TapFeatures, truth: Indices, classes: tuple[str, ...], pulse: Pulse) -> None:
        self._tap = tap
        self._truth = truth
        self._classes = classes
        self._pulse = pulse

    def estimate(self) -> Estimate | None:
        """Return what cross-validation says of the recipe; None where nothing can be validated."""
        self._pulse.stage("cross-validating the recipe tutorial", 0.75, 0.95)
        count = len(self._truth)
        assigned = assign_folds(self._truth, fold_count(count), _SEED)
        probabilities = np.empty((count, len(self._classes)))
        folds = np.unique(assigned[assigned >= 0])
        for done, fold in enumerate(folds):
            weights, biases = self._fit(np.flatnonzero(assigned != fold))
            validated = np.flatnonzero(assigned == fold)
            probabilities[validated] = softmax(self._tap.values[validated] @ weights + biases)
            self._pulse.tell((done + 1) / len(folds))
        return _estimate(Recipe.TUTORIAL, (self._tap.name,), probabilities, self._truth, assigned, self._classes)

    def fit(self) -> Head:
        """Return the head of all examples."""
        weights, biases = self._fit(np.arange(len(self._truth)))
        penalty = _TUTORIAL_PENALTY
        return _head((self._tap.name,), False, self._classes, weights, biases, l1=penalty, l2=penalty)

    def _fit(self, rows: Indices) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        return fit_elastic(
            self._tap.values[rows],
            self._truth[rows],
            len(self._classes),
            l1=_TUTORIAL_PENALTY,
            l2=_TUTORIAL_PENALTY,
            tolerance=_ELASTIC_TOLERANCE,
            pulse=self._pulse,
        )


def _check(classes: Sequence[str]) -> None:
    if len(classes) < 2:
        found = f"only the class `{classes[0]}`" if classes else "no examples"
        raise DatasetNotTrainableError(f"The dataset has {found}; training needs examples of at least two classes.")


def _candidates(taps: Sequence[TapFeatures], pulse: Pulse) -> list[Candidate]:
    """Return what to choose from, from the cheapest to the dearest: what costs is the depth of the deepest tap.

    Each tap, each with the one before, and all of them. Class scores are what the network makes of its own classes:
    worse features than those that they were made of, so that they are left out unless there are no others.
    """
    used = [tap for tap in taps if not tap.class_scores] or list(taps)
    parts = []
    for done, tap in enumerate(used):
        pulse()
        parts.append(tuple(rotate(part) for part in split(unit_length(tap.values))))
        pulse.tell((done + 1) / len(used))
    spans = [(begin, end) for end in range(1, len(used) + 1) for begin in (end - 1, end - 2, 0) if begin >= 0]
    return [
        Candidate(tuple(tap.name for tap in used[begin:end]), sum(parts[begin:end], ()))
        for begin, end in dict.fromkeys(spans)
        if end - begin <= 2 or end == len(used)
    ]


def _head(
    taps: tuple[str, ...],
    unit: bool,
    classes: tuple[str, ...],
    weights: npt.NDArray[Any],
    biases: npt.NDArray[Any],
    *,
    l1: float,
    l2: float,
) -> Head:
    return Head(
        taps=taps,
        unit_length=unit,
        classes=classes,
        weights=weights.astype(np.float32),
        biases=biases.astype(np.float32),
        l1=l1,
        l2=l2,
    )


def _estimate(
    recipe: Recipe,
    taps: tuple[str, ...],
    probabilities: npt.NDArray[np.float64],
    truth: Indices,
    assigned: Indices,
    classes: Sequence[str],
) -> Estimate | None:
    validated = assigned >= 0
    if not validated.any():
        return None
    return Estimate(recipe, taps, evaluate(probabilities[validated], truth[validated], classes))


def _notes(labels: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    counts = dict.fromkeys(classes, 0)
    for label in labels:
        counts[label] += 1
    single = [label for label, count in counts.items() if count == 1]
    if not single:
        return ()
    if len(single) == len(classes):
        return ("Each class has only one example: nothing can be validated, and how good the model is is not known.",)
    named = ", ".join(f"`{label}`" for label in single[:5]) + (" and others" if len(single) > 5 else "")
    return (f"{named} has only one example: it is trained on, but not in the cross-validated estimate.",)
