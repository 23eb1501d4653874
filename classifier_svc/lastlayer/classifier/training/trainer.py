"""Trains heads by a recipe, and says what to expect of them: out-of-fold metrics, calibration, rejection."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.errors import DatasetNotTrainableError, RecipeNotSupportedError
from lastlayer.classifier.domain.familiarity import Familiarity
from lastlayer.classifier.domain.head import Head, softmax
from lastlayer.classifier.domain.types import Backbone
from lastlayer.classifier.evaluation.calibration import LEAST_EXAMPLES, Calibration, calibrate_folds, fit_temperature
from lastlayer.classifier.evaluation.intervals import inflate
from lastlayer.classifier.evaluation.metrics import Metrics, evaluate
from lastlayer.classifier.evaluation.rejection import (
    PrecisionNotReachedError,
    Rejection,
    choose_threshold,
    rejection_curve,
)
from lastlayer.classifier.fitting.threads import one_thread
from lastlayer.classifier.training.auto.large import Everything, StoredExamples
from lastlayer.classifier.training.auto.searched import SearchedAuto
from lastlayer.classifier.training.auto.trainer import AutoTrainer
from lastlayer.classifier.training.notes import (
    describe_estimate,
    describe_sample,
    describe_single_examples,
    describe_unfamiliar,
)
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.classifier.training.recipes import (
    ClassWeight,
    Fitted,
    Preference,
    Recipe,
    TapFeatures,
    TrainedRecipe,
    TutorialTrainer,
    Validation,
)
from lastlayer.classifier.training.search.scans import Trial
from lastlayer.classifier.training.trained import Estimate, OutOfFoldPredictions, Trained

UNFAMILIAR_SHARE: Final = 0.05
"""The share of own images that may be called unfamiliar where nothing else is asked for."""

LEAST_ESTIMATED: Final = 6
"""With fewer validated examples no estimate is given. With two images in each of two classes, whose true accuracy is
0.81 on average, one in five comes out below chance, and the others are off by 0.28."""

_LEAST_BELOW_CHANCE: Final = 30
"""With fewer validated examples no estimate is given that is below chance: it may be bad luck (1 in 20 comes out there
with two images in each of five classes, of a true accuracy of 0.56)."""

_LIBRARIES: Final = ("scipy.optimize", "sklearn.linear_model", "sklearn.model_selection", "sklearn.utils.class_weight")
"""What a training needs beyond NumPy, which takes about a second and 100 MB to import."""


_TOO_MANY: Final = (
    "The recipe `tutorial` holds the class scores of all examples in memory, and the dataset has {count:,}; use the "
    "recipe `auto`, which reads them in blocks."
)


def needed_taps(backbone: Backbone, recipe: Recipe, *, compare: bool) -> list[str]:
    """Return the names of the taps whose features `train` takes: all where the recipes are compared."""
    logits = [tap.name for tap in backbone.taps if tap.class_scores]
    others = [tap.name for tap in backbone.taps if not tap.class_scores]
    if compare:
        return others + logits
    return logits if recipe is Recipe.TUTORIAL else others or logits


def train(
    taps: Sequence[TapFeatures],
    labels: Sequence[str],
    recipe: Recipe,
    *,
    class_weight: ClassWeight = ClassWeight.NONE,
    min_precision: float = 0.0,
    preference: Preference = Preference.QUALITY,
    compare: bool = False,
    unfamiliar_share: float | None = None,
    stored: StoredExamples | None = None,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
) -> Trained:
    """Train a head on the features of n examples at some taps, from the shallowest to the deepest, and their labels.

    `auto`: square roots of the elements, each tap's vector of unit length, all taps side by side or, by `preference`,
    those that make predictions quick; L2 penalty (and taps) chosen by stratified cross-validated log-loss; calibrated.
    `tutorial`: what the ML.NET tutorial does, elastic net with L1 = L2 = 1 on the raw class scores. With `compare` the
    other recipe is estimated on the same folds, where the taps allow it. With a `min_precision`, from 0 to 1, a
    threshold is chosen below which predictions are rejected. Images unlike the examples are rejected, too, by a
    distance that rejects `unfamiliar_share` of the examples while held out; where it is None, 0.05 with a
    `min_precision`, and none without.

    Where examples are too many to hold, these are a sample of those that are `stored`. The penalty is chosen on the
    sample; the head is fitted on all but some of it, and calibrated and validated on those (see `training.auto.large`).

    `progress` is called with what is being done and the share of the work that is done, from 0 to 1; `cancelled` is
    asked at every step. Both are called in this thread.

    Raises DatasetNotTrainableError where there are fewer than two classes or `min_precision` cannot be had,
    RecipeNotSupportedError where the recipe cannot be applied, and TrainingCancelledError soon after `cancelled` turns
    true: within a second, as a fit by scikit-learn cannot be ended.
    """
    classes = tuple(dict.fromkeys(str(label) for label in (stored.labels if stored else labels)))
    _check(classes)
    logits = next((tap for tap in taps if tap.are_logits), None)
    if recipe is Recipe.TUTORIAL:
        _check_tutorial(logits, class_weight, unfamiliar_share)
        if stored is not None:
            raise RecipeNotSupportedError(_TOO_MANY.format(count=len(stored.labels)))
    if unfamiliar_share is None:
        unfamiliar_share = UNFAMILIAR_SHARE if min_precision and recipe is Recipe.AUTO else 0.0
    # Before the threads are limited, which holds for libraries that are loaded.
    for library in _LIBRARIES:
        importlib.import_module(library)
    y = _number(labels, classes)
    sample_weight = _weigh(y, class_weight)
    training_progress = TrainingProgress(progress if stored is None else _first_half(progress), cancelled)
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()
    auto: SearchedAuto | None = None
    # One thread: on matrices of this size several are hardly faster, and the service goes on answering meanwhile.
    with one_thread():
        recipes: dict[Recipe, TrainedRecipe] = {}
        if recipe is Recipe.AUTO or compare:
            auto = AutoTrainer(taps, y, len(classes), sample_weight, training_progress, preference).search()
            trials = auto.trials if recipe is Recipe.AUTO else ()
            notes = auto.notes if recipe is Recipe.AUTO else ()
            recipes[Recipe.AUTO] = auto
        if logits is not None and (recipe is Recipe.TUTORIAL or compare):
            recipes[Recipe.TUTORIAL] = TutorialTrainer(logits, y, len(classes), training_progress)
        fitted: Fitted | None = None
        validations: dict[Recipe, Validation] = {}
        if stored is not None and auto is not None:
            everything = _number(stored.labels, classes)
            fitted, validations[Recipe.AUTO] = auto.fit_everything(
                Everything(everything, _weigh(everything, class_weight), stored.sample, stored.read),
                TrainingProgress(progress, cancelled),
            )
        validated = {
            done: _Validated(
                validations.get(done) or trained.validate(), y, sample_weight, calibrated=done is Recipe.AUTO
            )
            for done, trained in recipes.items()
        }
        own = validated[recipe]
        rejection = _choose_rejection(own, min_precision)
        training_progress.stage("fitting all examples", 0.95, 1)
        fitted = fitted or recipes[recipe].fit()
        familiarity = auto.find_familiar(unfamiliar_share) if unfamiliar_share and auto else None
        training_progress.tell(1)
    estimates = {
        done: Estimate(done, recipes[done].taps, metrics)
        for done, result in validated.items()
        if (metrics := _estimate(result, classes))
    }
    mine = estimates.pop(recipe, None)
    return Trained(
        head=_head(fitted, classes, own.temperature, rejection, familiarity),
        recipe=recipe,
        class_weight=class_weight,
        preference=preference,
        cross_validation=mine.metrics if mine else None,
        calibration=own.calibration(classes),
        rejection=_reject_unfamiliar(rejection, familiarity, unfamiliar_share),
        rejection_curve=rejection_curve(own.probabilities, own.y) if mine else (),
        trials=trials,
        comparisons=tuple(estimates.values()),
        notes=(
            *describe_single_examples(labels, classes),
            *notes,
            *describe_estimate(mine.metrics if mine else None, len(own.y), least=LEAST_ESTIMATED),
            *describe_unfamiliar(unfamiliar_share, found=familiarity is not None),
            *describe_sample(len(own.y), len(labels), len(stored.labels) if stored else 0),
        ),
        out_of_fold=OutOfFoldPredictions(own.rows, own.y, own.probabilities) if len(own.y) else None,
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


def _number(labels: Sequence[str], classes: Sequence[str]) -> Indices:
    """Return the place of each label's class, [n]."""
    index = {label: number for number, label in enumerate(classes)}
    return np.fromiter((index[label] for label in labels), np.intp, len(labels))


def _first_half(progress: Callable[[str, float], None]) -> Callable[[str, float], None]:
    return lambda message, share: progress(message, share / 2)


def _check(classes: Sequence[str]) -> None:
    if len(classes) < 2:
        found = f"only the class `{classes[0]}`" if classes else "no examples"
        raise DatasetNotTrainableError(f"The dataset has {found}; training needs examples of at least two classes.")


def _check_tutorial(logits: TapFeatures | None, class_weight: ClassWeight, unfamiliar_share: float | None) -> None:
    if logits is None:
        raise RecipeNotSupportedError(
            "The recipe `tutorial` needs the network's class scores, which this backbone has not; "
            "inception5h and googlenet have them."
        )
    if unfamiliar_share:
        raise RecipeNotSupportedError(
            "The recipe `tutorial` does not tell what is unlike its examples; use the recipe `auto` to reject that."
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
        return choose_threshold(validated.probabilities, validated.y, min_precision, inflate(validated.y))
    except PrecisionNotReachedError as error:
        more = f"add examples, of which about {error.needed} would do" if error.needed else "add other examples"
        raise DatasetNotTrainableError(
            f"A precision of {min_precision:g} cannot be promised with {len(validated.y)} examples; up to "
            f"{error.best:.3g} is possible; ask for less with `min_precision`, or {more}."
        ) from error


def _reject_unfamiliar(
    rejection: Rejection | None, familiarity: Familiarity | None, unfamiliar_share: float
) -> Rejection | None:
    if familiarity is None:
        return rejection
    return replace(
        rejection or Rejection(threshold=0.0, min_precision=0.0),
        max_distance=familiarity.max_distance,
        unfamiliar_share=unfamiliar_share,
    )


def _head(
    fitted: Fitted,
    classes: tuple[str, ...],
    temperature: float,
    rejection: Rejection | None,
    familiarity: Familiarity | None,
) -> Head:
    return Head(
        taps=fitted.taps,
        unit_length=fitted.unit_length,
        classes=classes,
        weights=(fitted.weights / temperature).astype(np.float32),
        biases=(fitted.biases / temperature).astype(np.float32),
        l1=fitted.l1,
        l2=fitted.l2,
        threshold=rejection.threshold if rejection else 0.0,
        square_root=fitted.square_root,
        familiarity=familiarity,
        views=fitted.views,
    )


def _estimate(validated: _Validated, classes: Sequence[str]) -> Metrics | None:
    """Return what to expect of a recipe; None where the examples are too few to tell."""
    if len(validated.y) < LEAST_ESTIMATED:
        return None
    metrics = evaluate(validated.probabilities, validated.y, classes, inflation=inflate(validated.y))
    if len(validated.y) < _LEAST_BELOW_CHANCE and metrics.micro_accuracy < 1 / len(np.unique(validated.y)):
        return None
    return metrics
