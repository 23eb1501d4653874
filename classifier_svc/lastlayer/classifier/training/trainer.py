"""Trains heads by a recipe, and says what to expect of them: out-of-fold metrics, calibration, rejection."""

import enum
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.errors import DatasetNotTrainableError, RecipeNotSupportedError
from lastlayer.classifier.domain.head import Head, softmax
from lastlayer.classifier.domain.types import Backbone
from lastlayer.classifier.evaluation.calibration import LEAST_EXAMPLES, Calibration, calibrate_folds, fit_temperature
from lastlayer.classifier.evaluation.metrics import Metrics, evaluate
from lastlayer.classifier.evaluation.rejection import (
    PrecisionNotReachedError,
    Rejection,
    RejectionPoint,
    choose_threshold,
    rejection_curve,
)
from lastlayer.classifier.training.auto import AutoTrainer
from lastlayer.classifier.training.progress import TrainingCancelledError, TrainingProgress
from lastlayer.classifier.training.recipes import (
    Fitted,
    Recipe,
    TapFeatures,
    TrainedRecipe,
    TutorialTrainer,
    Validation,
)
from lastlayer.classifier.training.search import Trial

__all__ = [
    "ClassWeight",
    "Estimate",
    "OutOfFoldPredictions",
    "Recipe",
    "TapFeatures",
    "Trained",
    "TrainingCancelledError",
    "needed_taps",
    "train",
]

COMPARED_EXAMPLES: Final = 1000
"""Up to this many examples the other recipe is estimated too; beyond, that would take longer than the training."""

_LIBRARIES: Final = ("scipy.optimize", "sklearn.linear_model", "sklearn.model_selection", "sklearn.utils.class_weight")
"""What a training needs beyond NumPy, which takes about a second and 100 MB to import."""


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
class OutOfFoldPredictions:
    """The calibrated predictions for examples by regressions that were fitted without them."""

    rows: Indices
    """[m], which examples."""
    y: Indices
    """[m], the indices of their classes."""
    probabilities: npt.NDArray[np.float64]
    """float64 [m, c]."""


@dataclass(frozen=True)
class Trained:
    """A trained head and what is known of it."""

    head: Head
    """Calibrated: its logits are divided by the temperature already."""
    recipe: Recipe
    class_weight: ClassWeight
    whitening: float
    """How much its features were whitened (see `lastlayer.classifier.fitting.pca.whiten`)."""
    cross_validation: Metrics | None
    """None where nothing could be validated."""
    calibration: Calibration | None
    """None where probabilities are as fitted."""
    rejection: Rejection | None
    rejection_curve: tuple[RejectionPoint, ...]
    trials: tuple[Trial, ...]
    comparisons: tuple[Estimate, ...]
    notes: tuple[str, ...]
    """What a user should know, in one sentence each."""
    out_of_fold: OutOfFoldPredictions | None
    """None where nothing was validated."""


def needed_taps(backbone: Backbone, example_count: int, recipe: Recipe) -> list[str]:
    """Return the names of the taps whose features `train` takes: all where the recipes are compared."""
    logits = [tap.name for tap in backbone.taps if tap.class_scores]
    others = [tap.name for tap in backbone.taps if not tap.class_scores]
    if example_count <= COMPARED_EXAMPLES:
        return others + logits
    return logits if recipe is Recipe.TUTORIAL else others or logits


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
    it. With a `min_precision`, from 0 to 1, a threshold is chosen below which predictions are rejected.

    `progress` is called with what is being done and the share of the work that is done, from 0 to 1; `cancelled` is
    asked at every step. Both are called in this thread.

    Raises DatasetNotTrainableError where there are fewer than two classes or `min_precision` cannot be had,
    RecipeNotSupportedError where the recipe cannot be applied, and TrainingCancelledError soon after `cancelled` turns
    true: within a second, as a fit by scikit-learn cannot be ended.
    """
    classes = tuple(dict.fromkeys(str(label) for label in labels))
    _check(classes)
    logits = next((tap for tap in taps if tap.are_logits), None)
    if recipe is Recipe.TUTORIAL:
        _check_tutorial(logits, class_weight)
    # Before the threads are limited, which holds for libraries that are loaded.
    for library in _LIBRARIES:
        importlib.import_module(library)
    index = {label: number for number, label in enumerate(classes)}
    y = np.array([index[label] for label in labels], np.intp)
    sample_weight = _weigh(y, class_weight)
    training_progress = TrainingProgress(progress, cancelled)
    compared = len(labels) <= COMPARED_EXAMPLES
    trials: tuple[Trial, ...] = ()
    # One thread: on matrices of this size several are hardly faster, and the service goes on answering meanwhile.
    with threadpool_limits(1):
        recipes: dict[Recipe, TrainedRecipe] = {}
        if recipe is Recipe.AUTO or compared:
            auto = AutoTrainer(taps, y, len(classes), sample_weight, training_progress).search()
            trials = auto.trials if recipe is Recipe.AUTO else ()
            recipes[Recipe.AUTO] = auto
        if logits is not None and (recipe is Recipe.TUTORIAL or compared):
            recipes[Recipe.TUTORIAL] = TutorialTrainer(logits, y, len(classes), training_progress)
        validated = {
            done: _Validated(trained.validate(), y, sample_weight, calibrated=done is Recipe.AUTO)
            for done, trained in recipes.items()
        }
        own = validated[recipe]
        rejection = _choose_rejection(own, min_precision)
        training_progress.stage("fitting all examples", 0.95, 1)
        fitted = recipes[recipe].fit()
        training_progress.tell(1)
    estimates = {
        done: Estimate(done, recipes[done].taps, evaluate(result.probabilities, result.y, classes))
        for done, result in validated.items()
        if len(result.y)
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
        rejection_curve=rejection_curve(own.probabilities, own.y) if mine else (),
        trials=trials,
        comparisons=tuple(estimates.values()),
        notes=_notes(labels, classes),
        out_of_fold=OutOfFoldPredictions(own.rows, own.y, own.probabilities) if mine else None,
    )


class _Validated:
    """What a recipe predicts out of fold, calibrated where that makes it better."""

    def __init__(self, validation: Validation, y: Indices, sample_weight: Array, *, calibrated: bool) -> None:
        """`y` [n] and `sample_weight` [n] are those of all examples, validated or not."""
        self.rows = validation.rows
        self.y = y[validation.rows]
        self.probabilities = self._uncalibrated = softmax(validation.logits)
        self.temperature = 1.0
        """What logits are divided by; 1 where that does not lower the out-of-fold log-loss."""
        if calibrated and len(self.y) >= 2 * LEAST_EXAMPLES:
            weights = sample_weight[validation.rows]
            better = calibrate_folds(validation.logits, self.y, weights, validation.folds)
            if self._losses(better) @ weights < self._losses(self._uncalibrated) @ weights:
                self.probabilities = better
                self.temperature = fit_temperature(validation.logits, self.y, weights)

    def calibration(self, classes: Sequence[str]) -> Calibration | None:
        """Return how the probabilities were calibrated; None where they are as fitted."""
        if self.temperature == 1:
            return None
        before = evaluate(self._uncalibrated, self.y, classes)
        return Calibration(self.temperature, before.log_loss, before.expected_calibration_error)

    def _losses(self, probabilities: Array) -> Array:
        losses: Array = -np.log(np.maximum(probabilities[np.arange(len(self.y)), self.y], 1e-15))
        return losses


def _check(classes: Sequence[str]) -> None:
    if len(classes) < 2:
        found = f"only the class `{classes[0]}`" if classes else "no examples"
        raise DatasetNotTrainableError(f"The dataset has {found}; training needs examples of at least two classes.")


def _check_tutorial(logits: TapFeatures | None, class_weight: ClassWeight) -> None:
    if logits is None:
        raise RecipeNotSupportedError(
            "The recipe `tutorial` needs the network's class scores, which this backbone has not; "
            "inception5h and googlenet have them."
        )
    if class_weight is not ClassWeight.NONE:
        raise RecipeNotSupportedError(
            "The recipe `tutorial` counts all examples the same, as the tutorial does; use the recipe `auto` for "
            f"`{class_weight.value}` class weights."
        )


def _weigh(y: Indices, class_weight: ClassWeight) -> npt.NDArray[np.float64]:
    """Return how much each example counts, float64 [n]; 1 on average."""
    from sklearn.utils.class_weight import compute_sample_weight

    weights: npt.NDArray[np.float64] = compute_sample_weight(
        "balanced" if class_weight is ClassWeight.BALANCED else None, y
    )
    return weights


def _choose_rejection(validated: _Validated, min_precision: float) -> Rejection | None:
    if not min_precision:
        return None
    if not len(validated.y):
        raise DatasetNotTrainableError(
            "No threshold can be chosen, as each class has only one example: nothing can be held out to try it on; add "
            "examples, or leave out `min_precision`."
        )
    try:
        return choose_threshold(validated.probabilities, validated.y, min_precision)
    except PrecisionNotReachedError as error:
        raise DatasetNotTrainableError(
            f"No threshold has a precision of {min_precision:g} on held-out examples; up to {error.best:.3g} is "
            "possible; ask for less with `min_precision`, or add examples."
        ) from error


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
