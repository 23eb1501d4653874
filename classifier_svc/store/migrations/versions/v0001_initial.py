"""The first schema: datasets, features and models."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NAME = sa.String(63).with_variant(sa.String(63, collation="C"), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "backbones",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
    )
    op.create_table(
        "taps",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("backbone_id", _KEY, sa.ForeignKey("backbones.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("dimension", sa.Integer, nullable=False),
        sa.UniqueConstraint("backbone_id", "name"),
    )
    op.create_table(
        "images",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False, unique=True),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "features",
        sa.Column("image_id", _KEY, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("tap_id", _KEY, sa.ForeignKey("taps.id"), primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("crc32", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "datasets",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("name", _NAME, nullable=False, unique=True),
        sa.Column("backbone_id", _KEY, sa.ForeignKey("backbones.id"), nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("update_time", _TIME, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "examples",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("dataset_id", _KEY, sa.ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
        sa.Column("image_id", _KEY, sa.ForeignKey("images.id"), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("name", sa.LargeBinary, nullable=False),
        sa.Column("conflict", sa.Boolean, nullable=False),
        sa.UniqueConstraint("dataset_id", "image_id", "label"),
        sqlite_autoincrement=True,
    )
    op.create_index("examples_image_id", "examples", ["image_id"])
    op.create_table(
        "models",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("name", _NAME, nullable=False, unique=True),
        sa.Column("default_version", sa.Integer, nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("update_time", _TIME, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "model_numbers",
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("last_version", sa.Integer, nullable=False),
    )
    op.create_table(
        "versions",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("model_id", _KEY, sa.ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("request_id", sa.LargeBinary(128), nullable=True, unique=True),
        sa.Column("request_sha256", sa.LargeBinary(32), nullable=True),
        sa.UniqueConstraint("model_id", "number"),
        sqlite_autoincrement=True,
    )
