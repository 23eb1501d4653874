"""How well a model predicted labelled images."""

from dataclasses import dataclass

from lastlayer.client.errors import ImageError
from lastlayer.client.results.metrics import Metrics, MultiLabelMetrics
from lastlayer.client.results.predictions import LabelScore


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
