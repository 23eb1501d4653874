"""What versions keep of their training images to tell drift: none of earlier releases."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Create the column."""
    op.add_column("versions", sa.Column("drift_reference", sa.LargeBinary))
