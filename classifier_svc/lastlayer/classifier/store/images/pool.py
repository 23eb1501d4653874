"""Keeps pools: the images of datasets that wait for a label."""

import datetime
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.domain.label_sets import NO_LABEL, drop_no_label
from lastlayer.classifier.domain.types import AddedExample, Candidates, NewExample, PoolSource, StoredExample
from lastlayer.classifier.domain.views import places
from lastlayer.classifier.store import queries
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.images.labelled import read_labels
from lastlayer.classifier.store.schema import features, pool, thumbnails
from lastlayer.classifier.store.vectors import feature_rows
from lastlayer.rpc.vectors import place


class PoolStore:
    """The pools of a database; `DatasetStore.add_to_pool` fills them. Its methods block: they are for threads, not for
    the event loop.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, dataset: str, *, after: int, limit: int, stale_only: bool = False, with_thumbnails: bool = False
    ) -> list[StoredExample]:
        """Return images of a dataset's pool in order of arrival, those after the key `after`, at most `limit`; raises
        ResourceNotFoundError.
        """
        with self._database.reading() as connection:
            owner = queries.find(connection, dataset)
            query = sa.select(pool.c.content_sha256).where(pool.c.dataset_id == owner.id, pool.c.id > after)
            if stale_only:
                query = query.where(~queries.is_fresh(owner.backbone_id, pool))
            found = connection.scalars(query.order_by(pool.c.id).limit(limit)).all()
            return read(connection, owner, found, with_thumbnails=with_thumbnails)

    def get(self, dataset: str, contents: Sequence[bytes], *, with_thumbnails: bool) -> dict[bytes, StoredExample]:
        """Return those of the images, by sha256, that are in a dataset's pool; raises ResourceNotFoundError."""
        with self._database.reading() as connection:
            found = read(connection, queries.find(connection, dataset), contents, with_thumbnails=with_thumbnails)
            return {image.content_sha256: image for image in found}

    def candidates(
        self,
        dataset: str,
        sample_pool: Callable[[int, int], Indices],
        sample_labelled: Callable[[Sequence[str]], Indices],
    ) -> Candidates:
        """Return what the images to label next are chosen from: features at the taps that all images have, of one view.

        `sample_pool` says which images are read, by how many there are and how many examples have one label;
        `sample_labelled` says which of those examples, by their labels. Images and examples that lack features of the
        dataset's backbone are left out. Those of a multi-label dataset all have one label here, `NO_LABEL`. Raises
        ResourceNotFoundError, or StoreCorruptError.
        """
        with self._database.reading() as connection:
            owner = queries.find(connection, dataset)
            pool_count = queries.count_pool(connection, owner.id)
            if owner.backbone_id is None:
                return Candidates([], {}, [], {}, (), pool_count, pool_count)
            backbone = queries.find_backbone(connection, owner.backbone_id)
            view = queries.read_views(owner)[0]
            first = [tap for tap in backbone.taps if not tap.added_later]
            taps = [tap for tap in first if not tap.class_scores] or first
            fresh = _select_fresh(owner, place(taps[-1].name, view))
            fresh_count = (
                connection.scalar(sa.select(sa.func.count()).select_from(fresh.order_by(None).subquery())) or 0
            )
            labelled, classes = _read_labelled(connection, owner)
            examined = [labelled[row] for row in sample_labelled([label for _, label in labelled])]
            keys = places([tap.name for tap in taps], [view])
            known = queries.find_featurized(connection, backbone.digest, [content for content, _ in examined], keys)
            examined = [entry for entry in examined if entry[0] in known]
            chosen = set(sample_pool(fresh_count, len(labelled)).tolist())
            # Only what is chosen is kept of what may be a million.
            waiting = connection.scalars(fresh.execution_options(yield_per=1000))
            contents = [content for row, content in enumerate(waiting) if row in chosen]

            def read_features(of_images: Sequence[bytes]) -> dict[str, npt.NDArray[np.float32]]:
                return {tap.name: feature_rows.read_tap(connection, owner, tap, of_images, view=view) for tap in taps}

            return Candidates(
                contents=contents,
                features=read_features(contents),
                labels=[label for _, label in examined],
                labelled=read_features([content for content, _ in examined]),
                classes=classes,
                pool_count=pool_count,
                stale_count=pool_count - fresh_count,
            )


def add(
    connection: Connection,
    dataset_id: int,
    new: Sequence[NewExample],
    featurized: Collection[bytes],
    source: PoolSource,
    now: datetime.datetime,
) -> list[AddedExample | None]:
    """Put those images into a dataset's pool that are featurized, and no examples; return what became of each.

    One that somebody adds is not captured any more.
    """
    labels, _ = read_labels(connection, dataset_id, featurized)
    waiting: set[bytes] = set()
    for some in queries.split(sorted(featurized)):
        mine = pool.c.dataset_id == dataset_id, pool.c.content_sha256.in_(some)
        waiting.update(connection.scalars(sa.select(pool.c.content_sha256).where(*mine)))
        if source is PoolSource.ADDED:
            connection.execute(sa.update(pool).where(*mine).values(source=source.value))
    rows = []
    outcomes: list[AddedExample | None] = []
    for example in new:
        content = example.content_sha256
        if content not in featurized:
            outcomes.append(None)
            continue
        is_new = content not in labels and content not in waiting
        if is_new:
            waiting.add(content)
            rows.append(_row(dataset_id, content, example.name, source, now))
        outcomes.append(AddedExample(is_new, drop_no_label(labels.get(content, ()))))
    if rows:
        connection.execute(sa.insert(pool), rows)
    return outcomes


def put(connection: Connection, dataset_id: int, content: bytes, name: str, now: datetime.datetime) -> None:
    """Put an image that was an example until now into a dataset's pool."""
    connection.execute(sa.insert(pool), [_row(dataset_id, content, name, PoolSource.ADDED, now)])


def take_out(connection: Connection, dataset_id: int, contents: Collection[bytes]) -> dict[bytes, str]:
    """Take images, by sha256, out of a dataset's pool, as they are examples now; return the names of those that were
    there.
    """
    names: dict[bytes, str] = {}
    for some in queries.split(sorted(contents)):
        mine = pool.c.dataset_id == dataset_id, pool.c.content_sha256.in_(some)
        found = connection.execute(sa.delete(pool).where(*mine).returning(pool.c.content_sha256, pool.c.name))
        names.update((row.content_sha256, row.name) for row in found)
    return names


def read(
    connection: Connection, owner: Any, contents: Sequence[bytes], *, with_thumbnails: bool
) -> list[StoredExample]:
    """Return those of the images, by sha256, that are in a dataset's pool, in order of arrival.

    `owner` is a row of the table of datasets.
    """
    rows: list[Any] = []
    pictures: dict[bytes, bytes] = {}
    for some in queries.split(contents):
        query = sa.select(pool, queries.is_fresh(owner.backbone_id, pool).label("fresh")).where(
            pool.c.dataset_id == owner.id, pool.c.content_sha256.in_(some)
        )
        rows += connection.execute(query)
        if with_thumbnails:
            kept = sa.select(thumbnails.c.content_sha256, thumbnails.c.jpeg).where(
                thumbnails.c.dataset_id == owner.id, thumbnails.c.content_sha256.in_(some)
            )
            pictures.update((row.content_sha256, row.jpeg) for row in connection.execute(kept))
    return [
        StoredExample(
            key=row.id,
            name=row.name,
            content_sha256=row.content_sha256,
            labels=(),
            stale=not row.fresh,
            thumbnail=pictures.get(row.content_sha256, b""),
            source=PoolSource(row.source),
            pool_time=row.create_time,
        )
        for row in sorted(rows, key=lambda row: row.id)
    ]


def _read_labelled(connection: Connection, owner: Any) -> tuple[list[tuple[bytes, str]], tuple[str, ...]]:
    """Return the examples of a dataset that training uses, by sha256 with their labels, and all labels there are."""
    if not owner.multi_label:
        rows = connection.execute(queries.select_unambiguous(owner.id)).all()
        return [(row.content_sha256, row.label) for row in rows], tuple(dict.fromkeys(row.label for row in rows))
    # What is typical is told without labels; what is uncertain would be so of each label apart.
    sets = queries.read_label_sets(connection, owner.id)
    every = dict.fromkeys(label for labels in sets.values() for label in labels)
    return [(content, NO_LABEL) for content in sets], tuple(every)


def _select_fresh(owner: Any, key: str) -> sa.Select[Any]:
    """Return the images of a dataset's pool, by sha256 in order of arrival, that have features of its backbone at a tap
    and view (see `rpc.vectors.place`).
    """
    stored = sa.exists().where(
        features.c.backbone_id == owner.backbone_id,
        features.c.content_sha256 == pool.c.content_sha256,
        features.c.tap == key,
    )
    return sa.select(pool.c.content_sha256).where(pool.c.dataset_id == owner.id, stored).order_by(pool.c.id)


def _row(dataset_id: int, content: bytes, name: str, source: PoolSource, now: datetime.datetime) -> dict[str, Any]:
    return {
        "dataset_id": dataset_id,
        "content_sha256": content,
        "name": name,
        "source": source.value,
        "create_time": now,
    }
