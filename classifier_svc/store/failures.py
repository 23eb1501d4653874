"""What a database says when it fails, as our errors."""

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError

from rpc.errors import LastlayerError, NotReadyError, StoreCorruptError, StoreFullError, StoreReadOnlyError

_SQLITE_KINDS: Final = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_CANTOPEN: "away",
}

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_KINDS: Final = {
    "53100": "full",
    "25006": "read-only",
    "42501": "read-only",  # the user may not write to the table
    "XX001": "corrupt",
    "XX002": "corrupt",
}

_POSTGRES_RETRIED: Final = {"40001", "40P01"}  # serialization failure, deadlock


class StoreOpenError(Exception):
    """The store cannot be opened. Its text is one sentence for the user."""


class StoreUrlError(StoreOpenError):
    """The URL of the store is wrong."""


def translated(error: DBAPIError, location: str) -> LastlayerError | None:
    """Return the error that the user should see; None where the fault is ours."""
    kind = _kind(error)
    if kind == "full":
        return StoreFullError(location)
    if kind == "read-only":
        return StoreReadOnlyError(location)
    if kind == "corrupt":
        return StoreCorruptError(f"The store {location} is damaged, or no store of Lastlayer's.")
    if kind == "busy":
        return NotReadyError(f"The store {location} is being written to by another process for too long; try again.")
    if kind == "away":
        return NotReadyError(f"The store {location} cannot be reached.")
    return None


def is_worth_repeating(error: DBAPIError) -> bool:
    """Return whether the transaction failed only as others ran beside it."""
    return _sqlstate(error) in _POSTGRES_RETRIED


def _kind(error: DBAPIError) -> str | None:
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", 0)  # errors of the module itself have none
        return _SQLITE_KINDS.get(code & 0xFF)
    state = _sqlstate(error)
    if state in _POSTGRES_KINDS:
        return _POSTGRES_KINDS[state]
    # Connections that cannot be made have no state; 08: connection exceptions, 53: too many, 57P: shutdown.
    lost = isinstance(error, OperationalError) and (not state or state.startswith(("08", "53", "57P")))
    return "away" if lost or error.connection_invalidated else None


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""
