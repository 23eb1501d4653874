"""Trains heads by a recipe, and says what to expect of them: held-out metrics, calibration, rejection."""

import enum
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from lastlayer.classifier.domain.errors import DatasetNotTrainableError, RecipeNotSupportedError
from lastlayer.classifier.domain.head import Head, softmax
from lastlayer.classifier.domain.types import Backbone
from lastlayer.classifier.evaluation.calibration import LEAST_EXAMPLES, Calibration, calibrate_folds, fit_temperature
from lastlayer.classifier.evaluation.metrics import Metrics, evaluate
from lastlayer.classifier.evaluation.rejection import Rejection, RejectionPoint, choose_threshold, rejection_curve
from lastlayer.classifier.fitting.folds import Indices
from lastlayer.classifier.training.progress import Pulse, TrainingCancelledError
from lastlayer.classifier.training.recipes import (
    AutoTrainer,
    Fitted,
    Recipe,
    TapFeatures,
    Trainer,
    TutorialTrainer,
    Validation,
)
from lastlayer.classifier.training.search import Trial

__all__ = [
    "ClassWeight",
    "Estimate",
    "HeldOutPredictions",
    "Recipe",
    "TapFeatures",
    "Trained",
    "TrainingCancelledError",
    "needed_taps",
    "train",
]

COMPARED_EXAMPLES: Final = 1000
"""Up to this many examples the other recipe is estimated too; beyond, that would take longer than the training."""

Array = npt.NDArray[Any]


class ClassWeight(enum.Enum):
    """How much the examples of each class count."""

    NONE = "none"
    BALANCED = "balanced"
    """Every class counts the same: an example counts n / (classes * examples of its class)."""


@dataclass(frozen=True)
class Estimate:
    """What to expect of a recipe on new images."""

    recipe: Recipe
    taps: tuple[str, ...]
    metrics: Metrics


@dataclass(frozen=True)
class HeldOutPredictions:
    """What was predicted for examples that were left out of the training, as the head would be calibrated."""

    rows: Indices
    """[m], which examples."""
    truth: Indices
    """[m], the indices of their classes."""
    probabilities: npt.NDArray[np.float64]
    """float64 [m, c]."""


@dataclass(frozen=True)
class Trained:
    """A trained head and what is known of it."""

    head: Head
    """Calibrated: its scores are divided by the temperature already."""
    recipe: Recipe
    class_weight: ClassWeight
    whitening: float
    """How much its features were whitened for the penalty's sake (see `lastlayer.classifier.fitting.pca.whiten`)."""
    cross_validation: Metrics | None
    """None where the examples are too few to validate on."""
    calibration: Calibration | None
    """None where probabilities are as fitted."""
    rejection: Rejection | None
    rejection_curve: tuple[RejectionPoint, ...]
    trials: tuple[Trial, ...]
    comparisons: tuple[Estimate, ...]
    notes: tuple[str, ...]
    """What a user should know, a sentence each."""
    held_out: HeldOutPredictions | None
    """None where nothing was validated."""


def needed_taps(backbone: Backbone, example_count: int, recipe: Recipe) -> list[str]:
    """Return the names of the taps whose features `train` takes: all where the recipes are compared."""
    scores = [tap.name for tap in backbone.taps if tap.class_scores]
    others = [tap.name for tap in backbone.taps if not tap.class_scores]
    if example_count <= COMPARED_EXAMPLES:
        return others + scores
    return scores if recipe is Recipe.TUTORIAL else others or scores


def train(
    taps: Sequence[TapFeatures],
    labels: Sequence[str],
    recipe: Recipe,
    *,
    class_weight: ClassWeight = ClassWeight.NONE,
    min_precision: float = 0.0,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
) -> Trained:
    """Train a head on the features of n examples at some taps, from the shallowest to the deepest, and their labels.

    `auto`: vectors of unit length, of one tap or several side by side; taps and L2 penalty chosen by stratified
    cross-validated log-loss; calibrated. `tutorial`: what the ML.NET tutorial does, elastic net with L1 = L2 = 1 on the
    raw class scores. Either way the other recipe is estimated on the same folds for comparison, where the taps allow
    it. With a `min_precision`, a threshold is chosen below which predictions are rejected.

    `progress` is told what is done and the share that is, from 0 to 1. Raises DatasetNotTrainableError,
    RecipeNotSupportedError, or TrainingCancelledError soon after `cancelled` turns true.
    """
    classes = tuple(dict.fromkeys(str(label) for label in labels))
    _check(classes)
    scores = next((tap for tap in taps if tap.class_scores), None)
    if recipe is Recipe.TUTORIAL:
        _check_tutorial(scores, class_weight)
    index = {label: number for number, label in enumerate(classes)}
    truth = np.array([index[label] for label in labels], np.intp)
    weights = _weights(truth, len(classes), class_weight)
    pulse = Pulse(progress, cancelled)
    compared = len(labels) <= COMPARED_EXAMPLES
    trials: tuple[Trial, ...] = ()
    # Loaded only now, as it takes a third of a second and 50 MB, which a service that only predicts does without; and
    # before the threads are limited, which holds for libraries that are there.
    importlib.import_module("scipy.optimize")
    # One thread: on matrices of this size several are hardly faster, and the service goes on answering meanwhile.
    with threadpool_limits(1, user_api="blas"):
        trainers: dict[Recipe, Trainer] = {}
        if recipe is Recipe.AUTO or compared:
            auto = AutoTrainer(taps, truth, len(classes), weights, pulse)
            trials = auto.trials if recipe is Recipe.AUTO else ()
            trainers[Recipe.AUTO] = auto
        if scores is not None and (recipe is Recipe.TUTORIAL or compared):
            trainers[Recipe.TUTORIAL] = TutorialTrainer(scores, truth, len(classes), pulse)
        validated = {
            done: _Validated(trainer.validate(), truth, weights, calibrated=done is Recipe.AUTO)
            for done, trainer in trainers.items()
        }
        own = validated[recipe]
        rejection = _rejection(own, min_precision)
        pulse.stage("fitting all examples", 0.95, 1)
        fitted = trainers[recipe].fit()
        pulse.tell(1)
    estimates = {
        done: Estimate(done, trainers[done].taps, evaluate(result.probabilities, result.truth, classes))
        for done, result in validated.items()
        if len(result.truth)
    }
    mine = estimates.pop(recipe, None)
    return Trained(
        head=_head(fitted, classes, own.temperature, rejection),
        recipe=recipe,
        class_weight=class_weight,
        whitening=fitted.whitening,
        cross_validation=mine.metrics if mine else None,
        calibration=own.calibration(classes),
        rejection=rejection,
        rejection_curve=rejection_curve(own.probabilities, own.truth) if mine else (),
        trials=trials,
        comparisons=tuple(estimates.values()),
        notes=_notes(labels, classes),
        held_out=HeldOutPredictions(own.rows, own.truth, own.probabilities) if mine else None,
    )


class _Validated:
    """What a recipe predicts for examples that it was fitted without."""

    def __init__(self, validation: Validation, truth: Indices, weights: Array, *, calibrated: bool) -> None:
        self.rows = validation.rows
        self.truth = truth[validation.rows]
        self.probabilities = self._plain = softmax(validation.scores)
        self.temperature = 1.0
        """What scores are divided by; 1 where the held-out log-loss would not become less."""
        if calibrated and len(self.truth) >= 2 * LEAST_EXAMPLES:
            counts = weights[validation.rows]
            better = calibrate_folds(validation.scores, self.truth, counts, validation.folds)
            if self._loss(better) @ counts < self._loss(self._plain) @ counts:
                self.probabilities = better
                self.temperature = fit_temperature(validation.scores, self.truth, counts)

    def calibration(self, classes: Sequence[str]) -> Calibration | None:
        """Return how the probabilities were calibrated; None where they are as fitted."""
        if self.temperature == 1:
            return None
        before = evaluate(self._plain, self.truth, classes)
        return Calibration(self.temperature, before.log_loss, before.expected_calibration_error)

    def _loss(self, probabilities: Array) -> Array:
        loss: Array = -np.log(np.maximum(probabilities[np.arange(len(self.truth)), self.truth], 1e-15))
        return loss


def _check(classes: Sequence[str]) -> None:
    if len(classes) < 2:
        found = f"only the class `{classes[0]}`" if classes else "no examples"
        raise DatasetNotTrainableError(f"The dataset has {found}; training needs examples of at least two classes.")


def _check_tutorial(scores: TapFeatures | None, class_weight: ClassWeight) -> None:
    if scores is None:
        raise RecipeNotSupportedError(
            "The recipe `tutorial` needs the network's class scores, which this backbone has not; "
            "inception5h and googlenet have them."
        )
    if class_weight is not ClassWeight.NONE:
        raise RecipeNotSupportedError(
            "The recipe `tutorial` counts all examples the same, as the tutorial does; use the recipe `auto` for "
            f"`{class_weight.value}` class weights."
        )


def _weights(truth: Indices, class_count: int, class_weight: ClassWeight) -> npt.NDArray[np.float64]:
    """Return how much each example counts, float64 [n]; 1 on average."""
    if class_weight is ClassWeight.NONE:
        return np.ones(len(truth))
    counts = np.bincount(truth, minlength=class_count)
    weights: npt.NDArray[np.float64] = (len(truth) / (class_count * counts))[truth]
    return weights


def _rejection(validated: _Validated, min_precision: float) -> Rejection | None:
    if not min_precision:
        return None
    if not len(validated.truth):
        raise DatasetNotTrainableError(
            "No threshold can be chosen, as each class has only one example: nothing can be held out to try it on; add "
            "examples, or leave out `min_precision`."
        )
    return choose_threshold(validated.probabilities, validated.truth, min_precision)


def _head(fitted: Fitted, classes: tuple[str, ...], temperature: float, rejection: Rejection | None) -> Head:
    return Head(
        taps=fitted.taps,
        unit_length=fitted.unit_length,
        classes=classes,
        weights=(fitted.weights / temperature).astype(np.float32),
        biases=(fitted.biases / temperature).astype(np.float32),
        l1=fitted.l1,
        l2=fitted.l2,
        threshold=rejection.threshold if rejection else 0.0,
    )


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
