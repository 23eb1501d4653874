"""Puts together what earlier releases stored under a digest of its own for each precision.

The store cannot tell by itself which digests are of one backbone: the featurizer that serves it can, as it computes
them.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lastlayer.classifier.domain.types import Backbone
from lastlayer.classifier.store.schema import backbones, datasets, feature_precisions, features, versions

_PRECISION_BEFORE: Final = "float32"
"""What a digest of the earlier releases without a precision stood for."""


def is_needed(connection: Connection, backbone: Backbone) -> bool:
    """Return whether something is stored that `adopt` would change."""
    former = backbones.c.digest.in_(backbone.former_digests)
    unknown = sa.and_(backbones.c.digest == backbone.digest, backbones.c.precision.is_(None))
    return connection.scalars(sa.select(backbones.c.id).where(former | unknown)).first() is not None


def adopt(connection: Connection, backbone: Backbone) -> None:
    """Make what is stored under the former digests of a backbone its own: features, datasets and versions.

    An image that has features under several digests keeps those of the backbone's own.
    """
    for former, precision in [(backbone.digest, _PRECISION_BEFORE), *sorted(backbone.former_digests.items())]:
        row = connection.execute(sa.select(backbones).where(backbones.c.digest == former)).one_or_none()
        if row is None:
            continue
        if row.precision is None:
            unknown = sa.update(backbones).where(backbones.c.id == row.id)
            connection.execute(unknown.values(precision=precision))
        if former == backbone.digest:
            continue
        own = connection.scalar(sa.select(backbones.c.id).where(backbones.c.digest == backbone.digest))
        if own is None:
            connection.execute(sa.update(backbones).where(backbones.c.id == row.id).values(digest=backbone.digest))
        else:
            _merge(connection, row.id, own, row.precision or precision)
        of_former = sa.update(versions).where(versions.c.backbone_digest == former)
        connection.execute(of_former.values(backbone_digest=backbone.digest))


def _merge(connection: Connection, former: int, own: int, precision: str) -> None:
    """Make the features and datasets of one backbone those of another, and delete it.

    `precision` is that of its features that have none recorded.
    """
    taken = sa.select(features.c.content_sha256).where(features.c.backbone_id == own)
    for table in (feature_precisions, features):
        mine = table.c.backbone_id == former
        connection.execute(sa.delete(table).where(mine, table.c.content_sha256.in_(taken)))
    told = sa.select(feature_precisions.c.content_sha256).where(feature_precisions.c.backbone_id == former)
    untold = (
        sa.select(sa.literal(former), features.c.content_sha256, sa.literal(precision))
        .distinct()
        .where(features.c.backbone_id == former, features.c.content_sha256.not_in(told))
    )
    names = [column.name for column in feature_precisions.columns]
    connection.execute(sa.insert(feature_precisions).from_select(names, untold))
    for table in (feature_precisions, features, datasets):
        connection.execute(sa.update(table).where(table.c.backbone_id == former).values(backbone_id=own))
    connection.execute(sa.delete(backbones).where(backbones.c.id == former))
