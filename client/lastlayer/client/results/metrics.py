"""How good predictions were, of one label an image and of several."""

from dataclasses import dataclass


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
