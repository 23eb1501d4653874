"""What images look like, as hashes; images that were stored before have none."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "perceptual_hashes",
        sa.Column("content_sha256", sa.LargeBinary(32), primary_key=True),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
    )
