"""The client's results as they are told in JSON, where they differ: bytes, errors, names."""

import base64
import dataclasses
from typing import Self

from lastlayer.client.errors import ImageError
from lastlayer.client.results.curation import MapPoint, NextExamples, Review, SimilarExamples
from lastlayer.client.results.examples import ExampleOutcome, StoredExample
from lastlayer.client.results.images import Explanation
from lastlayer.client.results.predictions import LabelScore, Prediction


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """Why one image failed."""

    reason: str
    """The name of the `lastlayer.v1.ErrorReason`."""
    detail: str

    @classmethod
    def of(cls, error: ImageError) -> Self:
        """Return what the client's error says."""
        return cls(error.reason, error.message)


@dataclasses.dataclass(frozen=True, slots=True)
class PredictionView:
    """The classes that an image may be of, or why it has none."""

    image: str
    label: str | None
    """The best class; null where the image failed."""
    score: float | None
    """Its probability, from 0 to 1."""
    rejected: bool
    """Whether what the image shows is unknown; `label` is then the best guess."""
    unfamiliar: bool
    """Whether it is unlike the training images, which is a reason for that."""
    distance: float
    scores: list[LabelScore]
    """The classes, the best first."""
    error: Failure | None
    multi_label: bool
    """Whether the version is multi-label: the scores are then independent of each other."""
    labels: list[str]
    """The labels that a multi-label version predicts, the most probable first."""

    @classmethod
    def of(cls, known: Prediction) -> Self:
        """Return what the client's prediction says."""
        best = known.scores[0] if known.scores else None
        return cls(
            known.image,
            best.label if best else None,
            best.score if best else None,
            known.rejected,
            known.unfamiliar,
            known.distance,
            list(known.scores),
            Failure.of(known.error) if known.error else None,
            known.multi_label,
            list(known.labels),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Predictions:
    """What a version made of some images, in their order."""

    model: str
    version: int
    results: list[PredictionView]


@dataclasses.dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of an upright image, as shares of its width and height, from 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float


@dataclasses.dataclass(frozen=True, slots=True)
class ExplanationView:
    """Where in an image the score of a class comes from."""

    model: str
    version: int
    label: str
    probability: float
    logit: float
    bias: float
    contributions: list[list[float]]
    """What each cell of the region adds to the score, `[height][width]`: positive where it speaks for the class."""
    region: Region
    """The part of the upright image that the cells cover, in equal parts."""
    prediction: PredictionView

    @classmethod
    def of(cls, known: Explanation) -> Self:
        """Return what the client's explanation says."""
        return cls(
            known.prediction.model,
            known.prediction.version,
            known.label,
            known.probability,
            known.logit,
            known.bias,
            [list(row) for row in known.contributions],
            Region(known.region.left, known.region.top, known.region.right, known.region.bottom),
            PredictionView.of(known.prediction),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class OutcomeView:
    """What became of one example."""

    image: str
    sha256: str
    """64 hexadecimal digits: the example is known by them."""
    label: str
    """The label as stored."""
    status: str
    """`added`, `present` (it was there already), `conflict` (the image has several labels) or `failed`."""
    conflicting_labels: list[str]
    relabelled: bool
    """Whether a person had given the image another label than the one that was sent; `label` is that one, and stays."""
    error: Failure | None
    labels: list[str]
    """All labels that the image has now, in a multi-label dataset."""

    @classmethod
    def of(cls, known: ExampleOutcome, sha256: str) -> Self:
        """Return what the client's outcome says."""
        return cls(
            known.image,
            sha256,
            known.label,
            known.status,
            list(known.conflicting_labels),
            known.relabelled,
            Failure.of(known.error) if known.error else None,
            list(known.labels),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class ExampleView:
    """An example of a dataset."""

    id: str
    sha256: str
    labels: list[str]
    """More than one is a conflict, unless the dataset is multi-label; none is an image of the pool."""
    stale: bool
    """Whether its image must be added again, as another backbone featurized it."""
    thumbnail: str
    """A small JPEG in base64; empty where it was not asked for, or not kept."""
    source: str
    """How it came into the pool: `added`, or `captured` where it came to be predicted; empty for an example."""

    @classmethod
    def of(cls, known: StoredExample) -> Self:
        """Return what the client's example says."""
        thumbnail = base64.b64encode(known.thumbnail).decode()
        return cls(known.id, known.sha256.hex(), list(known.labels), known.stale, thumbnail, known.source)


@dataclasses.dataclass(frozen=True, slots=True)
class ReviewedView:
    """A training example that is worth a look."""

    example: ExampleView
    label: str
    """Empty where a multi-label version finds that the image lacks the `suggested_label`."""
    label_probability: float
    """The out-of-fold probability of its label, from 0 to 1: by a head that was trained without it."""
    suggested_label: str
    """Empty where a multi-label version finds that the image has not its `label`."""
    suggested_probability: float


@dataclasses.dataclass(frozen=True, slots=True)
class ReviewView:
    """Training examples that are worth a look, the worst first."""

    examples: list[ReviewedView]
    total_count: int
    """How many there are, which may be more than were asked for."""

    @classmethod
    def of(cls, known: Review) -> Self:
        """Return what the client's review says."""
        entries = [
            ReviewedView(
                ExampleView.of(entry.example),
                entry.label,
                entry.label_probability,
                entry.suggested_label,
                entry.suggested_probability,
            )
            for entry in known.examples
        ]
        return cls(entries, known.total_count)


@dataclasses.dataclass(frozen=True, slots=True)
class SuggestedView:
    """An image of a pool that is worth a label."""

    example: ExampleView
    scores: list[LabelScore]
    """The classes that it may be of, the best first, at most 9; empty where the dataset has not yet two classes."""


@dataclasses.dataclass(frozen=True, slots=True)
class NextView:
    """Which images of a pool to label next."""

    examples: list[SuggestedView]
    """The most useful first."""
    strategy: str
    """Why these: `typical` of many others, or `uncertain`."""
    pool_count: int
    """The images in the pool."""
    stale_count: int
    """Those of them that are not suggested, as another backbone featurized them."""
    classes: list[str]
    """The dataset's classes, in order of first appearance."""

    @classmethod
    def of(cls, known: NextExamples) -> Self:
        """Return what the client's answer says."""
        entries = [SuggestedView(ExampleView.of(entry.example), list(entry.scores)) for entry in known.examples]
        return cls(entries, known.strategy, known.pool_count, known.stale_count, list(known.classes))


@dataclasses.dataclass(frozen=True, slots=True)
class SimilarView:
    """A stored image that resembles another one."""

    example: ExampleView
    distance: float
    """The cosine distance of their features: 0 for the same image, 1 for images that have nothing in common."""


@dataclasses.dataclass(frozen=True, slots=True)
class SimilarPage:
    """The stored images that are nearest to an image, the nearest first."""

    examples: list[SimilarView]
    compared_count: int
    """How many images were compared."""
    stale_count: int
    """How many were not, as another backbone featurized them."""

    @classmethod
    def of(cls, known: SimilarExamples) -> Self:
        """Return what the client's answer says."""
        entries = [SimilarView(ExampleView.of(entry.example), entry.distance) for entry in known.examples]
        return cls(entries, known.compared_count, known.stale_count)


def map_point(point: MapPoint) -> dict[str, object]:
    """Return an image of a map as JSON has it."""
    return {
        "id": point.id,
        "sha256": point.sha256.hex(),
        "labels": point.labels,
        "x": round(point.x, 5),
        "y": round(point.y, 5),
        "suspicious": point.suspicious,
        "suggested_label": point.suggested_label,
    }
