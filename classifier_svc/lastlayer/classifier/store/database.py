"""Opens the store's database: safe settings for SQLite, migrations, transactions, and its faults as our errors."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from lastlayer.classifier.domain.errors import StoreCorruptError, StoreFullError, StoreReadOnlyError
from lastlayer.classifier.store.disk.changes import Changes
from lastlayer.classifier.store.disk.errors import explain
from lastlayer.classifier.store.disk.reserve import Reserve
from lastlayer.classifier.store.schema import metadata
from lastlayer.rpc.errors import NotReadyError

BUSY_TIMEOUT_S: Final = 30
"""How long a writer waits for another one."""

_MORE_CONNECTIONS: Final = 20
"""How many connections there are besides the 5 that are kept open: one for each thread that uses the store (see
`lastlayer.classifier.service.handlers.Pools`), so that a reader never waits for a writer's connection."""

_PAGE_BYTES: Final = 16 * 1024
"""The size of the pages of a new SQLite store."""

_GATHERED_BYTES: Final = 16 * 1024 * 1024
"""How much SQLite gathers before it moves it into the file."""

_MIGRATION_LOCK: Final = 0x6C6173746C  # any number that nobody else locks in the same database


class StoreOpenError(Exception):
    """The store cannot be opened. Its text is one sentence for the user."""


class StoreUrlError(StoreOpenError):
    """The URL of the store is no URL of a store."""


class Database:
    """A database with the store's tables. Its methods block and are for threads, not the event loop, save
    `change_count`.
    """

    def __init__(self, url: str) -> None:
        """Open the database, which is created or brought up to date; raises StoreOpenError or StoreUrlError."""
        parsed = parse_url(url)
        self.location = parsed.database or "" if parsed.drivername == "sqlite" else parsed.host or "postgresql"
        try:
            self._engine = _make_engine(parsed)
        except ModuleNotFoundError as error:
            raise StoreOpenError("PostgreSQL needs a driver: pip install 'lastlayer[postgres]'.") from error
        # SQLite's transactions see one state anyway.
        isolation = {} if parsed.drivername == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        self._snapshots = self._engine.execution_options(**isolation)
        try:
            if self.dialect == "sqlite":
                _make_way(Path(self.location))
            self._migrate()
            self._reserve = Reserve(Path(self.location)) if self.dialect == "sqlite" else None
            if self._reserve is not None:
                self._reserve.keep()
            self._changes = Changes(Path(self.location)) if self.dialect == "sqlite" else None
        except OSError as error:
            raise StoreOpenError(f"The store `{self.location}` cannot be created: {error.strerror}.") from error
        except CommandError as error:
            raise StoreOpenError(
                f"The store `{self.location}` was written by a newer version of Lastlayer; run that version."
            ) from error
        except (StoreCorruptError, StoreFullError, StoreReadOnlyError, NotReadyError) as error:
            raise StoreOpenError(f"The store cannot be opened: {error}") from error

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def change_count(self) -> int | None:
        """Return a number that is the same as long as nothing in the database has changed, by whatever process.

        None where that cannot be told at once: always with PostgreSQL.
        """
        return None if self._changes is None else self._changes.count()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run the block on one consistent state of the database."""
        with self._explain_faults(), self._snapshots.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Run the block as one transaction, which is on disk when the block is left, or rolled back where it raises."""
        options = {"begin_immediate": True}
        with self._explain_faults(), self._engine.execution_options(**options).begin() as connection:
            yield connection

    @contextlib.contextmanager
    def deleting(self) -> Iterator[Connection]:
        """Run the block as `writing` does; where the disk is full, in the room that is kept for that."""
        reserve = contextlib.nullcontext() if self._reserve is None else self._reserve.given_up()
        with reserve, self.writing() as connection:
            yield connection

    def insert_new(self, connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows, save those that are there already, by any unique constraint."""
        insert = (postgresql if self.dialect == "postgresql" else sqlite).insert(table)
        if rows:
            connection.execute(insert.on_conflict_do_nothing(), rows)

    def insert_new_plain(self, connection: Connection, table: sa.Table, rows: Sequence[tuple[object, ...]]) -> None:
        """Do the same with rows that are tuples in the order of the table's columns; see `insert_plain`."""
        insert = (postgresql if self.dialect == "postgresql" else sqlite).insert(table).on_conflict_do_nothing()
        insert_plain(connection, insert, [column.name for column in table.columns], rows)

    def close(self) -> None:
        """Close all connections."""
        if self._changes is not None:
            self._changes.close()
        self._engine.dispose()

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        config.set_main_option("recursive_version_locations", "true")
        # In one transaction, which no other process can have at the same time: it waits, and finds all done.
        with self.writing() as connection:
            if self.dialect == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            self._check_version(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _check_version(self, connection: Connection) -> None:
        """Raise StoreOpenError where our tables are there, and what says how far they have been migrated is not."""
        known = MigrationContext.configure(connection).get_current_heads()
        if not known and set(sa.inspect(connection).get_table_names()) & set(metadata.tables):
            raise StoreOpenError(
                f"The store `{self.location}` does not say which version of Lastlayer wrote it: restore it from a "
                "copy, or move it away to begin anew."
            )

    @contextlib.contextmanager
    def _explain_faults(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            known = explain(error, self.location)
            if known is None:
                raise
            raise known from error
        except json.JSONDecodeError as error:
            raise StoreCorruptError(f"The store `{self.location}` is damaged: what should be JSON is not.") from error


def insert_plain(
    connection: Connection, insert: sa.Insert, names: Sequence[str], rows: Sequence[tuple[object, ...]]
) -> None:
    """Insert rows that are tuples of some columns, of values that the driver takes as they are: numbers, text and
    bytes. It takes half the processor's time, and feature vectors come by the million.
    """
    if not rows:
        return
    compiled = insert.compile(dialect=connection.dialect, column_keys=list(names))
    if not compiled.positional:
        connection.exec_driver_sql(str(compiled), [dict(zip(names, row, strict=True)) for row in rows])
        return
    if compiled.positiontup != list(names):
        raise AssertionError(f"{compiled} takes {compiled.positiontup}")
    connection.exec_driver_sql(str(compiled), list(rows))


def _make_way(file: Path) -> None:
    """Make the folder of a store; raises StoreOpenError where something else is in the store's place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and not file.is_file():  # SQLite would wait for whoever writes to a pipe
        raise StoreOpenError(f"The store `{file}` cannot be opened: it is no file; name another path.")


def parse_url(url: str) -> URL:
    """Return the parts of the URL of a store, its driver `sqlite` or `postgresql+psycopg`; raises StoreUrlError."""
    accepted = "`sqlite:///PATH` and `postgresql://USER@HOST/DATABASE` are accepted"
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreUrlError(f"The store's URL cannot be used: it is no URL; {accepted}.") from error
    kind = parsed.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise StoreUrlError(f"The store's URL cannot be used: it begins with `{kind}`; {accepted}.")
    if parsed.database in (None, "", ":memory:"):
        raise StoreUrlError(f"The store's URL cannot be used: it names no file; {accepted}.")
    return parsed.set(drivername="sqlite")


def _make_engine(url: URL) -> Engine:
    if url.drivername != "sqlite":
        return sa.create_engine(
            url, pool_pre_ping=True, max_overflow=_MORE_CONNECTIONS, connect_args={"connect_timeout": 10}
        )
    engine = sa.create_engine(url, max_overflow=_MORE_CONNECTIONS, connect_args={"timeout": BUSY_TIMEOUT_S})

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        # Python's own handling would begin transactions late, and as readers that cannot always become writers.
        connection.isolation_level = None
        # Vectors are of some kilobytes: with SQLite's usual pages of 4 KiB most have pages of their own, partly empty,
        # and storing them takes nearly twice as long. A store that has pages already keeps their size.
        for pragma in (f"page_size = {_PAGE_BYTES}", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        # Images are known by checksums, so that new ones go to pages of the indexes all over the file. With more of
        # them at hand (in KiB), and gathered for longer before they are moved into the file, adding to a large store
        # hardly takes longer than adding to a small one.
        connection.execute("PRAGMA cache_size = -8192")
        [page_bytes] = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA wal_autocheckpoint = {_GATHERED_BYTES // page_bytes}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("begin_immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
