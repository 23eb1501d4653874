"""Datasets, as they are, moved and exported."""

import datetime
from dataclasses import dataclass, field

from lastlayer.client.results.examples import ExampleOutcome, StoredExample


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
