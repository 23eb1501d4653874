"""The versions of models: how they were trained, what to expect of them, and their numbers."""

import datetime
from dataclasses import dataclass, field

from lastlayer.client.results.metrics import Metrics, MultiLabelMetrics


@dataclass(frozen=True, slots=True)
class RecipeEstimate:
    """What to expect of a recipe on new images, estimated by cross-validation."""

    recipe: str
    taps: tuple[str, ...]
    cross_validation: Metrics


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a version's probabilities were made to mean what they say."""

    temperature: float
    """What all logits were divided by (Guo et al., 2017). Above 1, predictions were too sure."""
    log_loss_before: float
    """Cross-validated, in nats."""
    expected_calibration_error_before: float
    """Cross-validated, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Predictions whose best class is less probable than `threshold` are rejected."""

    threshold: float
    """A probability, from 0 to 1."""
    min_precision: float
    """The precision that was asked for, from 0 to 1."""
    max_distance: float = 0.0
    """Images that are farther than this from the training images are rejected, too; 0 where none is."""
    unfamiliar_share: float = 0.0
    """The share of held-out training images that are farther away, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class RejectionPoint:
    """What rejecting at a threshold does to the out-of-fold predictions of the training examples."""

    threshold: float
    precision: float
    """The share of the predictions that are not rejected that is correct, from 0 to 1."""
    coverage: float
    """The share of predictions that is not rejected, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Features that the search tried, at their best strength of regularisation."""

    taps: tuple[str, ...]
    l2: float
    """The weight of the L2 penalty that was best for these features, as `ModelVersion.l2`."""
    log_loss: float
    """Cross-validated, in nats; choosing by it makes it a little too good."""
    log_loss_standard_error: float
    """In nats."""
    example_count: int
    """The examples that it was tried on, which may be a sample."""
    chosen: bool
    """Whether the version was trained with it."""
    whitening: float
    """How much the features were whitened, from 0 (not) to 1 (wholly); 0 but for earlier releases."""
    views: tuple[str, ...] = ("crop",)
    """The views of the images, as `ModelVersion.views`."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """An immutable trained head; the fields are those of `lastlayer.v1.ModelVersion`."""

    model: str
    version: int
    dataset: str
    recipe: str
    """`auto` or `tutorial`."""
    taps: tuple[str, ...]
    """The taps whose vectors, side by side, are its features."""
    l1: float
    """The weight of the L1 penalty: l1 / N times the sum of the weights' absolute values, for N examples."""
    l2: float
    """The weight of the L2 penalty: l2 / 2N times the sum of the weights' squares, for N examples."""
    classes: tuple[str, ...]
    example_count: int
    """The examples that it was trained on."""
    backbone: str
    backbone_digest: str
    cross_validation: Metrics | None
    """What to expect on new images; None where there are too few examples to tell."""
    comparisons: tuple[RecipeEstimate, ...]
    """What to expect of the other recipes."""
    create_time: datetime.datetime
    """In UTC."""
    training_duration_s: float
    """In seconds."""
    notes: tuple[str, ...]
    """What a user should know of the training, a sentence each."""
    class_weight: str = "none"
    """`none` or `balanced`."""
    calibration: Calibration | None = None
    """None where probabilities are as fitted."""
    rejection: Rejection | None = None
    """None where no prediction is rejected."""
    rejection_curve: tuple[RejectionPoint, ...] = ()
    trials: tuple[Trial, ...] = ()
    """What the search tried, from the cheapest features to the dearest."""
    libraries: dict[str, str] = field(default_factory=dict)
    """The versions of the libraries that it was trained with."""
    whitening: float = 0.0
    """How much the features were whitened, from 0 (not) to 1 (wholly)."""
    preference: str = "quality"
    """`quality` or `speed`: what the recipe `auto` chose by."""
    square_root: bool = False
    """Whether the square roots of the vectors' elements are its features."""
    min_mean_cosine: float = 0.0
    """How far the features that it takes may be from those in float32: the least mean cosine, from 0 to 1."""
    views: tuple[str, ...] = ("crop",)
    """The views of an image over which the vectors of each tap are averaged: `crop`, `whole`, `crop-flipped` or
    `whole-flipped`."""
    multi_label: bool = False
    """Whether it tells of each of the `classes` by itself whether an image has it."""
    multi_label_cross_validation: MultiLabelMetrics | None = None
    """What to expect of a multi-label version, which has no `cross_validation`; None where that is not known."""
    label_thresholds: tuple[float, ...] = ()
    """The probability from which on each label is predicted, of a multi-label version."""
    label_temperatures: tuple[float, ...] = ()
    """What each label's logit was divided by, of a multi-label version."""
    label_min_precision: float = 0.0
    """The precision that was asked of each label; 0 where thresholds are those of the best F1 score."""
    label_max_distance: float = 0.0
    """Images farther than this from the training images are unfamiliar to a multi-label version; 0 where none is."""


@dataclass(frozen=True, slots=True)
class Head:
    """A version's numbers: softmax(x * weights + biases), or the logistic function of each where `multi_label`."""

    model: str
    version: int
    backbone: str
    backbone_digest: str
    taps: tuple[str, ...]
    """The taps whose vectors, side by side, are x."""
    dimensions: tuple[int, ...]
    """The numbers of elements of their vectors."""
    unit_length: bool
    """Whether the vector of each tap is divided by its Euclidean length first."""
    classes: tuple[str, ...]
    weights: bytes
    """float32, little-endian, row by row: the sum of `dimensions` by the number of classes."""
    biases: bytes
    """float32, little-endian: the number of classes."""
    square_root: bool = False
    """Whether the square root of each element is taken before all else; of what is below 0, it is 0."""
    views: tuple[str, ...] = ("crop",)
    """The views of an image whose vectors' mean a tap's vector is, before all else."""
    multi_label: bool = False
    """Whether each of the classes is a label that an image has or has not, by itself."""
    label_thresholds: tuple[float, ...] = ()
    """The probability from which on each label is predicted, where `multi_label`."""
