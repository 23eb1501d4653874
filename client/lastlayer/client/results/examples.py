"""The examples of datasets and the images of pools, and what became of those that were sent."""

import datetime
from dataclasses import dataclass

from lastlayer.client.errors import ImageError


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
class ExamplePage:
    """Some examples of a dataset, in order of arrival."""

    examples: tuple[StoredExample, ...]
    next_page_token: str
    """What to ask for the next page with; empty on the last."""
