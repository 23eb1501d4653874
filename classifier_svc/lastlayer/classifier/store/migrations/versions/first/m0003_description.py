"""What is known of a version, as its message; versions of before keep what they have in `facts`."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the column."""
    op.add_column("versions", sa.Column("description", sa.LargeBinary))
