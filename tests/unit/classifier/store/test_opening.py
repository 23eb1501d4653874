"""Stores are opened: how SQLite is set, what is refused, and how an older one is migrated."""

import contextlib
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from lastlayer.classifier.domain.types import AddedExample
from lastlayer.classifier.store.database import Database, StoreOpenError
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.images.examples import ExampleStore, Selector
from tests.unit.classifier.store.entries import BACKBONE, example, hashes_of


def make_older(connection: sa.Connection, revision: str) -> None:
    """Take away what the migrations after a revision add, as far as tests do not do that themselves."""
    connection.execute(sa.text("ALTER TABLE backbones DROP COLUMN precision"))
    connection.execute(sa.text("ALTER TABLE datasets DROP COLUMN views"))
    connection.execute(sa.text("ALTER TABLE datasets DROP COLUMN multi_label"))
    connection.execute(sa.text("DROP INDEX examples_by_arrival"))
    connection.execute(sa.text("ALTER TABLE versions DROP COLUMN drift_reference"))
    connection.execute(sa.text("DROP TABLE pool"))
    connection.execute(sa.text("DROP TABLE feature_precisions"))
    connection.execute(sa.text("DROP TABLE perceptual_hashes"))
    connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_an_acknowledgement_means_on_disk(database: Database) -> None:
    with database.reading() as connection:
        assert connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(sa.text("PRAGMA synchronous")) == 2
        assert connection.scalar(sa.text("PRAGMA foreign_keys")) == 1


def test_pages_hold_several_vectors_and_an_older_store_keeps_its_pages(tmp_path: Path, database: Database) -> None:
    with database.reading() as connection:
        assert connection.scalar(sa.text("PRAGMA page_size")) == 16384
        assert connection.scalar(sa.text("PRAGMA wal_autocheckpoint")) == 1024
    with contextlib.closing(sqlite3.connect(tmp_path / "older.db")) as older:
        older.executescript("PRAGMA page_size = 4096; CREATE TABLE x (y); DROP TABLE x")
    opened = Database(f"sqlite:///{tmp_path}/older.db")
    DatasetStore(opened).add("d", BACKBONE, [example(1, "x")])
    with opened.reading() as connection:
        assert connection.scalar(sa.text("PRAGMA page_size")) == 4096
        assert connection.scalar(sa.text("PRAGMA wal_autocheckpoint")) == 4096
    opened.close()


def test_a_second_process_may_open_the_same_store(tmp_path: Path, database: Database, datasets: DatasetStore) -> None:
    datasets.add("d", BACKBONE, [example(1, "x")])
    second = Database(f"sqlite:///{tmp_path}/store.db")
    assert DatasetStore(second).get("d").class_counts == {"x": 1}
    second.close()


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path, database: Database) -> None:
    with database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreOpenError, match="was written by a newer version of Lastlayer"):
        Database(f"sqlite:///{tmp_path}/store.db")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.db").write_bytes(b"\xff\xd8\xff" * 1000)
    with pytest.raises(StoreOpenError, match=r"photo.db` is damaged; restore it"):
        Database(f"sqlite:///{tmp_path}/photo.db")


@pytest.mark.parametrize("statement", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
def test_a_store_that_does_not_say_its_version_is_refused_and_left_as_it_is(
    tmp_path: Path, database: Database, datasets: DatasetStore, statement: str
) -> None:
    datasets.add("d", BACKBONE, [example(1, "x")])
    with database.writing() as connection:
        connection.execute(sa.text(statement))
    with pytest.raises(StoreOpenError, match=r"store.db` does not say which version of Lastlayer wrote it: restore it"):
        Database(f"sqlite:///{tmp_path}/store.db")
    assert datasets.get("d").class_counts == {"x": 1}


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(StoreOpenError, match=rf"The store `{tmp_path}/{name}` cannot be opened: it is no file"):
            Database(f"sqlite:///{tmp_path}/{name}")
    with pytest.raises(StoreOpenError, match="The store `/dev/full` cannot be opened: it is no file"):
        Database("sqlite:////dev/full")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreOpenError, match="cannot be created"):
        Database(f"sqlite:///{tmp_path}/file/store.db")


@pytest.mark.parametrize("url", ["nonsense", "oracle9://x"])
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(StoreOpenError, match="The store's URL cannot be used"):
        Database(url)


def test_the_tables_are_what_the_migrations_make(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from lastlayer.classifier.store.schema import metadata

    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_examples_of_before_labels_of_people_were_known(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    older = Database(url)
    DatasetStore(older).add("d", BACKBONE, [example(1, "x"), example(2, "x")])
    with older.writing() as connection:
        connection.execute(sa.text("ALTER TABLE examples DROP COLUMN relabelled"))
        make_older(connection, "0003")
    older.close()
    database = Database(url)
    datasets = DatasetStore(database)
    ExampleStore(database).relabel("d", [Selector(prefix=example(1, "x").content_sha256)], "y")
    [kept, added] = datasets.add("d", BACKBONE, [example(1, "z"), example(2, "z")])
    assert (kept, added) == (AddedExample(False, ("y",), True), AddedExample(True, ("x", "z")))
    database.close()


def test_a_migration_makes_one_class_of_labels_that_look_the_same(
    tmp_path: Path, database: Database, datasets: DatasetStore
) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    datasets.add("d", BACKBONE, [example(1, decomposed), example(2, composed), example(3, "tea")])
    datasets.add("d", BACKBONE, [example(2, decomposed, stored=True), example(3, decomposed, stored=True)])
    assert datasets.get("d").conflict_count == 2
    with database.writing() as connection:
        make_older(connection, "0004")
    migrated = Database(f"sqlite:///{tmp_path}/store.db")
    found = DatasetStore(migrated).get("d")
    assert (found.class_counts, found.conflict_count) == ({composed: 2}, 1)  # the third is a cup of both
    migrated.close()


def test_a_store_of_before_perceptual_hashes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    older = Database(url)
    DatasetStore(older).add("d", BACKBONE, [example(1, "x")])
    with older.writing() as connection:
        make_older(connection, "0005")
    older.close()
    database = Database(url)
    datasets = DatasetStore(database)
    datasets.add("d", BACKBONE, [replace(example(2, "x"), hashes=b"2" * 15)])
    assert hashes_of(datasets) == [b"", b"2" * 15]
    database.close()
