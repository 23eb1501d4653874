"""Room on the disk that is kept for deletions: a full disk would else refuse what makes room, too.

SQLite first writes to its log what changes, deletions as well, and the log needs new room for that. So a file beside
the store holds some, and is given up where somebody deletes while the disk has no more than that.
"""

import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

RESERVE_BYTES: Final = 24 * 2**20
"""For what is in the log already, 16 MiB as a rule, to go to its place in the store; then all of it is free for the
log. To delete an example takes about 20 KiB of that."""

_READERS_S: Final = 1.0
"""How long readers are waited for before the log is emptied; else it stays as it is until the next deletion."""


class Reserve:
    """A file of zeros beside a store in SQLite. Where there is no room for it, there is none."""

    def __init__(self, store: Path) -> None:
        """`store` is the file that is deleted from."""
        self._store = store
        self._file = store.with_name(f"{store.name}-reserve")

    def keep(self) -> None:
        """Have the file there, if the disk has room for it."""
        with contextlib.suppress(OSError):
            if self._file.exists() or self._free() < RESERVE_BYTES:
                return
            # Neither takes the place of something nor follows a link that is there.
            with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                try:
                    os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
                except OSError:
                    self._file.unlink()
                    raise

    @contextlib.contextmanager
    def given_up(self) -> Iterator[None]:
        """Let the block, which deletes, have the room if the disk has no more than that; then have the file again."""
        if not self._give_up():
            yield
            return
        self._empty_log()
        try:
            yield
        finally:
            self._empty_log()
            self.keep()

    def _give_up(self) -> bool:
        with contextlib.suppress(OSError):
            if self._free() >= RESERVE_BYTES:
                return False
            self._file.unlink()
            _log.warning(
                "the disk is nearly full: the room beside `%s` that is kept for deletions is used", self._store
            )
        return True

    def _empty_log(self) -> None:
        """Give the room of SQLite's log back to the disk."""
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(self._store, timeout=_READERS_S)) as connection,
        ):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _free(self) -> int:
        return shutil.disk_usage(self._store.parent).free
