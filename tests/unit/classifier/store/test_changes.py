"""Whether a store has changed."""

import sqlite3
from pathlib import Path

from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.disk.changes import Changes
from lastlayer.classifier.store.models import ModelStore


def test_any_change_by_whatever_connection_counts(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    database, other = Database(f"sqlite:///{file}"), Database(f"sqlite:///{file}")
    count = ModelStore(database).change_count
    counts = [count()]
    assert count() == counts[0] is not None
    for changing in (database, other):
        with changing.writing() as connection:
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS noted (number INTEGER)")
            connection.exec_driver_sql("INSERT INTO noted VALUES (1)")
            assert count() == counts[-1]  # not yet
        counts.append(count())
        with changing.reading() as connection:
            connection.exec_driver_sql("SELECT * FROM noted")
        assert count() == counts[-1]
    assert len(set(counts)) == 3
    database.close()
    other.close()


def test_nobody_waits_for_a_file_that_is_locked_or_closed(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    owner = sqlite3.connect(file, isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA locking_mode = EXCLUSIVE", "CREATE TABLE t (c)"):
        owner.execute(statement)
    changes = Changes(file)
    assert changes.count() is None
    owner.close()
    assert changes.count() is not None
    changes.close()
    assert changes.count() is None
