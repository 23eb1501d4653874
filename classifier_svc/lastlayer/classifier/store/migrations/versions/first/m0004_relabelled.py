"""Whether a person chose an example's label, so that adding the image again does not bring another one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the column."""
    op.add_column("examples", sa.Column("relabelled", sa.Boolean))
