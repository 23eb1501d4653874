"""What a training gives back: the head, and what to expect of it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.evaluation.calibration import Calibration
from lastlayer.classifier.evaluation.metrics import Metrics
from lastlayer.classifier.evaluation.rejection import Rejection, RejectionPoint
from lastlayer.classifier.training.recipes import ClassWeight, Preference, Recipe
from lastlayer.classifier.training.search.scans import Trial


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
    preference: Preference
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
