"""Tells within microseconds whether a SQLite store has changed. A query would need a thread."""

import contextlib
import sqlite3
from pathlib import Path


class Changes:
    """The count of a SQLite file's changes, whichever connection of whichever process made them."""

    def __init__(self, file: Path) -> None:
        """Open a connection that never writes: SQLite does not count what a connection changes itself."""
        self._connection = sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False)

    def count(self) -> int | None:
        """Return a number that is the same as long as nothing has changed; None where it cannot be told right now.

        It never waits for whoever has locked the file. Source: https://www.sqlite.org/pragma.html#pragma_data_version.
        """
        with contextlib.suppress(sqlite3.Error):
            [number] = self._connection.execute("PRAGMA data_version").fetchone()
            return int(number)
        return None

    def close(self) -> None:
        """Close the connection; what has changed since cannot be told any more."""
        self._connection.close()
