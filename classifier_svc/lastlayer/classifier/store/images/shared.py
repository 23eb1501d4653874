"""Stores what all datasets share of images: features with their precision, what they look like, and small pictures."""

import zlib
from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lastlayer.classifier.domain.types import Backbone, NewExample
from lastlayer.classifier.domain.views import places
from lastlayer.classifier.store import queries
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.schema import (
    backbones,
    feature_precisions,
    features,
    perceptual_hashes,
    thumbnails,
)
from lastlayer.rpc.vectors import View, pack


def add_images(
    database: Database,
    connection: Connection,
    backbone: Backbone,
    new: Sequence[NewExample],
    views: Sequence[View],
) -> tuple[int, set[bytes]]:
    """Store what all datasets share of some images.

    Return the key of their backbone, and those of them, by sha256, that have features of all `views`.
    """
    queries.keep_features(database, connection, shared=True)
    backbone_id = _find_backbone(database, connection, backbone)
    _add_features(database, connection, backbone_id, new)
    taps = places(backbone.tap_names, views)
    brought = {example.content_sha256 for example in new if example.vectors and example.vectors.keys() >= set(taps)}
    others = {example.content_sha256 for example in new} - brought
    return backbone_id, brought | queries.find_featurized(connection, backbone.digest, others, taps)


def _add_features(database: Database, connection: Connection, backbone_id: int, new: Sequence[NewExample]) -> None:
    rows = []
    # In one order everywhere, so that transactions do not wait for each other crosswise.
    for example in sorted(new, key=lambda example: example.content_sha256):
        for tap, vector in (example.vectors or {}).items():
            packed = pack(vector)
            rows.append((backbone_id, example.content_sha256, tap, packed, zlib.crc32(packed)))
    database.insert_new_plain(connection, features, rows)
    hashed = {example.content_sha256: example.hashes for example in new if example.hashes}
    database.insert_new(
        connection,
        perceptual_hashes,
        [{"content_sha256": content, "hashes": hashed[content]} for content in sorted(hashed)],
    )
    precisions = {example.content_sha256: example.precision for example in new if example.vectors and example.precision}
    database.insert_new_plain(
        connection,
        feature_precisions,
        [(backbone_id, content, precision) for content, precision in sorted(precisions.items())],
    )


def add_thumbnails(
    database: Database,
    connection: Connection,
    dataset_id: int,
    offered: Sequence[NewExample],
    featurized: Collection[bytes],
) -> None:
    """Keep the thumbnails of images that are featurized, and take over those that other datasets have of them."""
    new = [example for example in offered if example.content_sha256 in featurized]
    pictures = {example.content_sha256: example.thumbnail for example in new if example.thumbnail}
    wanted = sorted({example.content_sha256 for example in new if example.takes_thumbnail} - pictures.keys())
    for some in queries.split(wanted):
        query = sa.select(thumbnails.c.content_sha256, thumbnails.c.jpeg)
        found = connection.execute(query.where(thumbnails.c.content_sha256.in_(some)))
        pictures.update((row.content_sha256, row.jpeg) for row in found)
    rows = [{"dataset_id": dataset_id, "content_sha256": content, "jpeg": jpeg} for content, jpeg in pictures.items()]
    database.insert_new(connection, thumbnails, rows)


def _find_backbone(database: Database, connection: Connection, backbone: Backbone) -> int:
    """Return the key of a backbone, which is stored if need be, with the taps that it has by now."""
    taps = [[tap.name, tap.class_scores, tap.dimension] for tap in backbone.taps]
    database.insert_new(connection, backbones, [{"digest": backbone.digest, "name": backbone.name, "taps": taps}])
    row = connection.execute(sa.select(backbones).where(backbones.c.digest == backbone.digest)).one()
    known = {name: rest for name, *rest in row.taps}
    if known.keys() < set(backbone.tap_names):
        grown = [[name, *known.get(name, [*rest, True])] for name, *rest in taps]
        connection.execute(sa.update(backbones).where(backbones.c.id == row.id).values(taps=grown))
    key: int = row.id
    return key
