"""The labels of the images of a dataset: one for each, or in a multi-label dataset as many as they have."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lastlayer.classifier.domain.errors import DatasetNotTrainableError
from lastlayer.classifier.domain.label_sets import NO_LABEL, add_labels, drop_no_label
from lastlayer.classifier.domain.types import AddedExample, NewExample
from lastlayer.classifier.store import queries
from lastlayer.classifier.store.database import insert_plain
from lastlayer.classifier.store.schema import examples

_INSERTED: Final = ("dataset_id", "content_sha256", "label", "name")


def read_labels(
    connection: Connection, dataset_id: int, contents: Collection[bytes]
) -> tuple[dict[bytes, tuple[str, ...]], set[bytes]]:
    """Return the labels, in order of first appearance, of those images, by sha256, that are examples of a dataset; and
    those of them whose label a person chose.
    """
    labels: dict[bytes, tuple[str, ...]] = {}
    relabelled: set[bytes] = set()
    for some in queries.split(sorted(contents)):
        query = (
            sa.select(examples.c.content_sha256, examples.c.label, examples.c.relabelled)
            .where(examples.c.dataset_id == dataset_id, examples.c.content_sha256.in_(some))
            .order_by(queries.ARRIVAL)
        )
        for content, label, by_person in connection.execute(query):
            labels[content] = (*labels.get(content, ()), label)
            if by_person:
                relabelled.add(content)
    return labels, relabelled


def read_training_labels(
    connection: Connection, dataset: Any
) -> tuple[dict[bytes, str], Sequence[tuple[str, ...]] | None]:
    """Return the label of each image that training uses, by sha256, in order of arrival; `dataset` is a row.

    Of a multi-label dataset that is the first label, and all labels of each image come second.
    """
    if not dataset.multi_label:
        rows = connection.execute(queries.select_unambiguous(dataset.id)).all()
        return {row.content_sha256: row.label for row in rows}, None
    sets = queries.read_label_sets(connection, dataset.id)
    return {content: labels[0] if labels else NO_LABEL for content, labels in sets.items()}, [*sets.values()]


def nothing_trainable_error(connection: Connection, dataset: Any) -> DatasetNotTrainableError:
    """Return what is to be said of a dataset that had examples, and has none that training uses; `dataset` is a row."""
    name = dataset.name
    conflicts = queries.describe(connection, dataset).conflict_count
    if not conflicts:
        waiting = queries.count_pool(connection, dataset.id)
        return DatasetNotTrainableError(
            f"The dataset `{name}` has no examples, but {waiting} image{'s' * (waiting > 1)} without a label in its "
            f"pool: label some of them; `client next --dataset {name}` says which."
        )
    return DatasetNotTrainableError(
        f"All {conflicts} images of the dataset `{name}` have several labels, and such conflicts are not trained on; "
        f"see them with `client datasets show {name}`, and give each one label with `client relabel`."
    )


def add_examples(
    connection: Connection, dataset_id: int, new: Sequence[NewExample], featurized: Collection[bytes]
) -> list[AddedExample | None]:
    """Add those examples whose images are featurized, in their order; return what became of each.

    An image whose label a person chose gets no other one.
    """
    labels, relabelled = read_labels(connection, dataset_id, featurized)
    rows = []
    outcomes: list[AddedExample | None] = []
    for example in new:
        content, label = example.content_sha256, example.label
        if content not in featurized:
            outcomes.append(None)
            continue
        is_other = label not in labels.get(content, ())
        is_new = is_other and content not in relabelled
        if is_new:
            labels[content] = (*labels.get(content, ()), label)
            rows.append((dataset_id, content, label, example.name))
        outcomes.append(AddedExample(is_new, labels[content], is_other and not is_new))
    insert_plain(connection, sa.insert(examples), _INSERTED, rows)
    return outcomes


def add_label_sets(
    connection: Connection, dataset_id: int, new: Sequence[NewExample], featurized: Collection[bytes]
) -> list[AddedExample | None]:
    """Do as `add_examples` in a multi-label dataset.

    The labels of an image are what all examples with it say together, unless a person chose them.
    """
    stored, relabelled = read_labels(connection, dataset_id, featurized)
    before = dict(stored)
    names: dict[bytes, str] = {}
    outcomes: list[AddedExample | None] = []
    for example in new:
        content = example.content_sha256
        if content not in featurized:
            outcomes.append(None)
            continue
        had = stored.get(content, ())
        grown = add_labels(had, example.labels)
        held = content in relabelled and grown != had
        if not held and grown != had:
            stored[content] = grown
            names.setdefault(content, example.name)
        labels = drop_no_label(stored[content])
        outcomes.append(AddedExample(grown != had and not held, labels, held, multi_label=True))
    had_none = [content for content in names if before.get(content) == (NO_LABEL,)]
    for some in queries.split(had_none):
        mine = examples.c.dataset_id == dataset_id, examples.c.content_sha256.in_(some)
        connection.execute(sa.delete(examples).where(*mine))
    rows = [
        (dataset_id, content, label, name)
        for content, name in names.items()
        for label in stored[content]
        if label not in before.get(content, ())
    ]
    insert_plain(connection, sa.insert(examples), _INSERTED, rows)
    return outcomes
