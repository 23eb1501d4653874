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

from lastlayer.classifier.domain.label_sets import NO_LABEL
from lastlayer.classifier.domain.types import Backbone, Tap
from lastlayer.classifier.store import queries
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.schema import examples, features, pool
from lastlayer.classifier.store.vectors import feature_rows
from lastlayer.rpc.vectors import View, place


@dataclass(frozen=True)
class Source:
    """Where the features of a dataset's images come from."""

    backbone: Backbone
    tap: Tap
    """The deepest that has no class scores, and that the backbone had from the start. Of photos more of the nearest are
    of the same class there than at other taps of GoogLeNet; of drawings fewer (`benchmarks/results/similar.txt`)."""
    view: View
    """The first of those of the dataset."""


@dataclass(frozen=True)
class State:
    """Tells whether a dataset has changed: what equals another state has the same images, labels and backbone."""

    dataset_id: int
    backbone_id: int | None
    update_time: datetime.datetime
    pool_count: int
    """Images of the pool expire, which is no update."""


@dataclass(frozen=True)
class FeaturizedImages:
    """Which images of a dataset have features."""

    contents: Sequence[bytes]
    """By sha256: the examples in order of arrival, then the pool in order of arrival."""
    labels: Sequence[tuple[str, ...]]
    """Of each, in order of first appearance; none of those of the pool."""
    example_count: int
    """How many of them are examples."""
    stale_count: int
    """How many examples have none of the dataset's backbone. They may get some at any time, even by another dataset."""
    pool_stale_count: int
    """The same of the pool."""


class Snapshot:
    """A dataset as of one moment."""

    def __init__(self, connection: Connection, dataset: Any) -> None:
        """`dataset` is a row of the table of datasets."""
        self._connection = connection
        self._dataset = dataset
        pool_count = queries.count_pool(connection, dataset.id)
        self.state = State(dataset.id, dataset.backbone_id, dataset.update_time, pool_count)
        self.source = None if dataset.backbone_id is None else _find_source(connection, dataset)
        """None where the dataset has no images."""

    def list_images(self) -> FeaturizedImages:
        """Return the images that have features."""
        labels: dict[bytes, tuple[str, ...]] = {}
        stale: set[bytes] = set()
        single: dict[str, tuple[str]] = {}  # images of a class share one: they may be a million
        for content, label, tap in self._select(examples, examples.c.label):
            if tap is None:
                stale.add(content)
            elif content in labels:
                labels[content] = (*labels[content], label)
            else:
                labels[content] = () if label == NO_LABEL else single.setdefault(label, (label,))
        example_count, stale_count = len(labels), len(stale)
        for content, _, tap in self._select(pool, sa.null()):
            if tap is None:
                stale.add(content)
            else:
                labels[content] = ()
        return FeaturizedImages(
            contents=list(labels),
            labels=list(labels.values()),
            example_count=example_count,
            stale_count=stale_count,
            pool_stale_count=len(stale) - stale_count,
        )

    def _select(self, table: sa.Table, label: sa.ColumnElement[Any]) -> Sequence[Any]:
        """Return the images of a table in order of arrival: sha256, label, and the tap where there are features."""
        if self.source is None:
            return ()
        own = sa.and_(
            features.c.backbone_id == self._dataset.backbone_id,
            features.c.content_sha256 == table.c.content_sha256,
            features.c.tap == place(self.source.tap.name, self.source.view),
        )
        query = (
            sa.select(table.c.content_sha256, label, features.c.tap)
            .select_from(table.join(features, own, isouter=True))
            .where(table.c.dataset_id == self._dataset.id)
            .order_by(table.c.id)
        )
        return self._connection.execute(query).all()

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
