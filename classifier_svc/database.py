"""Opens the store's database: safe settings for SQLite, migrations, transactions, and its faults as our errors."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from rpc.errors import NotReadyError, StoreCorruptError, StoreFullError, StoreReadOnlyError

BUSY_TIMEOUT_S: Final = 30
"""How long a writer waits for another one."""

_MIGRATION_LOCK: Final = 0x6C6173746C  # any number that nobody else locks in the same database


class StoreOpenError(Exception):
    """The store cannot be opened. Its text is one sentence for the user."""


class Database:
    """A database with the store's tables. Its methods block: they are for threads, not for the event loop."""

    def __init__(self, url: str) -> None:
        """Open the database, which is created or brought up to date; raises StoreOpenError."""
        try:
            parsed = make_url(url)
            self.location = parsed.database or "" if parsed.drivername.startswith("sqlite") else parsed.host or "store"
            self._engine = _make_engine(url)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise StoreOpenError(
                f"The store's URL cannot be used: {error}; `sqlite:///PATH` and `postgresql+psycopg://…` are accepted."
            ) from error
        try:
            if self._engine.dialect.name == "sqlite" and self.location:
                Path(self.location).parent.mkdir(parents=True, exist_ok=True)
            self._migrate()
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

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run the block on one consistent state of the database."""
        with self._explained(), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Run the block as one transaction, which is on disk when the block is left, or rolled back where it raises."""
        options = {"begin_immediate": True}
        with self._explained(), self._engine.execution_options(**options).begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        # In one transaction, which no other process can have at the same time: it waits, and finds all done.
        with self.writing() as connection:
            if self.dialect == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            text = str(error.orig).lower()
            if "is full" in text or "no space left" in text:
                raise StoreFullError(self.location) from error
            if "readonly" in text or "read-only" in text or "unable to open" in text:
                raise StoreReadOnlyError(self.location) from error
            if "malformed" in text or "not a database" in text:
                raise StoreCorruptError(
                    f"The store `{self.location}` is damaged; restore it from a copy, or move it away to begin anew."
                ) from error
            if error.connection_invalidated or "connect" in text or "locked" in text:
                raise NotReadyError(f"The store `{self.location}` cannot be reached at the moment.") from error
            raise


def _make_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        # Python's own handling would begin transactions late, and as readers that cannot always become writers.
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("begin_immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
