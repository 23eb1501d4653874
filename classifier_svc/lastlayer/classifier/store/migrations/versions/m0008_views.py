"""Of which views of its images a dataset has features: none where nobody has said."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the column."""
    op.add_column("datasets", sa.Column("views", sa.Text))
