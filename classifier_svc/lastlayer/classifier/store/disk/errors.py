"""What a database says when it fails, as our errors; by its codes, as its texts may quote anything."""

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError

from lastlayer.classifier.domain.errors import StoreCorruptError, StoreFullError, StoreReadOnlyError
from lastlayer.rpc.errors import LastlayerError, NotReadyError

# https://sqlite.org/rescode.html
_SQLITE_KINDS: Final = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_CANTOPEN: "read-only",  # mostly a folder in which its log cannot be made
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_BUSY: "busy",
}

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_KINDS: Final = {
    "53100": "full",
    "25006": "read-only",
    "42501": "read-only",  # the user may not write to the tables
    "XX001": "corrupt",
    "XX002": "corrupt",
    "40001": "busy",  # could not be put in an order with transactions beside it
    "40P01": "busy",  # deadlock
}


def explain(error: DBAPIError, location: str) -> LastlayerError | None:
    """Return the error for the user; None where the fault is ours."""
    kind = _kind(error)
    if kind == "full":
        return StoreFullError(location)
    if kind == "read-only":
        return StoreReadOnlyError(location)
    if kind == "corrupt":
        return StoreCorruptError(
            f"The store `{location}` is damaged; restore it from a copy, or move it away to begin anew."
        )
    if kind == "busy":
        return NotReadyError(f"The store `{location}` is busy with other transactions; try again.")
    if kind == "away":
        return NotReadyError(f"The store `{location}` cannot be reached at the moment.")
    return None


def _kind(error: DBAPIError) -> str | None:
    if isinstance(error.orig, sqlite3.Error):
        code: int = getattr(error.orig, "sqlite_errorcode", 0)  # errors of Python's own module have none
        return _SQLITE_KINDS.get(code & 0xFF)
    state = _sqlstate(error)
    if state in _POSTGRES_KINDS:
        return _POSTGRES_KINDS[state]
    # A connection that cannot be made has no state; 08: connection lost, 53: too many of them, 57P: shutting down.
    lost = isinstance(error, OperationalError) and (not state or state.startswith(("08", "53", "57P")))
    return "away" if lost or error.connection_invalidated else None


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""
