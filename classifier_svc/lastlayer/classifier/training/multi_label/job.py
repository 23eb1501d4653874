"""From a multi-label dataset to a trained head, and what of a request it cannot do."""

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.domain.errors import DatasetNotTrainableError, RecipeNotSupportedError
from lastlayer.classifier.domain.types import TrainingSet
from lastlayer.classifier.evaluation.drift import sample_features
from lastlayer.classifier.evaluation.multi_label.out_of_fold import OutOfFoldLabels
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.training.auto.large import MOST_NUMBERS
from lastlayer.classifier.training.multi_label.trainer import TrainedLabels, train_labels
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.classifier.training.recipes import ClassWeight, Preference, Recipe, tap_features
from lastlayer.classifier.training.trainer import UNFAMILIAR_SHARE, needed_taps


def check_offered(
    dataset: str, *, recipe: Recipe, class_weight: ClassWeight, preference: Preference, compare: bool
) -> None:
    """Raise RecipeNotSupportedError where a training is asked for that there is not of several labels."""
    if recipe is not Recipe.AUTO:
        _refuse(dataset, f"the recipe `{recipe.value}` tells classes apart")
    if compare:
        _refuse(dataset, "there is no other recipe to compare with")
    if class_weight is not ClassWeight.NONE:
        _refuse(dataset, f"`{class_weight.value}` class weights are those of classes")
    if preference is not Preference.QUALITY:
        _refuse(dataset, f"what is preferred is quality, not `{preference.value}`")


def _refuse(dataset: str, why: str) -> NoReturn:
    raise RecipeNotSupportedError(
        f"The images of the dataset `{dataset}` may have several labels, and {why}; leave that out."
    )


def fit_labels(
    datasets: DatasetStore,
    dataset: str,
    *,
    min_precision: float,
    unfamiliar_share: float | None,
    tell: Callable[[str, float], None],
    cancelled: Callable[[], bool],
) -> tuple[TrainedLabels, TrainingSet, Mapping[str, npt.NDArray[np.float32]]]:
    """Train on a multi-label dataset; return the head, what it was trained on, and features to tell drift by.

    Raises what `DatasetStore.training_set` and `train_labels` raise.
    """
    examples = datasets.training_set(
        dataset,
        lambda backbone, _: needed_taps(backbone, Recipe.AUTO, compare=False),
        TrainingProgress(tell, cancelled),
        _refuse_many,
    )
    kept = sample_features(examples.features)  # before they are overwritten, where they are many
    share = (UNFAMILIAR_SHARE if min_precision else 0.0) if unfamiliar_share is None else unfamiliar_share
    trained = train_labels(
        tap_features(examples.backbone, examples.features, examples.views),
        examples.label_sets or [],
        min_precision=min_precision,
        unfamiliar_share=share,
        progress=tell,
        cancelled=cancelled,
    )
    return trained, examples, kept


def pack_out_of_fold(trained: TrainedLabels, examples: TrainingSet) -> bytes | None:
    """Return what the store keeps of the out-of-fold predictions; None where there are none."""
    found = trained.out_of_fold
    if found is None:
        return None
    return OutOfFoldLabels(examples.contents, found.targets, found.probabilities, found.predicted).to_bytes()


def _refuse_many(labels: Sequence[str], dimension: int) -> Indices | None:
    """Raise DatasetNotTrainableError where there are more examples than are held in memory."""
    if len(labels) * dimension > MOST_NUMBERS:
        raise DatasetNotTrainableError(
            f"The dataset has {len(labels):,} images; where images may have several labels, up to "
            f"{MOST_NUMBERS // dimension:,} are trained on."
        )
    return None
