"""An index by which a page of a dataset's examples is found, however many there are."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the index."""
    op.create_index("examples_by_arrival", "examples", ["dataset_id", "id"])
