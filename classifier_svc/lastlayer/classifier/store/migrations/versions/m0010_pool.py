"""Images of datasets that wait for a label."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "pool",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("dataset_id", _KEY, sa.ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
        sa.Column("content_sha256", sa.LargeBinary(32), nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("dataset_id", "content_sha256"),
    )
    op.create_index("pool_by_arrival", "pool", ["dataset_id", "id"])
