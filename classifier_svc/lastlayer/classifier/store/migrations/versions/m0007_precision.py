"""In which precision features were computed, which was a part of the backbone's digest before."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the column and the table."""
    op.add_column("backbones", sa.Column("precision", sa.Text))
    op.create_table(
        "feature_precisions",
        sa.Column("backbone_id", _KEY, sa.ForeignKey("backbones.id"), primary_key=True),
        sa.Column("content_sha256", sa.LargeBinary(32), primary_key=True, index=True),
        sa.Column("precision", sa.Text, nullable=False),
    )
