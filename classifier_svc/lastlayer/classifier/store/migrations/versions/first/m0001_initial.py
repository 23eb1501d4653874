"""The first tables: backbones, datasets with examples and features, models with versions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "backbones",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("taps", sa.JSON, nullable=False),
    )
    op.create_table(
        "datasets",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("backbone_id", _KEY, sa.ForeignKey("backbones.id")),
        sa.Column("create_time", _MOMENT, nullable=False),
        sa.Column("update_time", _MOMENT, nullable=False),
    )
    op.create_table(
        "examples",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("dataset_id", _KEY, sa.ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
        sa.Column("content_sha256", sa.LargeBinary(32), nullable=False, index=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("dataset_id", "content_sha256", "label"),
    )
    op.create_table(
        "features",
        sa.Column("backbone_id", _KEY, sa.ForeignKey("backbones.id"), primary_key=True),
        sa.Column("content_sha256", sa.LargeBinary(32), primary_key=True),
        sa.Column("tap", sa.Text, primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("crc32", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "models",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("default_version", sa.Integer, nullable=False),
        sa.Column("last_version", sa.Integer, nullable=False),
        sa.Column("create_time", _MOMENT, nullable=False),
        sa.Column("update_time", _MOMENT, nullable=False),
    )
    op.create_table(
        "versions",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("model_id", _KEY, sa.ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("backbone_name", sa.Text, nullable=False),
        sa.Column("backbone_digest", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("create_time", _MOMENT, nullable=False),
        sa.Column("request_id", sa.Text, unique=True),
        sa.Column("request_sha256", sa.LargeBinary(32)),
        sa.UniqueConstraint("model_id", "version"),
        sqlite_autoincrement=True,
    )
