"""What is stored, served and predicted, as plain data."""

import datetime
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.label_sets import drop_no_label
from lastlayer.rpc.vectors import CROP_ALONE, View


@dataclass(frozen=True)
class Tap:
    """A named place in a backbone from which a vector is read."""

    name: str
    """Such as `mixed4e`; unique within the backbone."""
    class_scores: bool
    """Whether its vectors are the network's own class scores before softmax."""
    dimension: int
    """The number of elements of its vectors."""
    added_later: bool = False
    """Whether the backbone got it after features had been stored, so that older images may lack it."""


@dataclass(frozen=True)
class Backbone:
    """A frozen network, with its preprocessing, whose features are stored or served."""

    name: str
    """Such as `inception5h`."""
    digest: str
    """64 hexadecimal digits, the sha256 over weights and preprocessing: features of different digests never meet."""
    taps: tuple[Tap, ...]
    """From the shallowest to the deepest."""
    former_digests: Mapping[str, str] = field(default_factory=dict)
    """The digests under which earlier releases stored features of it in other precisions, and which those are."""
    views: tuple[View, ...] = CROP_ALONE
    """Of which the featurizer computes features, where it serves it."""

    @property
    def tap_names(self) -> tuple[str, ...]:
        """The names of the taps."""
        return tuple(tap.name for tap in self.taps)


@dataclass(frozen=True)
class Dataset:
    """A dataset and its counts."""

    name: str
    backbone: Backbone | None
    """The one that featurized the newest example; None where there is none."""
    class_counts: Mapping[str, int]
    """By label, in order of first appearance: the images with that label alone, or of a multi-label dataset with it."""
    conflict_count: int
    """The images with several labels."""
    create_time: datetime.datetime
    update_time: datetime.datetime
    stale_count: int = 0
    """The images whose features are of another backbone than the dataset's: they must be added again."""
    precisions: Mapping[str, int] = field(default_factory=dict)
    """How many images have features of the dataset's backbone that were computed in each precision, such as `float32`;
    empty where it was not recorded. From the most frequent one."""
    views: tuple[View, ...] = CROP_ALONE
    """Of which features are stored."""
    example_count: int = 0
    """The images that training uses."""
    multi_label: bool = False
    """Whether images may have several labels, or none."""
    without_label_count: int = 0
    """The images of a multi-label dataset that have none of its labels."""
    pool_count: int = 0
    """The images in its pool."""
    captured_count: int = 0
    """Those of them that came to be predicted, see `PoolSource.CAPTURED`."""


class PoolSource(enum.Enum):
    """How an image came into a pool."""

    ADDED = "added"
    """Somebody added it, or took its labels away."""
    CAPTURED = "captured"
    """It came to be predicted, and was kept."""


@dataclass(frozen=True)
class StoredExample:
    """An example, or an image of a pool, as it is stored."""

    key: int
    """Its place in the order of arrival."""
    name: str
    """The name under which it was first added."""
    content_sha256: bytes
    labels: tuple[str, ...]
    """In order of first appearance; more than one is a conflict, unless the dataset is multi-label; none is an image of
    the pool, or has none of the labels of a multi-label dataset."""
    stale: bool
    thumbnail: bytes = b""
    """Empty where it was not asked for, or not kept."""
    source: PoolSource | None = None
    """How it came into the pool; None where it is not there."""
    pool_time: datetime.datetime | None = None
    """When it came into the pool."""


@dataclass(frozen=True)
class NewExample:
    """An example to store."""

    name: str
    content_sha256: bytes
    label: str
    """Empty for an image of a pool."""
    vectors: Mapping[str, npt.NDArray[np.float32]] | None
    """Its features by tap and view (see `rpc.vectors.place`), float32 [d]; None where they are stored already."""
    thumbnail: bytes = b""
    """A small picture of it, as a JPEG; empty where there is none."""
    hashes: bytes = b""
    """Of what it looks like, as the featurizer made them; empty where there are none."""
    takes_thumbnail: bool = False
    """Whether that of another dataset is taken over where there is none."""
    precision: str = ""
    """In which its features were computed; empty where that is not known."""
    other_labels: tuple[str, ...] = ()
    """In a multi-label dataset, where `label` is the first one, or empty where the image has none."""

    @property
    def labels(self) -> tuple[str, ...]:
        """All its labels."""
        return drop_no_label((self.label, *self.other_labels))


@dataclass(frozen=True)
class AddedExample:
    """What became of a `NewExample`."""

    is_new: bool
    labels: tuple[str, ...]
    """All labels that the image has in the dataset, in order of first appearance; several are a conflict. None of an
    image of the pool."""
    relabelled: bool = False
    """Whether a person chose another label for the image than the new one; that label stays."""
    multi_label: bool = False
    """Whether the dataset is multi-label, where several labels are no conflict."""


@dataclass(frozen=True)
class LabelledImages:
    """Images and the class of each."""

    contents: Sequence[bytes]
    """The sha256 of the images."""
    labels: Sequence[str]


@dataclass(frozen=True)
class ViewSample:
    """Features of a view that only some examples of a dataset have."""

    view: View
    rows: npt.NDArray[np.intp]
    """[m], which of the dataset's examples."""
    features: Mapping[str, npt.NDArray[np.float32]]
    """By tap and view (see `rpc.vectors.place`): float32 [m, d]."""


@dataclass(frozen=True)
class FeaturizedLabel:
    """A label of an example, as it is exported beside the image's features."""

    key: int
    """Its place in the order of arrival."""
    name: str
    content_sha256: bytes
    label: str
    precision: str
    """In which the features were computed; empty where that is not known."""
    stale: bool
    """Whether the image lacks features of the dataset's backbone at some tap."""


@dataclass(frozen=True)
class FeaturePage:
    """Some labels of a dataset, with the features of their images."""

    backbone: Backbone | None
    """The dataset's; None where it has no examples."""
    labels: Sequence[FeaturizedLabel]
    vectors: Mapping[str, npt.NDArray[np.float32]]
    """By tap, of those that are not stale, in their order: float32 [n, d]."""
    more: bool
    """Whether labels come after these."""
    multi_label: bool = False
    """Whether the dataset is multi-label; the label of an image that has none is then empty."""


@dataclass(frozen=True)
class TrainingSet:
    """The examples of a dataset that training uses."""

    backbone: Backbone
    contents: Sequence[bytes]
    """The sha256 of the images."""
    labels: Sequence[str]
    """Of a multi-label dataset the first label of each image, empty where it has none: see `label_sets`."""
    features: Mapping[str, npt.NDArray[np.float32]]
    """By tap and view (see `rpc.vectors.place`), those that were asked for: float32 [n, d]."""
    lacking: Mapping[str, int] = field(default_factory=dict)
    """By tap: how many examples have no features at it, as they were featurized before the network had it."""
    everything: LabelledImages | None = None
    """All examples, where those above are a sample of them; None where those above are all."""
    rows: npt.NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    """Which of all examples those above are, where they are a sample."""
    views: tuple[View, ...] = CROP_ALONE
    """Those of which all examples have features."""
    lacking_views: Mapping[View, int] = field(default_factory=dict)
    """Of the dataset's other views, how many examples have no features of them."""
    sample: ViewSample | None = None
    """By which it can be told what another view would bring; None where there is none, or where a person has chosen the
    dataset's views."""
    label_sets: Sequence[tuple[str, ...]] | None = None
    """All labels of each image of a multi-label dataset; None where each has one."""

    @property
    def count(self) -> int:
        """How many examples there are in all."""
        return len((self.everything or self).labels)


@dataclass(frozen=True)
class Candidates:
    """Images of a pool to choose from, with what is labelled already."""

    contents: Sequence[bytes]
    """The sha256 of the images, in order of arrival."""
    features: Mapping[str, npt.NDArray[np.float32]]
    """Theirs, by tap: float32 [n, d]."""
    labels: Sequence[str]
    """Of some examples."""
    labelled: Mapping[str, npt.NDArray[np.float32]]
    """The features of those examples, by tap: float32 [m, d]."""
    classes: tuple[str, ...]
    """All of the dataset, in order of first appearance."""
    pool_count: int
    """The images of the pool, of which those above may be a sample."""
    stale_count: int
    """Those of them that lack features of the dataset's backbone."""


@dataclass(frozen=True)
class TapExamples:
    """The examples of a dataset that training uses, at one tap, as the mean over some views."""

    contents: Sequence[bytes]
    """The sha256 of the images."""
    names: Sequence[str]
    labels: Sequence[str]
    vectors: npt.NDArray[np.float32]
    """float32 [n, d]."""
    hashes: Sequence[bytes] = ()
    """Perceptual hashes of each image, empty for one that has none; or none at all."""

    def only(self, rows: Sequence[int]) -> "TapExamples":
        """Return some of the examples."""
        return TapExamples(
            [self.contents[row] for row in rows],
            [self.names[row] for row in rows],
            [self.labels[row] for row in rows],
            self.vectors[np.array(rows, np.intp)],
            [self.hashes[row] for row in rows] if self.hashes else (),
        )


@dataclass(frozen=True)
class Model:
    """A model."""

    name: str
    default_version: int
    version_count: int
    classes: tuple[str, ...]
    """Of the default version."""
    create_time: datetime.datetime
    update_time: datetime.datetime


@dataclass(frozen=True)
class Version:
    """A version of a model, without its head."""

    key: int
    """Identifies the version for good: never used again, not even after its model was deleted and made anew."""
    model: str
    version: int
    dataset: str
    backbone_name: str
    backbone_digest: str
    classes: tuple[str, ...]
    """In order of first appearance in the dataset."""
    description: bytes
    """What is known of it, as a serialized `lastlayer.v1.ModelVersion`. Empty where an earlier release stored it."""
    facts: Mapping[str, Any]
    """The same as earlier releases stored it, as JSON."""
    create_time: datetime.datetime


@dataclass(frozen=True)
class ServedVersion:
    """What predicting needs to know of a version."""

    key: int
    """See `Version.key`."""
    model: str
    version: int
    backbone_name: str
    backbone_digest: str


FeatureMaps = Mapping[str, npt.NDArray[np.float32]]
"""The feature map of one image at each tap, float32 [h, w, d]."""


class Region(NamedTuple):
    """A rectangle of an upright image, as shares of its width and height, from 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float


class Predicted(NamedTuple):
    """What a version makes of an image."""

    probabilities: npt.NDArray[np.float64]
    """Of the head's classes, float64 [c]."""
    vector: npt.NDArray[np.float32]
    """At the deepest tap of the head, float32 [d]."""
    distance: float = 0.0
    """From the training images, see `Head.score`."""
    hashes: bytes = b""
    """Perceptual hashes of the image; empty where they were not asked for, or it is too plain."""
    logits: npt.NDArray[np.float64] | None = None
    """What the probabilities are the softmax, or the logistic function, of, float64 [c]; None where nobody computed
    them."""
