"""Keeps the examples of datasets in order: lists, relabels and removes them, and those of their pools."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lastlayer.classifier.domain.label_sets import NO_LABEL, drop_no_label
from lastlayer.classifier.domain.types import Dataset, StoredExample
from lastlayer.classifier.store import queries
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.images import pool
from lastlayer.classifier.store.schema import datasets, examples, features, thumbnails
from lastlayer.classifier.store.schema import pool as pool_table
from lastlayer.rpc.errors import InvalidFieldError, ResourceNotFoundError

LEAST_PREFIX_BYTES: Final = 4


@dataclass(frozen=True)
class Selector:
    """Names an example: by the first bytes of its sha256, or by its name."""

    prefix: bytes = b""
    name: str = ""


@dataclass(frozen=True)
class Filter:
    """Which examples are meant; all where nothing is set."""

    label: str = ""
    conflicts_only: bool = False
    stale_only: bool = False


class ExampleStore:
    """The examples of a database. Its methods block: they are for threads, not for the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, dataset: str, wanted: Filter, *, after: int, limit: int, with_thumbnails: bool
    ) -> list[StoredExample]:
        """Return examples in order of arrival, those after the key `after`, at most `limit`; raises
        ResourceNotFoundError.
        """
        with self._database.reading() as connection:
            owner = queries.find(connection, dataset)
            # Each image once, by its first label; the index by arrival leads to the page, however many there are.
            images = (
                sa.select(examples.c.content_sha256)
                .where(examples.c.dataset_id == owner.id, examples.c.id > after, ~_has_another(earlier=True))
                .order_by(examples.c.id)
                .limit(limit)
            )
            if wanted.label:
                labelled = sa.select(examples.c.content_sha256).where(
                    examples.c.dataset_id == owner.id, examples.c.label == wanted.label
                )
                images = images.where(examples.c.content_sha256.in_(labelled))
            if wanted.conflicts_only:
                images = images.where(_has_another(earlier=False) if not owner.multi_label else sa.false())
            if wanted.stale_only:
                images = images.where(~queries.is_fresh(owner.backbone_id))
            found = connection.execute(images).all()
            return self._read(connection, owner, [row.content_sha256 for row in found], with_thumbnails)

    def get(
        self, dataset: str, contents: Sequence[bytes], *, with_thumbnails: bool, with_pool: bool = False
    ) -> dict[bytes, StoredExample]:
        """Return those of the images, by sha256, that a dataset has, with those of its pool or without.

        There are none where there is no such dataset.
        """
        with self._database.reading() as connection:
            owner = connection.execute(sa.select(datasets).where(datasets.c.name == dataset)).one_or_none()
            if owner is None:
                return {}
            found = self._read(connection, owner, contents, with_thumbnails)
            if with_pool:
                found += pool.read(connection, owner, contents, with_thumbnails=with_thumbnails)
            return {example.content_sha256: example for example in found}

    def find(self, dataset: str, selector: Selector, field: str) -> bytes:
        """Return the sha256 of the image, of a dataset or its pool, that `field` of a request names.

        Raises ResourceNotFoundError or InvalidFieldError.
        """
        with self._database.reading() as connection:
            owner = queries.find(connection, dataset)
            [content] = self._select(connection, owner, [selector], field, numbered=False)
            return content

    def select(self, dataset: str, selectors: Sequence[Selector], *, with_thumbnails: bool) -> list[StoredExample]:
        """Return those of some images that a dataset or its pool has: examples in order of arrival, then those of the
        pool. Raises ResourceNotFoundError where there is no such dataset, or InvalidFieldError.
        """
        with self._database.reading() as connection:
            owner = queries.find(connection, dataset)
            contents = self._select(connection, owner, selectors, "selected", all_must_be_there=False)
            return [
                *self._read(connection, owner, contents, with_thumbnails),
                *pool.read(connection, owner, contents, with_thumbnails=with_thumbnails),
            ]

    def relabel(self, dataset: str, selectors: Sequence[Selector], labels: Sequence[str]) -> tuple[int, Dataset]:
        """Give examples some labels in place of all that they have, all or none; return how many changed, and the
        dataset. Images of the pool become examples.

        One label, or in a multi-label dataset any number. The labels hold: no other one is added to them. An example
        stays where it is in the order of arrival. Raises ResourceNotFoundError or InvalidFieldError.
        """
        with self._database.writing() as connection:
            owner = queries.find(connection, dataset, lock=True)
            _check_labels(owner, labels)
            label, *others = dict.fromkeys(labels) or (NO_LABEL,)
            contents = self._select(connection, owner, selectors)
            waiting = pool.take_out(connection, owner.id, contents)
            chosen = {"label": label, "relabelled": True}
            # In the order of the request, which is that in which classes appear.
            new = [
                {"dataset_id": owner.id, "content_sha256": content, "name": waiting[content], **chosen, "label": each}
                for content in contents
                if content in waiting
                for each in (label, *others)
            ]
            if new:
                connection.execute(sa.insert(examples), new)
            changed = len(waiting)
            for content in contents:
                if content in waiting:
                    continue
                of_image = examples.c.dataset_id == owner.id, examples.c.content_sha256 == content
                rows = connection.execute(sa.select(examples).where(*of_image).order_by(queries.ARRIVAL)).all()
                if {row.label for row in rows} == {label, *others}:
                    connection.execute(sa.update(examples).where(*of_image).values(relabelled=True))
                    continue
                changed += 1
                connection.execute(sa.delete(examples).where(*of_image, examples.c.id != rows[0].id))
                connection.execute(sa.update(examples).where(examples.c.id == rows[0].id).values(chosen))
                same = {"dataset_id": owner.id, "content_sha256": content, "name": rows[0].name, "relabelled": True}
                if others:
                    connection.execute(sa.insert(examples), [{**same, "label": other} for other in others])
            return changed, self._touched(connection, owner, changed)

    def return_to_pool(self, dataset: str, selectors: Sequence[Selector]) -> tuple[int, Dataset]:
        """Take the labels of examples away and put their images into the pool, all or none; return how many were no
        images of the pool before, and the dataset. Raises ResourceNotFoundError or InvalidFieldError.
        """
        with self._database.writing() as connection:
            owner = queries.find(connection, dataset, lock=True)
            contents = self._select(connection, owner, selectors)
            found = self._read(connection, owner, contents, with_thumbnails=False)
            now = datetime.datetime.now(datetime.UTC)
            for example in found:
                of_image = examples.c.dataset_id == owner.id, examples.c.content_sha256 == example.content_sha256
                connection.execute(sa.delete(examples).where(*of_image))
                pool.put(connection, owner.id, example.content_sha256, example.name, now)
            return len(found), self._touched(connection, owner, len(found))

    def remove(self, dataset: str, selectors: Sequence[Selector]) -> tuple[int, Dataset]:
        """Remove examples and images of the pool, all or none, with the features that no other dataset refers to.

        Return how many, and the dataset. Raises ResourceNotFoundError or InvalidFieldError.
        """
        with self._database.deleting() as connection:
            queries.keep_features(self._database, connection, shared=False)
            owner = queries.find(connection, dataset, lock=True)
            contents = self._select(connection, owner, selectors)
            queries.drop_images(connection, owner.id, contents)
            self._choose_backbone(connection, owner)
            return len(contents), self._touched(connection, owner, len(contents))

    @staticmethod
    def _choose_backbone(connection: Connection, owner: Any) -> None:
        """Make the newest example's backbone the dataset's where no example has features of the dataset's any more.

        Where there are no examples, do so with the images of the pool.
        """
        table = examples if queries.has_examples(connection, owner.id) else pool_table
        mine = sa.select(table.c.content_sha256).where(table.c.dataset_id == owner.id)
        if connection.scalars(mine.where(queries.is_fresh(owner.backbone_id, table)).limit(1)).first() is not None:
            return
        newest = mine.order_by(table.c.id.desc()).limit(1).scalar_subquery()
        chosen = sa.select(sa.func.max(features.c.backbone_id)).where(features.c.content_sha256 == newest)
        connection.execute(
            sa.update(datasets).where(datasets.c.id == owner.id).values(backbone_id=chosen.scalar_subquery())
        )

    @staticmethod
    def _read(
        connection: Connection, owner: Any, contents: Sequence[bytes], with_thumbnails: bool
    ) -> list[StoredExample]:
        """Return some examples, in order of arrival."""
        rows: dict[bytes, list[Any]] = {}
        pictures: dict[bytes, bytes] = {}
        for some in queries.split(contents):
            query = (
                sa.select(examples, queries.is_fresh(owner.backbone_id).label("fresh"))
                .where(examples.c.dataset_id == owner.id, examples.c.content_sha256.in_(some))
                .order_by(queries.ARRIVAL)
            )
            for row in connection.execute(query):
                rows.setdefault(row.content_sha256, []).append(row)
            if with_thumbnails:
                kept = sa.select(thumbnails.c.content_sha256, thumbnails.c.jpeg).where(
                    thumbnails.c.dataset_id == owner.id, thumbnails.c.content_sha256.in_(some)
                )
                pictures.update((row.content_sha256, row.jpeg) for row in connection.execute(kept))
        found = [
            StoredExample(
                key=labelled[0].id,
                name=labelled[0].name,
                content_sha256=content,
                labels=drop_no_label(row.label for row in labelled),
                stale=not labelled[0].fresh,
                thumbnail=pictures.get(content, b""),
            )
            for content, labelled in rows.items()
        ]
        return sorted(found, key=lambda example: example.key)

    @staticmethod
    def _select(
        connection: Connection,
        owner: Any,
        selectors: Sequence[Selector],
        field: str = "examples",
        *,
        numbered: bool = True,
        all_must_be_there: bool = True,
    ) -> list[bytes]:
        """Return the images that are meant, by sha256, each once, of the dataset or its pool.

        `field` is that of the request; where it is not `numbered`, it has a single selector.
        """
        named = _named(connection, owner, sorted({selector.name for selector in selectors if not selector.prefix}))
        found: dict[bytes, None] = {}
        for index, selector in enumerate(selectors):
            if selector.prefix:
                matches, said = _beginning(connection, owner, selector.prefix), selector.prefix.hex()
            else:
                matches, said = named.get(selector.name, set()), selector.name
            place = f"{field}[{index}]" if numbered else field
            if not matches and all_must_be_there:
                hint = f"The dataset `{owner.name}` has none that `{place}` of the request names."
                raise ResourceNotFoundError("example", said, hint)
            if len(matches) > 1:
                raise InvalidFieldError(
                    place,
                    f"`{said}` names several examples of the dataset `{owner.name}`; give more of the sha256.",
                )
            found.update(dict.fromkeys(matches))
        return list(found)

    @staticmethod
    def _touched(connection: Connection, owner: Any, changed: int) -> Dataset:
        if changed:
            now = datetime.datetime.now(datetime.UTC)
            connection.execute(sa.update(datasets).where(datasets.c.id == owner.id).values(update_time=now))
        return queries.describe(connection, queries.find(connection, owner.name))


def _check_labels(owner: Any, labels: Sequence[str]) -> None:
    """Raise InvalidFieldError where an image of a dataset cannot have these labels."""
    if owner.multi_label or len(labels) == 1:
        return
    if not labels:
        raise InvalidFieldError("label", "The label has 0 characters; 1 to 256 are accepted.")
    raise InvalidFieldError(
        "labels", f"The dataset `{owner.name}` has one label for each image; give one, not {len(labels)}."
    )


def _named(connection: Connection, owner: Any, names: Sequence[str]) -> dict[str, set[bytes]]:
    """Return the images, by sha256, that have one of some names, by name; all in few statements, as none has an index
    for names.
    """
    found: dict[str, set[bytes]] = {}
    for some in queries.split(names):
        for table in (examples, pool_table):
            query = sa.select(table.c.name, table.c.content_sha256).where(
                table.c.dataset_id == owner.id, table.c.name.in_(some)
            )
            for row in connection.execute(query):
                found.setdefault(row.name, set()).add(bytes(row.content_sha256))
    return found


def _beginning(connection: Connection, owner: Any, prefix: bytes) -> set[bytes]:
    """Return the images whose sha256 begins with some bytes, two or more where it is not clear which is meant."""
    found: set[bytes] = set()
    for table in (examples, pool_table):
        query = (
            sa.select(table.c.content_sha256)
            .where(table.c.dataset_id == owner.id, table.c.content_sha256 >= prefix)
            .distinct()
            .limit(2)
        )
        if any(byte != 0xFF for byte in prefix):
            query = query.where(table.c.content_sha256 < _after(prefix))
        found.update(map(bytes, connection.scalars(query)))
    return found


def _after(prefix: bytes) -> bytes:
    """Return the least bytes that come after all that begin with a prefix."""
    number = int.from_bytes(prefix, "big") + 1
    return number.to_bytes(len(prefix), "big")


def _has_another(*, earlier: bool) -> sa.ColumnElement[bool]:
    """Return whether an image has another label in the same dataset, which came earlier or later."""
    others = examples.alias()
    key = others.c.id + 0  # see `queries.ARRIVAL`
    came = key < examples.c.id if earlier else key > examples.c.id
    same = (others.c.dataset_id == examples.c.dataset_id, others.c.content_sha256 == examples.c.content_sha256)
    return sa.exists().where(*same, came)
