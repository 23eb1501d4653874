"""Labels in Unicode's composed form: those that look the same become one class."""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_EXAMPLES = sa.table(
    "examples",
    sa.column("id", sa.BigInteger),
    sa.column("dataset_id", sa.BigInteger),
    sa.column("content_sha256", sa.LargeBinary),
    sa.column("label", sa.Text),
)


def upgrade() -> None:
    """Normalise the labels; an image that then has one label twice keeps the one that came first."""
    connection = op.get_bind()
    labels = connection.scalars(sa.select(_EXAMPLES.c.label).distinct()).all()
    for label in labels:
        normal = unicodedata.normalize("NFC", label)
        if normal == label:
            continue
        mine, other = _EXAMPLES.alias(), _EXAMPLES.alias()
        same_image = sa.and_(mine.c.dataset_id == other.c.dataset_id, mine.c.content_sha256 == other.c.content_sha256)
        doubled = connection.execute(
            sa.select(mine.c.id, other.c.id.label("other")).where(
                same_image, mine.c.label == label, other.c.label == normal
            )
        ).all()
        for row in doubled:
            connection.execute(sa.delete(_EXAMPLES).where(_EXAMPLES.c.id == max(row.id, row.other)))
        connection.execute(sa.update(_EXAMPLES).where(_EXAMPLES.c.label == label).values(label=normal))
