"""Keeps models: names with immutable, numbered versions, one of which is the default."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from lastlayer.classifier.domain.errors import RequestIdReusedError, VersionInUseError
from lastlayer.classifier.domain.types import Model, ServedVersion, Version
from lastlayer.classifier.store import queries
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.schema import backbones, models, versions
from lastlayer.rpc.errors import ResourceNotFoundError

_CLASSES: Final = "classes"
"""What the JSON of a version has from every release; all else of it is in the description by now."""


@dataclass(frozen=True)
class NewVersion:
    """A version to store."""

    model: str
    dataset: str
    backbone_name: str
    backbone_digest: str
    classes: Sequence[str]
    description: bytes
    """See `Version.description`."""
    head: bytes
    request_id: str = ""
    request_sha256: bytes = b""
    held_out: bytes | None = None
    """See `lastlayer.classifier.evaluation.out_of_fold`; None where nothing was validated."""
    drift_reference: bytes | None = None
    """See `lastlayer.classifier.domain.drift.reference`."""


class ModelStore:
    """The models of a database. Its methods block and are for threads, not the event loop, save `change_count`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.change_count = database.change_count
        """See `Database.change_count`."""

    def find_request(self, request_id: str, request_sha256: bytes) -> Version | None:
        """Return the version that a request made, if it did; raises RequestIdReusedError where another request did."""
        query = self._versions().where(versions.c.request_id == request_id)
        with self._database.reading() as connection:
            row = connection.execute(query.add_columns(versions.c.request_sha256)).one_or_none()
        if row is None:
            return None
        if row.request_sha256 != request_sha256:
            raise RequestIdReusedError(f"The request id `{request_id}` was used before with another request.")
        return _version(row)

    def add(self, new: NewVersion, check: Callable[[], None] = lambda: None) -> Version:
        """Store a version under the next number and make it the default, both or neither.

        `check` is called last; where it raises, nothing is stored. Where another process was faster with the same
        request, its version is returned.
        """
        now = datetime.datetime.now(datetime.UTC)
        try:
            with self._database.writing() as connection:
                model_id, number = self._next_number(connection, new.model, now)
                inserted = connection.execute(
                    sa.insert(versions).values(
                        model_id=model_id,
                        version=number,
                        dataset=new.dataset,
                        backbone_name=new.backbone_name,
                        backbone_digest=new.backbone_digest,
                        facts={_CLASSES: list(new.classes)},
                        description=new.description,
                        head=new.head,
                        create_time=now,
                        request_id=new.request_id or None,
                        request_sha256=new.request_sha256 or None,
                        held_out=new.held_out,
                        drift_reference=new.drift_reference,
                    )
                )
                key = inserted.inserted_primary_key
                assert key is not None  # noqa: S101 - an insert of one row has one
                stored = _version(connection.execute(self._versions().where(versions.c.id == key[0])).one())
                check()
                return stored
        except IntegrityError:
            # The same request, sent again to another process, was faster.
            if new.request_id and (version := self.find_request(new.request_id, new.request_sha256)):
                return version
            raise

    def _next_number(self, connection: Connection, name: str, now: datetime.datetime) -> tuple[int, int]:
        values = {"name": name, "default_version": 0, "last_version": 0, "create_time": now, "update_time": now}
        self._database.insert_new(connection, models, [values])
        # The update locks the model's row, so that another transaction gets another number.
        updated = connection.execute(
            sa.update(models)
            .where(models.c.name == name)
            .values(
                last_version=models.c.last_version + 1,
                default_version=models.c.last_version + 1,
                update_time=now,
            )
            .returning(models.c.id, models.c.last_version)
        ).one()
        return updated.id, updated.last_version

    def get(self, name: str) -> Model:
        """Return a model; raises ResourceNotFoundError."""
        with self._database.reading() as connection:
            return self._describe(connection, self._find(connection, name))

    def page(self, after: str, limit: int) -> list[Model]:
        """Return the models by name, those after the name `after`, at most `limit`."""
        query = sa.select(models).where(models.c.name > after).order_by(models.c.name).limit(limit)
        with self._database.reading() as connection:
            return [self._describe(connection, row) for row in connection.execute(query).all()]

    def delete(self, name: str) -> None:
        """Delete a model with its versions; raises ResourceNotFoundError."""
        with self._database.deleting() as connection:
            connection.execute(sa.delete(models).where(models.c.id == self._find(connection, name).id))

    def get_version(self, model: str, number: int) -> Version:
        """Return a version, the default where `number` is 0; raises ResourceNotFoundError."""
        with self._database.reading() as connection:
            return _version(self._find_version(connection, model, number))

    def page_versions(self, model: str, before: int, limit: int) -> list[Version]:
        """Return the versions of a model, the newest first, those below `before` (all where 0), at most `limit`."""
        with self._database.reading() as connection:
            key = self._find(connection, model).id
            query = self._versions().where(versions.c.model_id == key).order_by(versions.c.version.desc()).limit(limit)
            if before:
                query = query.where(versions.c.version < before)
            return [_version(row) for row in connection.execute(query).all()]

    def index(self, name: str = "") -> list[tuple[str, int, bool]]:
        """Return all versions by the names of their models, from the oldest, or those of one model.

        Of each the model's name, its number, and whether it is the default. Raises ResourceNotFoundError.
        """
        query = (
            sa.select(models.c.name, versions.c.version, models.c.default_version)
            .select_from(versions.join(models))
            .order_by(models.c.name, versions.c.version)
        )
        with self._database.reading() as connection:
            if name:
                query = query.where(models.c.id == self._find(connection, name).id)
            return [(row.name, row.version, row.version == row.default_version) for row in connection.execute(query)]

    def delete_version(self, model: str, number: int) -> None:
        """Delete a version, and with the last one the model; raises ResourceNotFoundError or VersionInUseError."""
        with self._database.deleting() as connection:
            owner = self._find(connection, model, lock=True)
            version = self._find_version(connection, model, number)
            count = connection.scalar(sa.select(sa.func.count()).where(versions.c.model_id == owner.id))
            if count == 1:
                connection.execute(sa.delete(models).where(models.c.id == owner.id))
            elif number == owner.default_version:
                raise VersionInUseError(
                    f"Version {number} is the default of the model `{model}`; make another version the default first."
                )
            else:
                connection.execute(sa.delete(versions).where(versions.c.id == version.id))

    def set_default(self, model: str, number: int) -> Model:
        """Make a version the default; raises ResourceNotFoundError."""
        with self._database.writing() as connection:
            self._find(connection, model, lock=True)
            self._find_version(connection, model, number)
            connection.execute(sa.update(models).where(models.c.name == model).values(default_version=number))
            return self._describe(connection, self._find(connection, model))

    def resolve(self, model: str, number: int) -> ServedVersion:
        """Return which version is meant, the default where `number` is 0; raises ResourceNotFoundError."""
        query = (
            sa.select(versions.c.id, versions.c.version, versions.c.backbone_name, versions.c.backbone_digest)
            .join(models)
            .where(models.c.name == model, versions.c.version == (number or models.c.default_version))
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none() or self._find_version(connection, model, number)
        return ServedVersion(row.id, model, row.version, row.backbone_name, row.backbone_digest)

    def head(self, key: int) -> bytes:
        """Return the head of a version; raises ResourceNotFoundError where it was deleted meanwhile."""
        with self._database.reading() as connection:
            head = connection.scalar(sa.select(versions.c.head).where(versions.c.id == key))
        if head is None:
            raise ResourceNotFoundError("version", str(key), "It was deleted a moment ago.")
        return bytes(head)

    def tap_dimensions(self, version: Version, taps: Sequence[str]) -> list[int]:
        """Return the numbers of elements of the vectors that a version takes, tap by tap."""
        query = sa.select(backbones.c.taps).where(backbones.c.digest == version.backbone_digest)
        with self._database.reading() as connection:
            dimensions = {name: rest[1] for name, *rest in connection.scalars(query).one()}
        return [dimensions[tap] for tap in taps]

    def held_out(self, key: int) -> bytes | None:
        """Return the out-of-fold results of a version, None where it has none; see `head`."""
        return self._bytes(versions.c.held_out, key)

    def drift_reference(self, key: int) -> bytes | None:
        """Return what a version keeps of its training images, None where an earlier release made it; see `head`."""
        return self._bytes(versions.c.drift_reference, key)

    def _bytes(self, column: sa.Column[bytes], key: int) -> bytes | None:
        with self._database.reading() as connection:
            row = connection.execute(sa.select(column).where(versions.c.id == key)).one_or_none()
        if row is None:
            raise ResourceNotFoundError("version", str(key), "It was deleted a moment ago.")
        return bytes(row[0]) if row[0] is not None else None

    @staticmethod
    def _versions() -> sa.Select[Any]:
        return sa.select(
            versions.c.id,
            models.c.name.label("model"),
            versions.c.version,
            versions.c.dataset,
            versions.c.backbone_name,
            versions.c.backbone_digest,
            versions.c.facts,
            versions.c.description,
            versions.c.create_time,
        ).join(models)

    @staticmethod
    def _find(connection: Connection, name: str, *, lock: bool = False) -> Any:
        query = sa.select(models).where(models.c.name == name)
        row = connection.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            hint = queries.hint(connection, models.c.name, name) or "No model was trained yet."
            raise ResourceNotFoundError("model", name, hint)
        return row

    def _find_version(self, connection: Connection, model: str, number: int) -> Any:
        owner = self._find(connection, model)
        query = self._versions().where(
            versions.c.model_id == owner.id, versions.c.version == (number or owner.default_version)
        )
        row = connection.execute(query).one_or_none()
        if row is None:
            numbers = connection.scalars(
                sa.select(versions.c.version)
                .where(versions.c.model_id == owner.id)
                .order_by(versions.c.version.desc())
                .limit(5)
            ).all()
            raise ResourceNotFoundError(
                "version", f"{model}:{number}", f"The newest are {', '.join(map(str, numbers))}."
            )
        return row

    @staticmethod
    def _describe(connection: Connection, row: Any) -> Model:
        count = connection.scalar(sa.select(sa.func.count()).where(versions.c.model_id == row.id))
        facts = connection.scalar(
            sa.select(versions.c.facts).where(versions.c.model_id == row.id, versions.c.version == row.default_version)
        )
        return Model(
            name=row.name,
            default_version=row.default_version,
            version_count=count or 0,
            classes=tuple((facts or {}).get(_CLASSES, ())),
            create_time=row.create_time,
            update_time=row.update_time,
        )


def _version(row: Any) -> Version:
    return Version(
        key=row.id,
        model=row.model,
        version=row.version,
        dataset=row.dataset,
        backbone_name=row.backbone_name,
        backbone_digest=row.backbone_digest,
        classes=tuple(row.facts.get(_CLASSES, ())),
        description=bytes(row.description or b""),
        facts=row.facts,
        create_time=row.create_time,
    )
