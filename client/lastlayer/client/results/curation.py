"""Which images are worth a look or a label, which are alike, and how all of them lie on a map."""

from dataclasses import dataclass

from lastlayer.client.results.examples import StoredExample
from lastlayer.client.results.predictions import LabelScore


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
