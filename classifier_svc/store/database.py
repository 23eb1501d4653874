"""Opens the store's database and runs transactions in threads, so that none blocks the event loop."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from classifier_svc.store.failures import StoreOpenError, StoreUrlError, is_worth_repeating, translated
from classifier_svc.store.migrating import migrate
from rpc.errors import LastlayerError

_BUSY_S: Final = 30
"""How long a writer waits for another process's transaction."""

_ATTEMPTS: Final = 5
"""How often a transaction is tried that others keep from committing."""

_WRITES: Final = "lastlayer_writes"

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Database:
    """A database with our tables in it.

    What raises a `DBAPIError` that is not our fault raises StoreFullError, StoreReadOnlyError, StoreCorruptError or
    NotReadyError instead.
    """

    def __init__(self, engine: Engine, location: str) -> None:
        """`location` is its path or URL, without a password, for messages. Use `open_database`."""
        self.location = location
        self._engine = engine
        sqlite = engine.dialect.name == "sqlite"
        self._writing = engine.execution_options(**{_WRITES: True})
        # A reader sees one state of the database from the begin of its transaction to the end; SQLite's always do.
        self._reading = engine if sqlite else engine.execution_options(isolation_level="REPEATABLE READ")
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="store-read")
        # SQLite has one writer at a time: the others had better wait here, in order, than in it, where chance decides.
        self._writers = ThreadPoolExecutor(1 if sqlite else 4, thread_name_prefix="store-write")

    async def read(
        self,
        work: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Return what the work returns, run within a transaction that only reads."""
        call = functools.partial(self.read_here, work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._readers, call)

    async def write(
        self,
        work: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Return what the work returns, once its transaction is on disk. The work may be run several times."""
        call = functools.partial(self._write_here, work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._writers, call)

    def read_here(
        self,
        work: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Do the same as `read` in the calling thread."""
        with self._translating(), self._reading.begin() as connection:
            return work(connection, *args, **kwargs)

    def _write_here(
        self,
        work: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        for attempt in range(_ATTEMPTS):
            try:
                with self._translating(), self._writing.begin() as connection:
                    return work(connection, *args, **kwargs)
            except DBAPIError as error:
                if attempt == _ATTEMPTS - 1 or not is_worth_repeating(error):
                    raise
        raise AssertionError("the last attempt returns or raises")

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            known = translated(error, self.location)
            if known is None:
                raise
            raise known from error

    def close(self) -> None:
        """Wait for the transactions in work and close. Safe to call twice."""
        self._readers.shutdown()
        self._writers.shutdown()
        self._engine.dispose()


def open_database(url: str) -> Database:
    """Open the database of a URL, which is created or migrated if need be; blocks.

    Raises StoreOpenError (StoreUrlError where it is the URL that is wrong), or a `LastlayerError` of the store.
    """
    parsed = _parse(url)
    location = parsed.database or "" if parsed.get_backend_name() == "sqlite" else parsed.render_as_string()
    try:
        engine = _sqlite(Path(location)) if parsed.get_backend_name() == "sqlite" else _postgres(parsed)
        with engine.execution_options(**{_WRITES: True}).begin() as connection:
            migrate(connection, location)
    except OSError as error:
        raise StoreOpenError(f"The store's folder {Path(location).parent} cannot be made: {error.strerror}.") from error
    except ModuleNotFoundError as error:
        raise StoreOpenError("A PostgreSQL store needs the extra `postgres`: pip install 'lastlayer[postgres]'.") from error
    except DBAPIError as error:
        known: LastlayerError | None = translated(error, location)
        if known is None:
            raise StoreOpenError(f"The store {location} cannot be opened: {error.orig}.") from error
        raise known from error
    return Database(engine, location)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreUrlError("The store's URL cannot be read; sqlite:///PATH or postgresql://… is needed.") from error
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise StoreUrlError(f"The store's URL begins with `{backend}`; sqlite:///PATH or postgresql://… is needed.")
    if parsed.database in (None, "", ":memory:"):
        raise StoreUrlError("The store's URL names no file; sqlite:///PATH is needed.")
    return parsed


def _sqlite(path: Path) -> Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_S})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so, below
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        # An answer says that something is on disk: not with the next checkpoint, but now.
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that begins to write half-way fails at once where another one writes.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(url: URL) -> Engine:
    return create_engine(url, pool_size=10, pool_pre_ping=True, connect_args={"connect_timeout": 10})
