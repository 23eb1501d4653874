"""What the stores of datasets and of examples both ask the database."""

import difflib
from collections.abc import Collection, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lastlayer.classifier.domain.label_sets import NO_LABEL, drop_no_label
from lastlayer.classifier.domain.types import Backbone, Dataset, PoolSource, Tap
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.schema import (
    backbones,
    datasets,
    examples,
    feature_precisions,
    features,
    perceptual_hashes,
    pool,
    thumbnails,
)
from lastlayer.rpc.errors import ResourceNotFoundError
from lastlayer.rpc.vectors import CROP_ALONE, View

_MANY: Final = 500
"""How many values one statement names; databases bound that."""

ARRIVAL: Final = examples.c.id + 0
"""The order in which labels came, for queries that name images. Sorted by the bare column, SQLite would walk through
the whole dataset by the index of that order, and look for the images on the way."""

_SHOWN: Final = 5
"""How many names of a table an error lists."""

_COMPARED: Final = 1000
"""With how many names of a table a name that it does not have is compared."""

_FEATURES_LOCK: Final = 0x6C61737466  # any number that nobody else locks in the same database


Value = TypeVar("Value", bytes, str)


def split(values: Sequence[Value]) -> list[Sequence[Value]]:
    """Return some values at a time, few enough for one statement to name."""
    return [values[start : start + _MANY] for start in range(0, len(values), _MANY)]


def find(connection: Connection, name: str, *, lock: bool = False) -> Any:
    """Return the row of a dataset, which others cannot change meanwhile with `lock`; raises ResourceNotFoundError."""
    query = sa.select(datasets).where(datasets.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise ResourceNotFoundError("dataset", name, hint(connection, datasets.c.name, name))
    return row


def hint(connection: Connection, column: sa.Column[str], name: str) -> str:
    """Return a sentence with the first names of a table's, and those that are like `name`; empty where it has none."""
    names = connection.scalars(sa.select(column).order_by(column).limit(_COMPARED)).all()
    if not names:
        return ""
    close = difflib.get_close_matches(name, names, n=2)
    meant = f" Did you mean {' or '.join(f'`{match}`' for match in close)}?" if close else ""
    return f"There are: {', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else '.'}{meant}"


def find_backbone(connection: Connection, key: int) -> Backbone:
    """Return a backbone."""
    row = connection.execute(sa.select(backbones).where(backbones.c.id == key)).one()
    return Backbone(row.name, row.digest, tuple(Tap(*tap) for tap in row.taps))


def read_views(row: Any) -> tuple[View, ...]:
    """Return the views of the row of a dataset."""
    return tuple(map(View.parse, row.views.split(","))) if row.views else CROP_ALONE


def read_label_sets(connection: Connection, dataset_id: int) -> dict[bytes, tuple[str, ...]]:
    """Return the labels of each image of a multi-label dataset, by sha256, images and labels in order of arrival."""
    query = (
        sa.select(examples.c.content_sha256, examples.c.label)
        .where(examples.c.dataset_id == dataset_id)
        .order_by(examples.c.id)
    )
    found: dict[bytes, list[str]] = {}
    for content, label in connection.execute(query):
        found.setdefault(bytes(content), []).append(label)
    return {content: drop_no_label(labels) for content, labels in found.items()}


def find_featurized(
    connection: Connection, digest: str, contents: Collection[bytes], taps: Collection[str] = ()
) -> set[bytes]:
    """Return those of the images, by sha256, whose features of a backbone are stored.

    Features must be there at all of the `taps` (and views, see `rpc.vectors.place`); at any where none are given. A
    backbone that gets further taps keeps its digest (`in_digest` of its declaration), so that older images may lack
    them.
    """
    found: set[bytes] = set()
    for some in split(sorted(contents)):
        query = (
            sa.select(features.c.content_sha256)
            .join(backbones)
            .where(backbones.c.digest == digest, features.c.content_sha256.in_(some))
            .group_by(features.c.content_sha256)
        )
        if taps:
            query = query.where(features.c.tap.in_(taps)).having(sa.func.count() == len(taps))
        found.update(connection.scalars(query))
    return found


def is_fresh(backbone_id: int | None, images: sa.Table = examples) -> sa.ColumnElement[bool]:
    """Return whether the image of an example, or of the `pool`, has features of a backbone."""
    own = features.alias()
    return sa.exists().where(own.c.backbone_id == backbone_id, own.c.content_sha256 == images.c.content_sha256)


def has_examples(connection: Connection, dataset_id: int) -> bool:
    """Return whether a dataset has examples."""
    query = sa.select(examples.c.id).where(examples.c.dataset_id == dataset_id).limit(1)
    return connection.scalars(query).first() is not None


def count_pool(connection: Connection, dataset_id: int, source: PoolSource | None = None) -> int:
    """Return the number of images in the pool of a dataset, of those that came there in some way where one is said."""
    query = sa.select(sa.func.count()).where(pool.c.dataset_id == dataset_id)
    if source is not None:
        query = query.where(pool.c.source == source.value)
    return connection.scalar(query) or 0


def drop_images(connection: Connection, dataset_id: int, contents: Sequence[bytes]) -> None:
    """Delete images, by sha256, from a dataset and its pool, with what no other dataset refers to."""
    for some in split(contents):
        for table in (examples, pool, thumbnails):
            mine = table.c.dataset_id == dataset_id, table.c.content_sha256.in_(some)
            connection.execute(sa.delete(table).where(*mine))
        kept = sa.union_all(
            *(sa.select(table.c.content_sha256).where(table.c.content_sha256.in_(some)) for table in (examples, pool))
        )
        for shared in (features, feature_precisions, perceptual_hashes):
            orphans = shared.c.content_sha256.in_(some), shared.c.content_sha256.not_in(kept)
            connection.execute(sa.delete(shared).where(*orphans))


def drop_all_images(connection: Connection, dataset_id: int) -> None:
    """Delete what only one dataset, with its pool, refers to; the dataset itself is deleted after it."""
    mine = sa.union_all(
        *(sa.select(table.c.content_sha256).where(table.c.dataset_id == dataset_id) for table in (examples, pool))
    )
    others = sa.union_all(
        *(sa.select(table.c.content_sha256).where(table.c.dataset_id != dataset_id) for table in (examples, pool))
    )
    for shared in (features, feature_precisions, perceptual_hashes):
        orphans = shared.c.content_sha256.in_(mine), shared.c.content_sha256.not_in(others)
        connection.execute(sa.delete(shared).where(*orphans))


def select_trainable(dataset: Any) -> sa.Select[Any]:
    """Return the images that training uses, `content_sha256`: those with exactly one label, or all of a multi-label
    dataset. `dataset` is a row of the table of datasets.
    """
    if not dataset.multi_label:
        return select_unambiguous(dataset.id)
    return sa.select(examples.c.content_sha256).where(examples.c.dataset_id == dataset.id).distinct()


def select_unambiguous(dataset_id: int) -> sa.Select[Any]:
    """Return the images with exactly one label, in order of arrival: `content_sha256`, `label` and `first`."""
    return (
        sa.select(
            examples.c.content_sha256,
            sa.func.min(examples.c.label).label("label"),
            sa.func.min(examples.c.id).label("first"),
        )
        .where(examples.c.dataset_id == dataset_id)
        .group_by(examples.c.content_sha256)
        .having(sa.func.count() == 1)
        .order_by("first")
    )


def describe(connection: Connection, row: Any) -> Dataset:
    """Return a dataset with its counts."""
    counts = _count_labels(connection, row)
    of_dataset = sa.select(sa.func.count(examples.c.content_sha256.distinct())).where(examples.c.dataset_id == row.id)
    images = connection.scalar(of_dataset) or 0
    stale = connection.scalar(of_dataset.where(~is_fresh(row.backbone_id))) if images else 0
    without_label = counts.pop(NO_LABEL, 0) if row.multi_label else 0
    return Dataset(
        name=row.name,
        backbone=find_backbone(connection, row.backbone_id) if row.backbone_id is not None else None,
        class_counts=counts,
        example_count=images if row.multi_label else sum(counts.values()),
        conflict_count=0 if row.multi_label else images - sum(counts.values()),
        create_time=row.create_time,
        update_time=row.update_time,
        stale_count=stale or 0,
        precisions=_count_precisions(connection, row, images - (stale or 0)),
        views=read_views(row),
        multi_label=bool(row.multi_label),
        without_label_count=without_label,
        pool_count=count_pool(connection, row.id),
        captured_count=count_pool(connection, row.id, PoolSource.CAPTURED),
    )


def _count_labels(connection: Connection, row: Any) -> dict[str, int]:
    """Return how many of the images that training uses have each label, in order of first appearance."""
    if row.multi_label:
        labelled = sa.select(examples.c.label, examples.c.id.label("first")).where(examples.c.dataset_id == row.id)
    else:
        labelled = select_unambiguous(row.id)
    single = labelled.subquery()
    counts = connection.execute(
        sa.select(single.c.label, sa.func.count()).group_by(single.c.label).order_by(sa.func.min(single.c.first))
    )
    return {entry[0]: entry[1] for entry in counts}


def _count_precisions(connection: Connection, row: Any, featurized: int) -> dict[str, int]:
    """Return how many of the `featurized` images of a dataset have features in each precision."""
    if not featurized:
        return {}
    told = connection.execute(
        sa.select(feature_precisions.c.precision, sa.func.count(examples.c.content_sha256.distinct()).label("examples"))
        .join(examples, examples.c.content_sha256 == feature_precisions.c.content_sha256)
        .where(examples.c.dataset_id == row.id, feature_precisions.c.backbone_id == row.backbone_id)
        .group_by(feature_precisions.c.precision)
    ).all()
    counts: dict[str, int] = {entry.precision: entry.examples for entry in told}
    if rest := featurized - sum(counts.values()):
        before = connection.scalar(sa.select(backbones.c.precision).where(backbones.c.id == row.backbone_id)) or ""
        counts[before] = counts.get(before, 0) + rest
    return dict(sorted(counts.items(), key=lambda entry: -entry[1]))


def keep_features(database: Database, connection: Connection, *, shared: bool) -> None:
    """Let no other transaction delete features (or, unless `shared`, add examples) until this one has ended."""
    if database.dialect == "postgresql":  # SQLite has one writer at a time anyway
        lock = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
        connection.execute(sa.select(lock(_FEATURES_LOCK)))
