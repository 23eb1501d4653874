"""Trains heads: the recipes, the choice of tap and regularisation, and honest estimates of what to expect."""

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from classifier_svc.folds import Indices, fold_count, stratified_folds
from classifier_svc.head import Head, softmax, unit_length
from classifier_svc.metrics import Metrics, evaluate
from classifier_svc.solver import Array, Solution, TrainingCancelledError, fit
from rpc.errors import DatasetNotTrainableError, RecipeNotSupportedError

__all__ = ["Estimate", "Recipe", "TapFeatures", "Trained", "TrainingCancelledError", "train"]

L2_PATH: Final = tuple(10.0**power for power in np.arange(1.0, -4.1, -0.5))
"""The strengths of regularisation that `auto` tries on unit-length features, from the strongest to the weakest. Being
in terms of the sum over the examples, the best one hardly depends on their number."""

SEARCH_EXAMPLES: Final = 1000
"""The most examples that the choice is made on; a larger dataset is represented by a stratified sample."""

NESTED_EXAMPLES: Final = 400
"""Up to this many examples the estimate repeats the choice within each fold, so that choosing does not flatter it. With
more, choosing among so few candidates does not matter."""

_SEARCH_TOLERANCE: Final = 1e-4
"""How exactly the heads are fitted that only serve to choose: their log-loss is then right to three digits."""

_ESTIMATE_TOLERANCE: Final = 3e-4
"""How exactly the heads are fitted that only serve to estimate."""

COMPARED_EXAMPLES: Final = 1000
"""Up to this many examples the other recipe is estimated too; beyond, that would take longer than the training."""

_TUTORIAL_PENALTY: Final = 1.0
_SEED: Final = 20240229


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


@dataclass(frozen=True)
class _Candidate:
    """Features that a head could be trained on."""

    tap: str
    unit_length: bool
    values: Array
    """float64 [n, d], or float32 where that would take too much memory."""
    back: Array | None
    """float64 [tap's d, d], orthonormal: what turns weights on `values` into weights on the tap's vectors."""


@dataclass(frozen=True)
class _Choice:
    candidate: _Candidate
    l1: float
    l2: float


class _Trainer:
    """One training: its labels, and how it tells its progress and hears of its end."""

    def __init__(
        self, truth: Indices, classes: int, progress: Callable[[str, float], None], cancelled: Callable[[], bool]
    ) -> None:
        self._truth = truth
        self._classes = classes
        self._progress = progress
        self._cancelled = cancelled
        self._message = ""
        self._span = (0.0, 0.0)

    def stage(self, message: str, begin: float, end: float) -> None:
        """Tell that a stage begins, which takes the share of all work from `begin` to `end`."""
        self._message, self._span = message, (begin, end)
        self.tell(0)

    def tell(self, share: float) -> None:
        """Tell how much of the stage is done, from 0 to 1."""
        begin, end = self._span
        self._progress(self._message, begin + share * (end - begin))

    def solve(
        self,
        candidate: _Candidate,
        rows: Indices,
        l1: float,
        l2: float,
        *,
        tolerance: float = 1e-5,
        start: Solution | None = None,
    ) -> Solution:
        """Fit some of the examples."""
        return fit(
            candidate.values[rows],
            self._truth[rows],
            self._classes,
            l1=l1,
            l2=l2,
            tolerance=tolerance,
            start=start,
            cancelled=self._cancelled,
        )

    def folds(self, rows: Indices, count: int, seed: int) -> Iterator[tuple[Indices, Indices]]:
        """Yield what to train on and what to validate on, out of some of the examples."""
        for trained, validated in stratified_folds(self._truth[rows], count, seed):
            yield rows[trained], rows[validated]

    def choose(self, candidates: Sequence[_Candidate], rows: Indices, seed: int) -> _Choice:
        """Return the candidate and the L2 penalty with the least cross-validated log-loss on some of the examples.

        Of equal ones the shallower tap and the stronger penalty are chosen.
        """
        losses = np.zeros((len(candidates), len(L2_PATH)))
        folds = list(self.folds(rows, 5, seed))
        for number, candidate in enumerate(candidates):
            for trained, validated in folds:
                solution: Solution | None = None
                for step, l2 in enumerate(L2_PATH):
                    solution = self.solve(candidate, trained, 0, l2, tolerance=_SEARCH_TOLERANCE, start=solution)
                    right = softmax(solution.scores(candidate.values[validated]))[
                        np.arange(len(validated)), self._truth[validated]
                    ]
                    losses[number, step] -= np.log(np.maximum(right, 1e-15)).sum()
        number, step = divmod(int(np.argmin(losses.round(9))), len(L2_PATH))
        return _Choice(candidates[number], 0.0, L2_PATH[step])

    def estimate(
        self, classes: Sequence[str], rows: Indices, choose: Callable[[Indices, int], _Choice]
    ) -> Metrics | None:
        """Return the cross-validated metrics of a way to choose; None where nothing can be validated."""
        folds = list(self.folds(rows, fold_count(len(rows)), _SEED))
        probabilities, validated_rows = [], []
        for number, (trained, validated) in enumerate(folds):
            self.tell(number / len(folds))
            choice = choose(trained, number)
            solution = self.solve(choice.candidate, trained, choice.l1, choice.l2, tolerance=_ESTIMATE_TOLERANCE)
            probabilities.append(softmax(solution.scores(choice.candidate.values[validated])))
            validated_rows.append(validated)
        if not folds:
            return None
        return evaluate(np.concatenate(probabilities), self._truth[np.concatenate(validated_rows)], classes)


def train(
    taps: Sequence[TapFeatures],
    labels: Sequence[str],
    recipe: Recipe,
    *,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
) -> Trained:
    """Train a head on the features of n examples at some taps, from the shallowest to the deepest, and their labels.

    `auto`: vectors of unit length; tap and L2 penalty chosen by stratified cross-validated log-loss. `tutorial`: what
    the ML.NET tutorial does, elastic net with L1 = L2 = 1 on the raw class scores. Either way the other recipe is
    estimated on the same folds for comparison, where the taps allow it.

    `progress` is told what is done and the share that is, from 0 to 1. Raises DatasetNotTrainableError,
    RecipeNotSupportedError, or TrainingCancelledError soon after `cancelled` turns true.
    """
    classes = tuple(dict.fromkeys(str(label) for label in labels))
    _check(labels, classes)
    # One thread: on matrices of this size several are slower, and the service goes on answering meanwhile.
    with threadpool_limits(1, user_api="blas"):
        return _train(taps, labels, classes, recipe, progress, cancelled)


def _train(
    taps: Sequence[TapFeatures],
    labels: Sequence[str],
    classes: tuple[str, ...],
    recipe: Recipe,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
) -> Trained:
    index = {label: number for number, label in enumerate(classes)}
    truth = np.array([index[label] for label in labels], np.intp)
    trainer = _Trainer(truth, len(classes), progress, cancelled)
    rows = np.arange(len(truth))
    trainer.stage("preparing the features", 0, 0.02)
    # Class scores are what the network makes of its own 1000 classes: worse features, unless there are no others.
    automatic = [_candidate(tap, unit=True) for tap in taps if not tap.class_scores or len(taps) == 1]
    scores = [tap for tap in taps if tap.class_scores]
    if recipe is Recipe.TUTORIAL and not scores:
        raise RecipeNotSupportedError(
            "The recipe `tutorial` needs the network's class scores, which this backbone has not; "
            "inception5h and googlenet have them."
        )
    tutorial = [_Choice(_candidate(scores[0], unit=False), _TUTORIAL_PENALTY, _TUTORIAL_PENALTY)] if scores else []
    compared = len(rows) <= COMPARED_EXAMPLES
    estimates: dict[Recipe, Estimate] = {}
    if recipe is Recipe.AUTO or (automatic and compared):
        chosen = _choose_auto(trainer, automatic, rows)
        trainer.stage("cross-validating the recipe auto", 0.3, 0.7)
        nested = len(rows) <= NESTED_EXAMPLES
        metrics = trainer.estimate(
            classes, rows, lambda trained, seed: trainer.choose(automatic, trained, seed) if nested else chosen
        )
        if metrics is not None:
            estimates[Recipe.AUTO] = Estimate(Recipe.AUTO, (chosen.candidate.tap,), metrics)
    if recipe is Recipe.TUTORIAL or (tutorial and compared):
        trainer.stage("cross-validating the recipe tutorial", 0.7, 0.95)
        metrics = trainer.estimate(classes, rows, lambda _trained, _seed: tutorial[0])
        if metrics is not None:
            estimates[Recipe.TUTORIAL] = Estimate(Recipe.TUTORIAL, (tutorial[0].candidate.tap,), metrics)
    if recipe is Recipe.TUTORIAL:
        chosen = tutorial[0]
    trainer.stage("fitting all examples", 0.95, 1)
    solution = trainer.solve(chosen.candidate, rows, chosen.l1, chosen.l2)
    own = estimates.pop(recipe, None)
    trainer.tell(1)
    return Trained(
        head=_head(chosen, solution, classes),
        recipe=recipe,
        cross_validation=own.metrics if own else None,
        comparisons=tuple(estimates.values()),
        notes=_notes(labels, classes),
    )


def _choose_auto(trainer: _Trainer, candidates: Sequence[_Candidate], rows: Indices) -> _Choice:
    trainer.stage("choosing tap and regularisation", 0.02, 0.3)
    if len(rows) > SEARCH_EXAMPLES:
        rows = np.sort(np.random.default_rng(_SEED).permutation(rows)[:SEARCH_EXAMPLES])
    return trainer.choose(candidates, rows, _SEED)


def _check(labels: Sequence[str], classes: Sequence[str]) -> None:
    if len(classes) < 2:
        found = f"only the class `{classes[0]}`" if classes else "no examples"
        raise DatasetNotTrainableError(f"The dataset has {found}; training needs examples of at least two classes.")
    if len(labels) == len(classes) and len(labels) < 3:
        raise DatasetNotTrainableError("The dataset has one example a class and two classes; add some more examples.")


def _candidate(tap: TapFeatures, *, unit: bool) -> _Candidate:
    """Prepare a tap's features.

    Where there are fewer examples than dimensions, an L2-penalised solution lies in the span of the examples, so that
    it can be found in that many dimensions, exactly. With an L1 penalty (raw features) that does not hold.
    """
    vectors = unit_length(tap.values) if unit else tap.values
    values: Array = vectors.astype(np.float64) if vectors.size <= 20_000_000 else vectors  # type: ignore[assignment]
    if unit and values.shape[0] < values.shape[1]:
        back, triangle = np.linalg.qr(values.T)
        return _Candidate(tap.name, unit, triangle.T.copy(), back)
    return _Candidate(tap.name, unit, values, None)


def _head(choice: _Choice, solution: Solution, classes: tuple[str, ...]) -> Head:
    candidate = choice.candidate
    weights = solution.weights if candidate.back is None else candidate.back @ solution.weights
    return Head(
        taps=(candidate.tap,),
        unit_length=candidate.unit_length,
        classes=classes,
        weights=weights.astype(np.float32),
        biases=solution.biases.astype(np.float32),
        l1=choice.l1,
        l2=choice.l2,
    )


def _notes(labels: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    counts = dict.fromkeys(classes, 0)
    for label in labels:
        counts[label] += 1
    single = [label for label, count in counts.items() if count == 1]
    if not single:
        return ()
    named = ", ".join(f"`{label}`" for label in single[:5]) + (" and others" if len(single) > 5 else "")
    return (f"{named} has only one example: it is trained on, but not in the cross-validated estimate.",)
