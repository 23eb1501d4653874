"""What a recipe is given, and what it gives back; and the recipe `tutorial`."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.types import Backbone
from lastlayer.classifier.fitting.elastic_net import fit_elastic_net
from lastlayer.classifier.fitting.folds import assign_folds, choose_fold_count
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.rpc.vectors import CROP_ALONE, View, place

SEED: Final = 20240229

_TUTORIAL_PENALTY: Final = 1.0
_TOLERANCE: Final = 1e-5
_VALIDATION_TOLERANCE: Final = 1e-4
"""The log-loss is then right to three digits, in half the time."""


class Recipe(enum.Enum):
    """How a head is trained."""

    AUTO = "auto"
    TUTORIAL = "tutorial"


class ClassWeight(enum.Enum):
    """How much the examples of each class count."""

    NONE = "none"
    BALANCED = "balanced"
    """Every class counts the same: an example counts n / (classes * examples of its class)."""


class Preference(enum.Enum):
    """What `auto` chooses by."""

    QUALITY = "quality"
    """All taps, side by side."""
    SPEED = "speed"
    """The shallowest taps that are not worse than the best by more than one standard error: less of the network has to
    be computed for a prediction."""


@dataclass(frozen=True)
class TapFeatures:
    """The features of the examples at one tap."""

    name: str
    are_logits: bool
    """Whether they are the network's own class scores before softmax."""
    values: npt.NDArray[np.float32]
    """float32 [n, d]; a training may overwrite them where they are many (see `fitting.pca.is_overwritten`)."""
    view: View = View.CROP
    """What of the images they are features of."""


def tap_features(
    backbone: Backbone, features: Mapping[str, npt.NDArray[np.float32]], views: Sequence[View]
) -> list[TapFeatures]:
    """Return features, by tap and view (see `rpc.vectors.place`), as they are trained on: by view and depth."""
    return [
        TapFeatures(tap.name, tap.class_scores, features[key], view)
        for view in views
        for tap in backbone.taps
        if (key := place(tap.name, view)) in features
    ]


@dataclass(frozen=True)
class Fitted:
    """A regression on the vectors of taps, side by side."""

    taps: tuple[str, ...]
    unit_length: bool
    """Whether each tap's vector is scaled to length 1 first."""
    weights: Array
    """float64 [d, c]."""
    biases: Array
    """float64 [c]."""
    l1: float
    """The weight of the L1 penalty, in the terms of `fitting.elastic_net`."""
    l2: float
    """The weight of the L2 penalty, in the same terms."""
    square_root: bool = False
    """Whether the elements' square roots are taken first."""
    views: tuple[View, ...] = CROP_ALONE
    """The views over which the vectors of each tap are averaged, before all else."""


@dataclass(frozen=True)
class Validation:
    """The logits of examples out of fold: of each, those of a regression that was fitted without it."""

    rows: Indices
    """[m], which examples were validated."""
    logits: Array
    """float64 [m, c]."""
    folds: Indices
    """[m], the fold of each."""


class TrainedRecipe(Protocol):
    """A recipe on one dataset, its choices made."""

    @property
    def taps(self) -> tuple[str, ...]:
        """The taps that it uses."""
        ...

    def validate(self) -> Validation:
        """Cross-validate the recipe, all choices included."""
        ...

    def fit(self) -> Fitted:
        """Fit all examples."""
        ...


class TutorialTrainer:
    """The recipe `tutorial`: what the ML.NET tutorial does, elastic net with L1 = L2 = 1 on the raw class scores."""

    def __init__(self, tap: TapFeatures, y: Indices, class_count: int, progress: TrainingProgress) -> None:
        """`y` is [n], the classes' indices."""
        self._values = tap.values
        self._y = y
        self._class_count = class_count
        self._progress = progress
        self.taps: tuple[str, ...] = (tap.name,)
        self._views = (tap.view,)

    def validate(self) -> Validation:
        """Cross-validate the recipe."""
        self._progress.stage("cross-validating the recipe tutorial", 0.75, 0.95)
        assigned = assign_folds(self._y, choose_fold_count(self._y), SEED)
        folds = np.unique(assigned[assigned >= 0])
        logits = np.zeros((len(self._y), self._class_count))
        for done, fold in enumerate(folds):
            weights, biases = self._fit(np.flatnonzero(assigned != fold), _VALIDATION_TOLERANCE)
            logits[assigned == fold] = self._values[assigned == fold] @ weights + biases
            self._progress.tell((done + 1) / len(folds))
        rows = np.flatnonzero(assigned >= 0)
        return Validation(rows, logits[rows], assigned[rows])

    def fit(self) -> Fitted:
        """Fit all examples."""
        weights, biases = self._fit(np.arange(len(self._y)), _TOLERANCE)
        return Fitted(self.taps, False, weights, biases, l1=_TUTORIAL_PENALTY, l2=_TUTORIAL_PENALTY, views=self._views)

    def _fit(self, rows: Indices, tolerance: float) -> tuple[Array, Array]:
        return fit_elastic_net(
            self._values[rows],
            self._y[rows],
            self._class_count,
            l1=_TUTORIAL_PENALTY,
            l2=_TUTORIAL_PENALTY,
            tolerance=tolerance,
            callback=self._progress,
        )
