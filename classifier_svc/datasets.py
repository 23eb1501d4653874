"""Keeps datasets: examples with their labels, and the features of their images, shared by all datasets."""

import datetime
import zlib
from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from classifier_svc.database import Database
from classifier_svc.records import AddedExample, Backbone, Dataset, NewExample, Tap, TrainingSet
from classifier_svc.schema import backbones, datasets, examples, features
from rpc.errors import BackboneMismatchError, DatasetNotTrainableError, ResourceNotFoundError, StoreCorruptError
from rpc.vectors import pack, unpack

_MANY: Final = 500
"""How many values one statement names; databases bound that."""


class DatasetStore:
    """The datasets of a database. Its methods block: they are for threads, not for the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def featurized(self, digest: str, contents: Collection[bytes]) -> set[bytes]:
        """Return those of the images, by sha256, whose features at all taps of a backbone are stored."""
        with self._database.reading() as connection:
            found: set[bytes] = set()
            for some in _chunks(sorted(contents)):
                query = (
                    sa.select(features.c.content_sha256)
                    .join(backbones)
                    .where(backbones.c.digest == digest, features.c.content_sha256.in_(some))
                    .distinct()  # all taps of an image are stored in one transaction
                )
                found.update(connection.scalars(query))
            return found

    def add(self, dataset: str, backbone: Backbone, new: Sequence[NewExample]) -> list[AddedExample]:
        """Store examples, all or none, and return what became of each; they are on disk when this returns."""
        with self._database.writing() as connection:
            now = datetime.datetime.now(datetime.UTC)
            backbone_id = self._backbone_id(connection, backbone)
            dataset_id = self._dataset_id(connection, dataset, now)
            outcomes = [self._add(connection, dataset_id, backbone_id, example) for example in new]
            if new:
                values = {"backbone_id": backbone_id, "update_time": now}
                connection.execute(sa.update(datasets).where(datasets.c.id == dataset_id).values(values))
            return outcomes

    def _add(self, connection: Connection, dataset_id: int, backbone_id: int, example: NewExample) -> AddedExample:
        if example.vectors is not None:
            rows = []
            for tap, vector in example.vectors.items():
                packed = pack(vector)
                row = {"backbone_id": backbone_id, "content_sha256": example.content_sha256, "tap": tap}
                rows.append({**row, "vector": packed, "crc32": zlib.crc32(packed)})
            connection.execute(self._insert(features).on_conflict_do_nothing(), rows)
        values = {"dataset_id": dataset_id, "content_sha256": example.content_sha256, "label": example.label}
        inserted = connection.execute(
            self._insert(examples).values(**values, name=example.name).on_conflict_do_nothing()
        )
        query = (
            sa.select(examples.c.label)
            .where(examples.c.dataset_id == dataset_id, examples.c.content_sha256 == example.content_sha256)
            .order_by(examples.c.id)
        )
        return AddedExample(inserted.rowcount == 1, tuple(connection.scalars(query)))

    def _insert(self, table: sa.Table) -> Any:
        return (postgresql if self._database.dialect == "postgresql" else sqlite).insert(table)

    def _backbone_id(self, connection: Connection, backbone: Backbone) -> int:
        taps = [[tap.name, tap.class_scores, tap.dimension] for tap in backbone.taps]
        values = {"digest": backbone.digest, "name": backbone.name, "taps": taps}
        connection.execute(self._insert(backbones).values(values).on_conflict_do_nothing())
        key: int = connection.scalars(sa.select(backbones.c.id).where(backbones.c.digest == backbone.digest)).one()
        return key

    def _dataset_id(self, connection: Connection, name: str, now: datetime.datetime) -> int:
        values = {"name": name, "create_time": now, "update_time": now}
        connection.execute(self._insert(datasets).values(values).on_conflict_do_nothing())
        key: int = connection.scalars(sa.select(datasets.c.id).where(datasets.c.name == name)).one()
        return key

    def get(self, name: str) -> Dataset:
        """Return a dataset; raises ResourceNotFoundError."""
        with self._database.reading() as connection:
            return self._describe(connection, self._find(connection, name))

    def page(self, after: str, limit: int) -> list[Dataset]:
        """Return the datasets by name, those after the name `after`, at most `limit`."""
        query = sa.select(datasets).where(datasets.c.name > after).order_by(datasets.c.name).limit(limit)
        with self._database.reading() as connection:
            return [self._describe(connection, row) for row in connection.execute(query).all()]

    def delete(self, name: str) -> None:
        """Delete a dataset, and the features that only it refers to; raises ResourceNotFoundError."""
        with self._database.writing() as connection:
            key = self._find(connection, name).id
            mine = sa.select(examples.c.content_sha256).where(examples.c.dataset_id == key)
            others = sa.select(examples.c.content_sha256).where(examples.c.dataset_id != key)
            orphans = features.c.content_sha256.in_(mine), features.c.content_sha256.not_in(others)
            connection.execute(sa.delete(features).where(*orphans))
            connection.execute(sa.delete(datasets).where(datasets.c.id == key))

    def training_set(self, name: str) -> TrainingSet:
        """Return what training uses of a dataset: the images with exactly one label, in order of arrival.

        Raises ResourceNotFoundError, DatasetNotTrainableError where there is nothing, BackboneMismatchError where
        images were featurized by another backbone than the newest ones, or StoreCorruptError.
        """
        with self._database.reading() as connection:
            dataset = self._find(connection, name)
            if dataset.backbone_id is None:
                raise DatasetNotTrainableError(f"The dataset `{name}` has no examples.")
            backbone = self._backbone(connection, dataset.backbone_id)
            labelled = connection.execute(self._unambiguous(dataset.id)).all()
            positions = {row.content_sha256: position for position, row in enumerate(labelled)}
            arrays = {}
            for tap in backbone.taps:
                arrays[tap.name], count = self._read_tap(connection, dataset, tap, positions)
                if count < len(positions):
                    raise BackboneMismatchError(
                        f"{len(positions) - count} of the {len(positions)} examples of the dataset `{name}` have no "
                        f"features of {backbone.name} ({backbone.digest}), which the newest have: add them again.",
                        expected=backbone.digest,
                        actual="",
                    )
            return TrainingSet(backbone, [row.label for row in labelled], arrays)

    @staticmethod
    def _read_tap(
        connection: Connection, dataset: Any, tap: Tap, positions: dict[bytes, int]
    ) -> tuple[np.ndarray[Any, np.dtype[np.float32]], int]:
        """Return the features of one tap, float32 [n, d], by position, and how many were found."""
        array = np.empty((len(positions), tap.dimension), np.float32)
        wanted = sa.select(examples.c.content_sha256).where(examples.c.dataset_id == dataset.id)
        query = sa.select(features.c.content_sha256, features.c.vector, features.c.crc32).where(
            features.c.backbone_id == dataset.backbone_id,
            features.c.tap == tap.name,
            features.c.content_sha256.in_(wanted),
        )
        count = 0
        for content, vector, crc32 in connection.execution_options(yield_per=1000).execute(query):
            if len(vector) != 4 * tap.dimension or zlib.crc32(vector) != crc32:
                raise StoreCorruptError(
                    f"The stored features of the image {content.hex()} at the tap {tap.name} are damaged; delete the "
                    f"dataset `{dataset.name}` and add its images again."
                )
            if (position := positions.get(content)) is not None:
                array[position] = unpack(vector)
                count += 1
        return array, count

    @staticmethod
    def _unambiguous(dataset_id: int) -> sa.Select[Any]:
        return (
            sa.select(
                examples.c.content_sha256,
                sa.func.min(examples.c.label).label("label"),
                sa.func.min(examples.c.id).label("first"),
            )
            .where(examples.c.dataset_id == dataset_id)
            .group_by(examples.c.content_sha256)
            .having(sa.func.count() == 1)
            .order_by("first")
        )

    def _find(self, connection: Connection, name: str) -> Any:
        row = connection.execute(sa.select(datasets).where(datasets.c.name == name)).one_or_none()
        if row is None:
            names = connection.scalars(sa.select(datasets.c.name).order_by(datasets.c.name).limit(5)).all()
            raise ResourceNotFoundError("dataset", name, f"There are: {', '.join(names)}." if names else "")
        return row

    @staticmethod
    def _backbone(connection: Connection, key: int) -> Backbone:
        row = connection.execute(sa.select(backbones).where(backbones.c.id == key)).one()
        return Backbone(row.name, row.digest, tuple(Tap(*tap) for tap in row.taps))

    def _describe(self, connection: Connection, row: Any) -> Dataset:
        single = self._unambiguous(row.id).subquery()
        counts = connection.execute(
            sa.select(single.c.label, sa.func.count()).group_by(single.c.label).order_by(sa.func.min(single.c.first))
        ).all()
        images = connection.scalar(
            sa.select(sa.func.count(examples.c.content_sha256.distinct())).where(examples.c.dataset_id == row.id)
        )
        class_counts = {row[0]: row[1] for row in counts}
        return Dataset(
            name=row.name,
            backbone=self._backbone(connection, row.backbone_id) if row.backbone_id is not None else None,
            class_counts=class_counts,
            conflict_count=(images or 0) - sum(class_counts.values()),
            create_time=row.create_time,
            update_time=row.update_time,
        )


def _chunks(values: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [values[start : start + _MANY] for start in range(0, len(values), _MANY)]
