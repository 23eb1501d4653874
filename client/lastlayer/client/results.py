"""What the client answers with: plain, frozen values without any type of the wire."""

import datetime
import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lastlayer.client.errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A class with its probability, from 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classes that an image may be of, or why it has none."""

    image: str
    """The image's name: its path as it was given, or `images[i]` for bytes."""
    scores: tuple[LabelScore, ...]
    """The classes, the best first: all of them, or the `top_k` that were asked for. Empty where the image failed."""
    model: str
    version: int
    """The version that predicted; where the image could not be read, the one asked for, 0 for the default."""
    error: ImageError | None = None
    """Why the image has no prediction."""
    rejected: bool = False
    """Whether what the image shows is unknown: its best class is too improbable, or it is unfamiliar."""
    distance: float = 0.0
    """How far it is from the training images; 0 where the version does not reject by that."""
    unfamiliar: bool = False
    """Whether it is too far from them, so that it is rejected however probable its best class is."""
    multi_label: bool = False
    """Whether the version is multi-label: the scores are then independent, and `labels` are those predicted."""
    labels: tuple[str, ...] = ()
    """The labels that a multi-label version predicts, the most probable first; empty where the image has none."""

    @property
    def label(self) -> str:
        """The best class; raises the `ImageError` where the image failed."""
        return self.best.label

    @property
    def score(self) -> float:
        """The probability of the best class; raises the `ImageError` where the image failed."""
        return self.best.score

    @property
    def best(self) -> LabelScore:
        """The best class with its probability; raises the `ImageError` where the image failed."""
        if self.error is not None:
            raise self.error
        return self.scores[0]

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the classes with their scores as bars, or why there are none."""
        name = html.escape(self.image)
        if self.error is not None:
            return f"<b>{name}</b>: {html.escape(self.error.message)}"
        rows = (
            f"<tr><td>{html.escape(entry.label)}</td><td>{entry.score:.4f}</td>"
            f'<td><progress value="{entry.score:.4f}" max="1"></progress></td></tr>'
            for entry in self.scores
        )
        unknown = ": unknown" if self.rejected else ""
        return f"<b>{name}</b>{unknown}<table>{''.join(rows)}</table>"


class Predictions(list[Prediction]):
    """A list of predictions, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        """Return a table of the images with their best classes."""
        rows = "".join(map(_html_row, self))
        return f"<table><tr><th>image</th><th>predicted as</th><th>score</th></tr>{rows}</table>"


def _html_row(prediction: Prediction) -> str:
    name = html.escape(prediction.image)
    if prediction.error is not None:
        return f'<tr><td>{name}</td><td colspan="2">{html.escape(prediction.error.message)}</td></tr>'
    if prediction.multi_label:
        found = [entry for entry in prediction.scores if entry.label in prediction.labels]
        named = ", ".join(html.escape(label) for label in prediction.labels) or "none"
        guess = f"unknown (best guess: {named})" if prediction.rejected else named
        return f"<tr><td>{name}</td><td>{guess}</td><td>{', '.join(f'{entry.score:.4f}' for entry in found)}</td></tr>"
    label, score = html.escape(prediction.label), f"{prediction.score:.4f}"
    guess = f"unknown (best guess: {label})" if prediction.rejected else label
    return f"<tr><td>{name}</td><td>{guess}</td><td>{score}</td></tr>"


@dataclass(frozen=True, slots=True)
class ImageRegion:
    """A rectangle of an upright image, as shares of its width and height, from 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where in an image the score of a class comes from."""

    label: str
    """The class that is explained."""
    probability: float
    """Its probability, from 0 to 1."""
    logit: float
    """Its score before softmax: the sum of `contributions` and `bias`."""
    bias: float
    """The part of the score that is the same for every image."""
    contributions: tuple[tuple[float, ...], ...]
    """What each cell of the region adds to the score, `[height][width]`: positive where it speaks for the class."""
    region: ImageRegion
    """The part of the upright image that the cells cover, in equal parts."""
    prediction: Prediction
    """What the image is predicted as."""


@dataclass(frozen=True, slots=True)
class ExampleOutcome:
    """What became of one example."""

    image: str
    label: str
    """The label as stored."""
    status: str
    """`added`, `present` (it was there already), `conflict` (the image has several labels) or `failed`."""
    label_trimmed: bool = False
    conflicting_labels: tuple[str, ...] = ()
    """All labels of the image, where it has several."""
    error: ImageError | None = None
    """Why it failed."""
    relabelled: bool = False
    """Whether a person had given the image another label than the one that was sent; `label` is that one, and stays."""
    labels: tuple[str, ...] = ()
    """All labels that the image has now, in a multi-label dataset."""


@dataclass(frozen=True, slots=True)
class AddedExamples:
    """What became of some examples."""

    added: int
    present: int
    trimmed: int
    """The number of labels around which the server removed white space."""
    conflicts: tuple[ExampleOutcome, ...]
    failed: tuple[ExampleOutcome, ...]
    relabelled: tuple[ExampleOutcome, ...] = ()
    """Those of the `present` whose label a person had set to another one than was sent, and which keep it."""


@dataclass(frozen=True, slots=True)
class PooledImages:
    """What became of some images without a label."""

    added: int
    """Those that are in the pool now, and were not before."""
    present: int
    """Those that were in the pool already."""
    labelled: int
    """Those that have a label already, and stay examples."""
    failed: tuple[ExampleOutcome, ...]


@dataclass(frozen=True, slots=True)
class ExportedDataset:
    """A dataset that was written as Parquet shards."""

    dataset: str
    folder: str
    rows: int
    """The number of rows: one for each label of each image."""
    stale: int
    """How many of them have no features of the dataset's backbone."""
    shards: int
    """The number of files."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The feature vectors of some images."""

    images: tuple[str, ...]
    """What the images are called, in order."""
    vectors: dict[str, "npt.NDArray[np.float32]"]
    """By tap, a row for each image in order: float32 [n, d]. The rows of images that failed are NaN."""
    errors: tuple[ImageError | None, ...]
    """Why each image has no vectors; None where it has."""
    sha256: tuple[bytes, ...]
    """Of the files, 32 bytes each; empty where one could not be read."""
    backbone: str
    """The name of the network."""
    backbone_digest: str


@dataclass(frozen=True, slots=True)
class TrainProgress:
    """How far a training is."""

    message: str
    """What is being done."""
    fraction: float
    """The share of the work that is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """How good predictions were on one class."""

    label: str
    example_count: int
    """The examples whose true class it is."""
    log_loss: float
    """The mean of -ln p(true class) over the examples of the class, in nats."""
    precision: float
    """The share of the predictions of this class that are correct, from 0 to 1; 0 where there are none."""
    recall: float
    """The share of the examples of this class that are predicted as it, from 0 to 1; 0 where there are none."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The predictions whose best class has a probability from `lower` to `upper`."""

    lower: float
    upper: float
    example_count: int
    mean_probability: float
    """The mean of the probabilities of their best classes, from 0 to 1."""
    accuracy: float
    """The share of them that is correct, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """How good predictions were, by ML.NET's definitions."""

    example_count: int
    log_loss: float
    """The mean of -ln p(true class), in nats."""
    log_loss_reduction: float | None
    """(H - log_loss) / H, H the entropy of the labels; None where all examples are of one class."""
    accuracy: float
    """The share of examples whose best class is the true one (micro accuracy)."""
    macro_accuracy: float
    """The mean of the recalls of the classes that occur."""
    classes: tuple[ClassMetrics, ...]
    """One entry for each class of the model."""
    confusion_matrix: tuple[tuple[int, ...], ...]
    """Examples by true class (rows) and predicted class (columns), `[classes][classes]`, in the order of `classes`."""
    accuracy_interval: tuple[float, float] | None = None
    """The 95 % confidence interval of `accuracy`, lower and upper end (Wilson, 1927); None where it is not known."""
    log_loss_interval: tuple[float, float] | None = None
    """The 95 % confidence interval of `log_loss`, lower and upper end, in nats; None where it is not known."""
    expected_calibration_error: float = 0.0
    """The mean distance between probability and accuracy over the bins of `reliability`."""
    reliability: tuple[ReliabilityBin, ...] = ()
    """How often predictions are correct by how probable they are said to be, in bins of rising probability."""
    interval_inflation: float = 1.0
    """How many times the variance is that of as many independent examples: more than 1 for a cross-validation."""


@dataclass(frozen=True, slots=True)
class PrecisionRecallPoint:
    """What predicting a label from a threshold on brings."""

    threshold: float
    """A probability, from 0 to 1."""
    precision: float
    """The share of the images of which the label is predicted that has it."""
    recall: float
    """The share of the images that have the label of which it is predicted."""


@dataclass(frozen=True, slots=True)
class LabelMetrics:
    """How good predictions of one label were, where images may have several."""

    label: str
    example_count: int
    """The images that have it."""
    average_precision: float | None
    """The mean of the precisions at each image that has it, the most probable first; None where it cannot be told."""
    threshold: float
    """The probability from which on it is predicted."""
    precision: float
    recall: float
    f1: float
    """The harmonic mean of `precision` and `recall`, at the threshold."""
    log_loss: float
    """The mean of -ln p(what is true of the image), in nats."""
    curve: tuple[PrecisionRecallPoint, ...] = ()
    """Precision and recall at other thresholds, by rising threshold."""


@dataclass(frozen=True, slots=True)
class MultiLabelMetrics:
    """How good predictions were, where images may have several labels."""

    example_count: int
    log_loss: float
    """The mean over images and labels of -ln p(what is true), in nats."""
    labels: tuple[LabelMetrics, ...]
    """One entry for each label of the model."""
    micro_average_precision: float | None
    """Of all decisions together; None, as the next three, where it cannot be told of any label."""
    macro_average_precision: float | None
    """The mean over the labels."""
    micro_f1: float | None
    macro_f1: float | None
    exact_match: float
    """The share of images of which every label was decided rightly."""
    exact_match_interval: tuple[float, float] | None = None
    """The 95 % confidence interval of `exact_match`; None for a cross-validation."""


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
class Model:
    """A name with numbered versions."""

    name: str
    default_version: int
    version_count: int
    classes: tuple[str, ...]
    """The classes of the default version."""
    create_time: datetime.datetime
    update_time: datetime.datetime


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named set of labelled examples."""

    name: str
    example_count: int
    """The examples that training uses: images with exactly one label."""
    classes: dict[str, int]
    """The number of examples of each class, in order of first appearance."""
    conflict_count: int
    backbone: str
    backbone_digest: str
    create_time: datetime.datetime
    update_time: datetime.datetime
    stale_count: int = 0
    """The images that must be added again before it can be trained on, as another backbone featurized them."""
    precisions: dict[str, int] = field(default_factory=dict)
    """How many images were featurized in each precision, such as `float32`; empty where it was not recorded."""
    views: tuple[str, ...] = ("crop",)
    """The views of its images that are featurized, between which training chooses."""
    multi_label: bool = False
    """Whether its images may have several labels, or none; an image counts for each of its labels in `classes`."""
    without_label_count: int = 0
    """The images of a multi-label dataset that have none of its labels."""
    pool_count: int = 0
    """The images in its pool: those without a label, which wait for one."""
    captured_count: int = 0
    """Those of them that came to be predicted, and were kept by the classifier's settings."""


@dataclass(frozen=True, slots=True)
class StoredExample:
    """An example of a dataset, or an image of its pool."""

    id: str
    """What it was called when it was first added."""
    sha256: bytes
    """The sha256 of its file, 32 bytes."""
    labels: tuple[str, ...]
    """More than one is a conflict, unless the dataset is multi-label; none is an image of the pool."""
    stale: bool
    """Whether its image must be added again, as another backbone featurized it."""
    thumbnail: bytes = b""
    """A small JPEG; empty where it was not asked for, or not kept."""
    source: str = ""
    """How it came into the pool: `added`, or `captured` where it came to be predicted and was kept; empty of an
    example."""
    pool_time: datetime.datetime | None = None
    """When it came into the pool; None where it is an example."""


@dataclass(frozen=True, slots=True)
class MovedDataset:
    """What became of a dataset that was to have features of the network that is served now."""

    dataset: Dataset
    """As it is now."""
    sent: int
    """The images that were sent again."""
    present: int
    """The images that had features of this network already."""
    missing: tuple[StoredExample, ...]
    """The images that must be sent, and that were in none of the folders; those without labels are of the pool."""
    failed: tuple[ExampleOutcome, ...]
    """The images that were found, but could not be read or featurized."""


@dataclass(frozen=True, slots=True)
class AvailableBackbone:
    """A network that the featurizer has on disk and does not serve."""

    name: str
    imagenet_accuracy: float | None
    """The share of ImageNet's validation images whose class it tells, from 0 to 1; None where it is not known."""
    relative_speed: float
    """How many images it computes while `inception5h` computes one; 0 where it is not known."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """The network that the featurizer serves."""

    name: str
    digest: str
    """64 hexadecimal digits: features of different digests are never compared or mixed."""
    device: str
    """What computes the features, such as `CPU`."""
    precision: str
    """The arithmetic of the network, such as `float32`."""
    imagenet_accuracy: float | None
    """As `AvailableBackbone.imagenet_accuracy`."""
    relative_speed: float
    """As `AvailableBackbone.relative_speed`."""
    others: tuple[AvailableBackbone, ...] = ()
    """What else was on the featurizer's disk when it started."""


@dataclass(frozen=True, slots=True)
class ExamplePage:
    """Some examples of a dataset, in order of arrival."""

    examples: tuple[StoredExample, ...]
    next_page_token: str
    """What to ask for the next page with; empty on the last."""


@dataclass(frozen=True, slots=True)
class ReviewedExample:
    """A training example that is worth a look."""

    example: StoredExample
    label: str
    """Empty where a multi-label version finds that the image lacks the `suggested_label`."""
    label_probability: float
    """The out-of-fold probability of its label, from 0 to 1: by a head that was trained without it."""
    suggested_label: str
    """The class that is more probable; empty where a multi-label version finds that the image has not its `label`."""
    suggested_probability: float
    """The out-of-fold probability of that class, from 0 to 1."""

    @property
    def labels_put_right(self) -> tuple[str, ...]:
        """The labels that the example has if what is suggested of it is right; an empty one stands for none."""
        if self.label and self.suggested_label:
            return (self.suggested_label,)
        kept = [label for label in self.example.labels if label != self.label]  # of a multi-label version
        return (*kept, *filter(None, [self.suggested_label])) or ("",)


@dataclass(frozen=True, slots=True)
class Review:
    """Training examples that are worth a look, the worst first."""

    examples: tuple[ReviewedExample, ...]
    total_count: int
    """How many there are, which may be more than were asked for."""


@dataclass(frozen=True, slots=True)
class SimilarExample:
    """A stored image that resembles another one."""

    example: StoredExample
    distance: float
    """The cosine distance of their features: 0 for the same image, 1 for images that have nothing in common."""


@dataclass(frozen=True, slots=True)
class SimilarExamples:
    """The stored images that are nearest to an image, the nearest first."""

    examples: tuple[SimilarExample, ...]
    compared_count: int
    """How many images were compared."""
    stale_count: int = 0
    """How many were not, as another backbone featurized them: add them again."""


@dataclass(frozen=True, slots=True)
class MapPoint:
    """An image of a map."""

    id: str
    """What it was called when it was first added."""
    sha256: bytes
    """The sha256 of its file, 32 bytes."""
    labels: tuple[str, ...]
    """More than one is a conflict; none is an image of the pool."""
    x: float
    """Its place from left to right, from -1 to 1."""
    y: float
    """Its place from bottom to top, from -1 to 1."""
    suspicious: bool = False
    """Whether its label is probably wrong."""
    suggested_label: str = ""
    """What the model would label it; empty where it is not suspicious."""


@dataclass(frozen=True, slots=True)
class ExampleMap:
    """The images of a dataset in two dimensions: those with similar features lie near each other."""

    points: tuple[MapPoint, ...]
    """In order of arrival."""
    method: str
    """`pca` or `neighbors`."""
    example_count: int
    """How many images could have been laid out, of which these are all or a sample."""
    stale_count: int = 0
    """How many could not, as another backbone featurized them: add them again."""


@dataclass(frozen=True, slots=True)
class SuggestedExample:
    """An image of a pool that is worth a label."""

    example: StoredExample
    scores: tuple[LabelScore, ...]
    """The classes that it may be of, the best first, at most 9; empty where the dataset has not yet two classes."""


@dataclass(frozen=True, slots=True)
class NextExamples:
    """Which images of a pool to label next."""

    examples: tuple[SuggestedExample, ...]
    """The most useful first."""
    strategy: str
    """Why these: `typical` of many others that no label is near to, or `uncertain` what they are."""
    pool_count: int
    """The images in the pool."""
    stale_count: int
    """Those of them that are not suggested, as another backbone featurized them: they must be added again."""
    classes: tuple[str, ...]
    """The dataset's classes, in order of first appearance."""


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


@dataclass(frozen=True, slots=True)
class DriftSignal:
    """How near the newest images are to an alarm, by one thing that is compared with the training images."""

    kind: str
    """`score` (the probability of the best class), `unknown` (whether it is rejected: 0 or 1), `distance` (of the
    features from the training images), `features` (in random directions) or `strength` (of the network's answer).
    """
    name: str
    """Of several numbers of this kind, the one that is the nearest to an alarm."""
    level: float
    """How far `seen_share` is from `expected_share`, where 1 is as far as an alarm is."""
    image_count: int
    """The number of newest images that this is about."""
    value: float
    expected_share: float
    """The share of images, from 0 to 1, that is expected below `value`."""
    seen_share: float
    """The share of the newest images that is below it."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Whether the images that come to a version are like those that it was trained on."""

    model: str
    version: int
    state: str
    """`steady` or `drifting`; or why nothing is told: `no reference` (an earlier release trained the version), `too few
    examples` (fewer than 20 training images) or `too few images` (have come, see `block_size`).
    """
    image_count: int
    """The number of images that were compared since `start_time`, in the process that answered."""
    start_time: datetime.datetime | None
    """When the comparison began; None where nothing was compared yet."""
    training_image_count: int
    """The number of training images that they are compared with."""
    signals: tuple[DriftSignal, ...]
    """One of each kind; empty before the first `block_size` images."""
    alarm_time: datetime.datetime | None
    """When the alarm that is on began; None where there is none."""
    alarm_count: int
    """The number of alarms since `start_time`."""
    last_alarm_time: datetime.datetime | None
    """When the newest alarm began, whether or not it is over."""
    block_size: int
    """Images are compared each time that many have come."""
    false_alarms_per_million: float
    """The most false alarms in a million images, on average."""

    @property
    def drifting(self) -> bool:
        """Whether there is an alarm now."""
        return self.state == "drifting"


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """An evaluated image that is, or nearly is, a training image."""

    image: str
    training_id: str
    """Of the training image that it is most like; empty, as its label, for a token of the scope `predict`."""
    training_label: str
    similarity: float
    """The cosine of their feature vectors, from -1 to 1."""


@dataclass(frozen=True, slots=True)
class ExampleEvaluation:
    """What the model made of one labelled image."""

    image: str
    label: str
    label_known: bool
    """Whether the model knows the label. Where not, the example is in no metric."""
    predicted: LabelScore | None
    error: ImageError | None
    """Why the image could not be predicted."""
    label_trimmed: bool = False
    labels: tuple[str, ...] = ()
    """Its labels, where the version is multi-label; `label` is then empty."""
    predicted_labels: tuple[str, ...] = ()
    """The labels that a multi-label version predicts, the most probable first."""

    @property
    def wrong(self) -> bool:
        """Whether the model knows the label, and predicts another one; or other labels, where it knows them all."""
        if not self.label:
            return self.label_known and self.error is None and set(self.predicted_labels) != set(self.labels)
        return self.label_known and self.predicted is not None and self.predicted.label != self.label


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well a model predicted labelled images."""

    model: str
    version: int
    metrics: Metrics
    """Over the examples that could be predicted and whose label the model knows."""
    unknown_labels: dict[str, int]
    """Labels that the model never saw, with their numbers of examples."""
    failed: tuple[ExampleEvaluation, ...]
    trimmed: int
    """The number of labels around which the server removed white space."""
    near_duplicates: tuple[NearDuplicate, ...] = ()
    """Images that are, or nearly are, training images, which flatters the metrics: the most similar ones."""
    near_duplicate_count: int = 0
    multi_label_metrics: MultiLabelMetrics | None = None
    """Those of a multi-label version, whose `metrics` are empty; None of others."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """Whether the server serves, and with which backbone."""

    server: str
    services: dict[str, str]
    """What health says, such as `SERVING`: of the `server` as a whole, of the classifier's service by its name, and of
    what needs the `featurizer`.
    """
    backbone: str
    """The backbone that featurized the newest example; empty where there is none yet, or where it is not visible."""
    datasets_visible: bool = True
    """Whether the caller's token is for datasets too, which tell the backbone."""

    @property
    def serving(self) -> bool:
        """Whether everything serves."""
        return all(state == "SERVING" for state in self.services.values())
