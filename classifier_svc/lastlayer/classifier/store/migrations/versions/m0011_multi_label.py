"""Whether the images of a dataset may have several labels, or none."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create the column; datasets of before have one label an image."""
    op.add_column("datasets", sa.Column("multi_label", sa.Boolean))
