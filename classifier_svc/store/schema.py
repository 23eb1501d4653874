"""The tables, as the newest migration leaves them."""

import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class UtcTime(TypeDecorator[datetime.datetime]):
    """A moment, kept in UTC whether the database knows time zones or not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        """Turn a moment of any time zone to UTC."""
        del dialect
        return None if value is None else value.astimezone(datetime.UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime.datetime | None:
        """Say that it is UTC."""
        del dialect
        if value is None:
            return None
        moment: datetime.datetime = value
        return moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)


# SQLite numbers rows by itself in INTEGER columns alone.
Key = BigInteger().with_variant(Integer(), "sqlite")

# Names are ordered by their code points everywhere: by the same order pages are turned.
Name = String(63).with_variant(String(63, collation="C"), "postgresql")

metadata = MetaData()

backbones = Table(
    "backbones",
    metadata,
    Column("id", Key, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
)

taps = Table(
    "taps",
    metadata,
    Column("id", Key, primary_key=True),
    Column("backbone_id", ForeignKey("backbones.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("dimension", Integer, nullable=False),
    UniqueConstraint("backbone_id", "name"),
)

# One row an image, however many datasets have it: its features are shared.
images = Table(
    "images",
    metadata,
    Column("id", Key, primary_key=True),
    Column("sha256", LargeBinary(32), nullable=False, unique=True),
    sqlite_autoincrement=True,
)

features = Table(
    "features",
    metadata,
    Column("image_id", ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("tap_id", ForeignKey("taps.id"), primary_key=True),
    # float32, little-endian, without padding, and the CRC-32 of that.
    Column("vector", LargeBinary, nullable=False),
    Column("crc32", BigInteger, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("backbone_id", ForeignKey("backbones.id"), nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
    sqlite_autoincrement=True,
)

examples = Table(
    "examples",
    metadata,
    # In the order of arrival.
    Column("id", Key, primary_key=True),
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("image_id", ForeignKey("images.id"), nullable=False),
    Column("label", Text, nullable=False),
    # UTF-8; as bytes, as PostgreSQL's text takes no NUL.
    Column("name", LargeBinary, nullable=False),
    # Whether the image has several labels in this dataset.
    Column("conflict", Boolean, nullable=False),
    UniqueConstraint("dataset_id", "image_id", "label"),
    Index("examples_image_id", "image_id"),
    sqlite_autoincrement=True,
)

models = Table(
    "models",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("default_version", Integer, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
    sqlite_autoincrement=True,
)

# Outlives the model, so that a version's number means the same head for ever.
model_numbers = Table(
    "model_numbers",
    metadata,
    Column("name", Name, primary_key=True),
    Column("last_version", Integer, nullable=False),
)

versions = Table(
    "versions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("model_id", ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("head", LargeBinary, nullable=False),
    # Everything else that is known of it, as JSON (see `records`).
    Column("details", Text, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("request_id", LargeBinary(128), nullable=True, unique=True),
    Column("request_sha256", LargeBinary(32), nullable=True),
    UniqueConstraint("model_id", "number"),
    sqlite_autoincrement=True,
)
