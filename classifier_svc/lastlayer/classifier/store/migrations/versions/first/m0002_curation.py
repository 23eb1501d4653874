"""What curation needs: small pictures of examples, and what versions made of their examples while held out."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table and the column."""
    op.create_table(
        "thumbnails",
        sa.Column("dataset_id", _KEY, sa.ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("content_sha256", sa.LargeBinary(32), primary_key=True),
        sa.Column("jpeg", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_thumbnails_content_sha256", "thumbnails", ["content_sha256"])
    op.add_column("versions", sa.Column("held_out", sa.LargeBinary))
