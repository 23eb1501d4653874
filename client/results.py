"""What the client answers with: plain, frozen values without any type of the wire."""

import datetime
from dataclasses import dataclass

from client.errors import ImageError


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A class with its probability, from 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classes that an image may be of, or why that is not known."""

    image: str
    """The image's name: its path as it was given, or `images[i]` for bytes."""
    scores: tuple[LabelScore, ...]
    """The classes, the best first: all of them, or the `top_k` that were asked for. Empty where the image failed."""
    model: str
    version: int
    error: ImageError | None = None
    """Why the image has no prediction."""

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
    """What each cell of the region adds to the score, row by row: positive where it speaks for the class."""
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


@dataclass(frozen=True, slots=True)
class AddedExamples:
    """What became of some examples."""

    added: int
    present: int
    trimmed: int
    """The number of labels around which the server removed white space."""
    conflicts: tuple[ExampleOutcome, ...]
    failed: tuple[ExampleOutcome, ...]


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
    log_loss: float
    """The mean of -ln p(true class) over the examples of the class, in nats."""
    precision: float
    recall: float


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
    """Rows are true classes, columns predicted ones, in the order of `classes`."""


@dataclass(frozen=True, slots=True)
class RecipeEstimate:
    """What to expect of a recipe on new images, estimated by cross-validation."""

    recipe: str
    taps: tuple[str, ...]
    cross_validation: Metrics


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """An immutable trained head; the fields are those of `lastlayer.v1.ModelVersion`."""

    model: str
    version: int
    dataset: str
    recipe: str
    """`auto` or `tutorial`."""
    taps: tuple[str, ...]
    l1: float
    l2: float
    classes: tuple[str, ...]
    example_count: int
    backbone: str
    backbone_digest: str
    cross_validation: Metrics | None
    """What to expect on new images; None where there are too few examples to tell."""
    comparisons: tuple[RecipeEstimate, ...]
    create_time: datetime.datetime
    training_duration_s: float
    notes: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How the server is."""

    server: str
    services: dict[str, str]
    """What health says, such as `SERVING`: of the `server` as a whole, of the classifier's service by its name, and of
    what needs the `featurizer`.
    """
    backbone: str
    """The backbone that featurized the newest example; empty where there is none yet."""

    @property
    def serving(self) -> bool:
        """Whether everything serves."""
        return all(state == "SERVING" for state in self.services.values())
