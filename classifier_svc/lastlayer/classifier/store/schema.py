"""The tables of the store. A change needs a migration in `store/migrations/versions`."""

import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData()

# SQLite numbers rows by itself only where the type is INTEGER.
_Key = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime.datetime]):
    """A moment in UTC; SQLite stores no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:  # noqa: ARG002
        """Store the moment in UTC."""
        return value.astimezone(datetime.UTC) if value is not None else None

    def process_result_value(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:  # noqa: ARG002
        """Read what was stored as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)


backbones = Table(
    "backbones",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("taps", JSON, nullable=False),
    # Of the features that `feature_precisions` does not tell of; none where that is not known.
    Column("precision", Text),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("backbone_id", _Key, ForeignKey("backbones.id")),
    Column("create_time", UtcDateTime, nullable=False),
    Column("update_time", UtcDateTime, nullable=False),
    # The labels of the views of which features are stored, such as `crop,whole`; none where nobody has said: the crop.
    Column("views", Text),
    Column("multi_label", Boolean),  # whether an image may have several labels, or none; none from before: it may not
)

examples = Table(
    "examples",
    metadata,
    Column("id", _Key, primary_key=True),  # the order of arrival
    Column("dataset_id", _Key, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("content_sha256", LargeBinary(32), nullable=False, index=True),
    Column("label", Text, nullable=False),  # empty in a multi-label dataset where an image has none of its labels
    Column("name", Text, nullable=False),
    Column("relabelled", Boolean),  # whether a person chose the label, which then holds; none from before it was known
    UniqueConstraint("dataset_id", "content_sha256", "label"),
    Index("examples_by_arrival", "dataset_id", "id"),
)

# Images that wait for a label. None is an example of the same dataset.
pool = Table(
    "pool",
    metadata,
    Column("id", _Key, primary_key=True),  # the order of arrival
    Column("dataset_id", _Key, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("content_sha256", LargeBinary(32), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),  # see `domain.types.PoolSource`
    Column("create_time", UtcDateTime, nullable=False),
    UniqueConstraint("dataset_id", "content_sha256"),
    Index("pool_by_arrival", "dataset_id", "id"),
)

features = Table(
    "features",
    metadata,
    Column("backbone_id", _Key, ForeignKey("backbones.id"), primary_key=True),
    Column("content_sha256", LargeBinary(32), primary_key=True),
    Column("tap", Text, primary_key=True),  # and the view, see `rpc.vectors.place`
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
    Column("crc32", BigInteger, nullable=False),  # of the vector's bytes
)

perceptual_hashes = Table(
    "perceptual_hashes",
    metadata,
    Column("content_sha256", LargeBinary(32), primary_key=True),
    Column("hashes", LargeBinary, nullable=False),  # none of images that an earlier release stored, or plain ones
)

# Beside `features`, and not in it: to count precisions its vectors would all have to be read.
feature_precisions = Table(
    "feature_precisions",
    metadata,
    Column("backbone_id", _Key, ForeignKey("backbones.id"), primary_key=True),
    Column("content_sha256", LargeBinary(32), primary_key=True, index=True),
    Column("precision", Text, nullable=False),
)

thumbnails = Table(
    "thumbnails",
    metadata,
    Column("dataset_id", _Key, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("content_sha256", LargeBinary(32), primary_key=True, index=True),
    Column("jpeg", LargeBinary, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("default_version", Integer, nullable=False),
    Column("last_version", Integer, nullable=False),  # numbers of deleted versions are not given again
    Column("create_time", UtcDateTime, nullable=False),
    Column("update_time", UtcDateTime, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("model_id", _Key, ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("backbone_name", Text, nullable=False),
    Column("backbone_digest", Text, nullable=False),
    Column("facts", JSON, nullable=False),  # all that was known in the first releases; by now its classes
    Column("head", LargeBinary, nullable=False),
    Column("create_time", UtcDateTime, nullable=False),
    Column("request_id", Text, unique=True),
    Column("request_sha256", LargeBinary(32)),
    Column("held_out", LargeBinary),  # see `evaluation.out_of_fold`; none where nothing was validated
    Column("drift_reference", LargeBinary),  # see `domain.drift.reference`; none from earlier releases
    Column("description", LargeBinary),  # a serialized lastlayer.v1.ModelVersion; none from the first releases
    UniqueConstraint("model_id", "version"),
    # Without it SQLite may give the key of a deleted row to a new one.
    sqlite_autoincrement=True,
)
