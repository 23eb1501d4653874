"""Reads what is stored of a dataset's images: their features, checked, and their names."""

import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.domain.types import Backbone, FeaturizedLabel, Tap, ViewSample
from lastlayer.classifier.domain.views import SamplePlaces, places
from lastlayer.classifier.store import queries
from lastlayer.classifier.store.schema import backbones, examples, feature_precisions, features, perceptual_hashes
from lastlayer.rpc.errors import BackboneMismatchError
from lastlayer.rpc.vectors import CROP_ALONE, View, place, unpack

_NAMED: Final = 5
"""How many images an error names."""


def read_tap(
    connection: Connection,
    dataset: Any,
    tap: Tap,
    contents: Sequence[bytes],
    pulse: Callable[[], None] = lambda: None,
    view: View = View.CROP,
) -> npt.NDArray[np.float32]:
    """Return the features of a view of images, by sha256, at one tap: float32 [n, d].

    `dataset` is a row of the table of datasets. `pulse` is called at every step and may raise to end the work. Raises
    StoreCorruptError where the features of an image are missing or damaged.
    """
    array = np.empty((len(contents), tap.dimension), np.float32)
    position = 0
    for block in iterate_tap(connection, dataset, tap, contents, pulse, view):
        array[position : position + len(block)] = block
        position += len(block)
    return array


def iterate_tap(
    connection: Connection, dataset: Any, tap: Tap, contents: Sequence[bytes], pulse: Callable[[], None], view: View
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield what `read_tap` returns, some images at a time: float32 [k, d]."""
    # In order of arrival, as they lie in the database.
    for some in queries.split(contents):
        pulse()
        query = sa.select(features.c.content_sha256, features.c.vector, features.c.crc32).where(
            features.c.backbone_id == dataset.backbone_id,
            features.c.tap == place(tap.name, view),
            features.c.content_sha256.in_(some),
        )
        block = np.empty((len(some), tap.dimension), np.float32)
        missing: dict[bytes, list[int]] = {}  # an image with several labels may be there several times
        for row, content in enumerate(some):
            missing.setdefault(content, []).append(row)
        for content, vector, crc32 in connection.execute(query):
            if len(vector) != 4 * tap.dimension or zlib.crc32(vector) != crc32:
                raise _damaged(dataset, tap, content)
            block[missing.pop(content)] = unpack(vector)
        if missing:  # the block has whatever was in memory there
            raise _damaged(dataset, tap, min(missing))
        yield block


def count_lacking(connection: Connection, dataset: Any, backbone: Backbone, count: int) -> dict[str, int]:
    """Return how many of the `count` examples that training uses lack features, by tap and view.

    Taps of views at which none does are left out. `dataset` is a row of the table of datasets.
    """
    views = queries.read_views(dataset)
    # Of the one view that a dataset has had from the start, no image lacks a tap that was there from the start.
    taps = [tap.name for tap in backbone.taps if tap.added_later or views != CROP_ALONE]
    asked = places(taps, views)
    if not asked:
        return {}
    single = queries.select_trainable(dataset).order_by(None).subquery()
    query = (
        sa.select(features.c.tap, sa.func.count())
        .join(single, features.c.content_sha256 == single.c.content_sha256)
        .where(features.c.backbone_id == dataset.backbone_id, features.c.tap.in_(asked))
        .group_by(features.c.tap)
    )
    stored = {row[0]: row[1] for row in connection.execute(query)}
    lacking = {key: count - stored.get(key, 0) for key in asked}
    return {key: missing for key, missing in lacking.items() if missing}


def find_complete(
    connection: Connection, dataset: Any, backbone: Backbone, count: int
) -> tuple[tuple[View, ...], dict[View, int], dict[str, int]]:
    """Return the views of a dataset of which all of the `count` examples that training uses have features; of its other
    views, how many have none; and how many have none at taps that the backbone got later.

    `dataset` is a row of the table of datasets.
    """
    lacking = count_lacking(connection, dataset, backbone, count)
    first = [tap.name for tap in backbone.taps if not tap.added_later]
    every = queries.read_views(dataset)
    missing = {view: max((lacking.get(place(tap, view), 0) for tap in first), default=0) for view in every}
    views = tuple(view for view in every if not missing[view]) or every[:1]
    later = {
        tap.name: max(lacking.get(place(tap.name, view), 0) for view in views)
        for tap in backbone.taps
        if tap.added_later
    }
    return (
        views,
        {view: number for view, number in missing.items() if view not in views},
        {tap: number for tap, number in later.items() if number},
    )


def read_sample(
    connection: Connection, dataset: Any, backbone: Backbone, contents: Sequence[bytes], labels: Sequence[str]
) -> ViewSample | None:
    """Return the features of the whole image, at all taps save class scores, of some of the images that have them; None
    where none has. `contents` are the sha256 of a dataset's images, `dataset` is a row of the table of datasets.
    """
    taps = [tap for tap in backbone.taps if not tap.class_scores]
    keys = places([tap.name for tap in taps], [View.WHOLE])
    places_left = SamplePlaces()
    rows: list[int] = []
    start = 0
    for some in queries.split(contents) if keys else ():
        known = queries.find_featurized(connection, backbone.digest, some, keys)
        rows += [
            start + row
            for row, content in enumerate(some)
            if content in known and places_left.take(labels[start + row])
        ]
        start += len(some)
    if not rows:
        return None
    sampled = [contents[row] for row in rows]
    arrays = {place(tap.name, View.WHOLE): read_tap(connection, dataset, tap, sampled, view=View.WHOLE) for tap in taps}
    return ViewSample(View.WHOLE, np.array(rows, np.intp), arrays)


def _damaged(dataset: Any, tap: Tap, content: bytes) -> StoreCorruptError:
    return StoreCorruptError(
        f"The stored features of the image {content.hex()} at the tap {tap.name} are damaged; delete "
        f"the dataset `{dataset.name}` and add its images again."
    )


def check_featurized(connection: Connection, dataset: Any, backbone: Backbone, contents: Collection[bytes]) -> None:
    """Raise BackboneMismatchError unless all images, in order of arrival, have features of a dataset's backbone."""
    missing = set(contents) - queries.find_featurized(connection, backbone.digest, contents)
    if not missing:
        return
    other = connection.execute(
        sa.select(backbones.c.name, backbones.c.digest)
        .join(features)
        .where(features.c.content_sha256 == min(missing))
        .limit(1)
    ).one_or_none()
    actual = f"features of {other.name} ({other.digest})" if other else "no features"
    first = [content for content in contents if content in missing][:_NAMED]
    names = read_names(connection, dataset, first)
    named = ", ".join(f"`{names[content] or content.hex()[:12]}`" for content in first)
    raise BackboneMismatchError(
        f"{len(missing)} of the {len(contents)} examples of the dataset `{dataset.name}` have {actual}, but the "
        f"newest has features of {backbone.name} ({backbone.digest}); add these again: "
        f"{named}{' and others' if len(missing) > _NAMED else ''}.",
        expected=backbone.digest,
        actual=other.digest if other else "",
    )


def read_names(connection: Connection, dataset: Any, contents: Sequence[bytes]) -> dict[bytes, str]:
    """Return the names of images in a dataset, by sha256."""
    names: dict[bytes, str] = {}
    for some in queries.split(contents):
        query = sa.select(examples.c.content_sha256, examples.c.name).where(
            examples.c.dataset_id == dataset.id, examples.c.content_sha256.in_(some)
        )
        names.update((row.content_sha256, row.name) for row in connection.execute(query))
    return names


def read_hashes(connection: Connection, contents: Sequence[bytes]) -> list[bytes]:
    """Return the perceptual hashes of images, by sha256; empty for those that have none."""
    found: dict[bytes, bytes] = {}
    for some in queries.split(contents):
        query = sa.select(perceptual_hashes).where(perceptual_hashes.c.content_sha256.in_(some))
        found.update((row.content_sha256, row.hashes) for row in connection.execute(query))
    return [found.get(content, b"") for content in contents]


def read_labels(
    connection: Connection, dataset: Any, backbone: Backbone, after: int, limit: int
) -> list[FeaturizedLabel]:
    """Return labels of a dataset in order of arrival, those after the key `after`, at most `limit`."""
    owned = examples.c.dataset_id == dataset.id
    query = sa.select(examples).where(owned, examples.c.id > after).order_by(examples.c.id).limit(limit)
    rows = connection.execute(query).all()
    contents = sorted({row.content_sha256 for row in rows})
    fresh = queries.find_featurized(connection, backbone.digest, contents, backbone.tap_names)
    precisions: dict[bytes, str] = {}
    for some in queries.split(contents):
        told = sa.select(feature_precisions.c.content_sha256, feature_precisions.c.precision).where(
            feature_precisions.c.backbone_id == dataset.backbone_id, feature_precisions.c.content_sha256.in_(some)
        )
        precisions.update((row.content_sha256, row.precision) for row in connection.execute(told))
    before = connection.scalar(sa.select(backbones.c.precision).where(backbones.c.id == dataset.backbone_id)) or ""
    return [
        FeaturizedLabel(
            key=row.id,
            name=row.name,
            content_sha256=row.content_sha256,
            label=row.label,
            precision=precisions.get(row.content_sha256, before) if row.content_sha256 in fresh else "",
            stale=row.content_sha256 not in fresh,
        )
        for row in rows
    ]
