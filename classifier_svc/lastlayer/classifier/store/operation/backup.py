"""Copies a store in SQLite to a file while it is used.

For PostgreSQL there is `pg_dump`; docs/how-to/operate/backup.md has both.
"""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Final

from lastlayer.classifier.store.database import BUSY_TIMEOUT_S, parse_url
from lastlayer.rpc.system.files import write_whole

_BESIDE: Final = ("-wal", "-shm", "-journal", "-reserve")
"""How the names of files end that SQLite and the classifier keep beside a store, and may write over."""


class BackupError(Exception):
    """The store was not copied, and nothing is left of the attempt. Its text is one sentence for the user."""


def back_up(url: str, target: Path) -> int:
    """Copy the store to a new file, as it is at one moment, and check the copy; return its size in bytes.

    Services go on reading and writing meanwhile. Raises BackupError, or StoreUrlError where `url` is none of a store.
    """
    parsed = parse_url(url)
    if parsed.drivername != "sqlite":
        raise BackupError(
            "The store is in PostgreSQL: back it up with pg_dump, as docs/how-to/operate/backup.md shows."
        )
    store = Path(parsed.database or "")
    if not store.is_file():
        raise BackupError(f"There is no store `{store}`; name it by --store-url or CLASSIFIER_STORE_URL.")
    if target.exists():
        raise BackupError(f"`{target}` is there already and stays as it is; name a new file.")
    if target.resolve() in {store.resolve().with_name(store.resolve().name + ending) for ending in _BESIDE}:
        raise BackupError(f"`{target}` has the name of a file that the store itself uses; name another file.")
    try:
        with write_whole(target) as unfinished:
            _copy(store, unfinished)
            size = unfinished.stat().st_size
    except OSError as error:
        raise BackupError(f"`{target}` cannot be written: {error.strerror}.") from error
    except sqlite3.Error as error:
        raise BackupError(f"The store `{store}` cannot be copied to `{target}`: {error}.") from error
    return size


def _copy(store: Path, unfinished: Path) -> None:
    source = sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
    copy = sqlite3.connect(unfinished)
    with contextlib.closing(source), contextlib.closing(copy):
        # In one step: a copy in several begins anew whenever another process writes.
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # so that the copy is one file
        [(found,)] = copy.execute("PRAGMA quick_check(1)")
        if found != "ok":
            raise BackupError(f"The store `{store}` is damaged, and so its copy would be: {found}.")
    shutil.copymode(store, unfinished)
