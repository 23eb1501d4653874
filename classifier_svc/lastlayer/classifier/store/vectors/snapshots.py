"""Reads the features of all images of a dataset at one tap, as of one moment."""

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lastlayer.classifier.domain.types import Backbone, Tap
from lastlayer.classifier.store import feature_rows, queries
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.schema import examples, features
from lastlayer.rpc.vectors import View, place


@dataclass(frozen=True)
class Source:
    """Where the features of a dataset's images come from."""

    backbone: Backbone
    tap: Tap
    """The deepest that has no class scores, and that the backbone had from the start."""
    view: View
    """The first of those of the dataset."""


@dataclass(frozen=True)
class State:
    """Tells whether a dataset has changed: what equals another state has the same images, labels and backbone."""

    dataset_id: int
    backbone_id: int | None
    update_time: datetime.datetime


@dataclass(frozen=True)
class FeaturizedImages:
    """Which images of a dataset have features."""

    contents: Sequence[bytes]
    """By sha256, in order of arrival."""
    labels: Sequence[tuple[str, ...]]
    """Of each, in order of first appearance."""
    stale_count: int
    """How many have none of the dataset's backbone. They may get some at any time, even by another dataset."""


class Snapshot:
    """A dataset as of one moment."""

    def __init__(self, connection: Connection, dataset: Any) -> None:
        """`dataset` is a row of the table of datasets."""
        self._connection = connection
        self._dataset = dataset
        self.state = State(dataset.id, dataset.backbone_id, dataset.update_time)
        self.source = None if dataset.backbone_id is None else _find_source(connection, dataset)
        """None where the dataset has no images."""

    def list_images(self) -> FeaturizedImages:
        """Return the images that have features."""
        if self.source is None:
            return FeaturizedImages([], [], 0)
        own = sa.and_(
            features.c.backbone_id == self._dataset.backbone_id,
            features.c.content_sha256 == examples.c.content_sha256,
            features.c.tap == place(self.source.tap.name, self.source.view),
        )
        query = (
            sa.select(examples.c.content_sha256, examples.c.label, features.c.tap)
            .join(features, own, isouter=True)
            .where(examples.c.dataset_id == self._dataset.id)
            .order_by(examples.c.id)
        )
        labels: dict[bytes, tuple[str, ...]] = {}
        stale = set()
        for content, label, tap in self._connection.execute(query):
            if tap is None:
                stale.add(content)
            else:
                labels[content] = (*labels.get(content, ()), label)
        return FeaturizedImages(list(labels), list(labels.values()), len(stale))

    def read_vectors(self, contents: Sequence[bytes]) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the features of some of the images, by sha256, some at a time: float32 [k, d].

        Raises StoreCorruptError where they are missing or damaged.
        """
        if self.source is not None:
            tap, view = self.source.tap, self.source.view
            yield from feature_rows.iterate_tap(self._connection, self._dataset, tap, contents, lambda: None, view)


class Snapshots:
    """Opens snapshots of the datasets of a database. For threads, not for the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextlib.contextmanager
    def open(self, dataset: str) -> Iterator[Snapshot]:
        """Yield a snapshot, which can be read within the block; raises ResourceNotFoundError."""
        with self._database.reading() as connection:
            yield Snapshot(connection, queries.find(connection, dataset))


def _find_source(connection: Connection, dataset: Any) -> Source:
    backbone = queries.find_backbone(connection, dataset.backbone_id)
    deep = [tap for tap in backbone.taps if not (tap.class_scores or tap.added_later)]
    return Source(backbone, (deep or backbone.taps)[-1], queries.read_views(dataset)[0])
