"""Datasets and models in a real SQLite database: what is kept, counted, refused, and noticed as damaged."""

import contextlib
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from lastlayer.classifier.domain.errors import (
    DatasetNotTrainableError,
    RequestIdReusedError,
    StoreCorruptError,
    StoreFullError,
    StoreReadOnlyError,
    VersionInUseError,
)
from lastlayer.classifier.domain.types import AddedExample, Backbone, NewExample, Tap
from lastlayer.classifier.store.database import Database, StoreOpenError
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.images.examples import ExampleStore, Selector
from lastlayer.classifier.store.models import ModelStore, NewVersion
from lastlayer.rpc.errors import BackboneMismatchError, ResourceNotFoundError
from lastlayer.rpc.vectors import View, place

BACKBONE = Backbone("tiny", "a" * 64, (Tap("conv", False, 2), Tap("scores", True, 3)))
GONE = {"content": bytes([2]) * 32}
OTHER = Backbone("other", "b" * 64, (Tap("conv", False, 2),))


@pytest.fixture
def models(database: Database) -> ModelStore:
    return ModelStore(database)


def example(number: int, label: str, *, backbone: Backbone = BACKBONE, stored: bool = False) -> NewExample:
    vectors = {tap.name: np.full(tap.dimension, number, np.float32) for tap in backbone.taps}
    return NewExample(f"{number}.jpg", bytes([number]) * 32, label, None if stored else vectors)


def version(model: str = "m", request_id: str = "", request: bytes = b"1" * 32) -> NewVersion:
    return NewVersion(model, "d", "tiny", "a" * 64, ["x", "y"], b"description", b"head", request_id, request)


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


def test_examples_are_kept_once_and_in_order(datasets: DatasetStore) -> None:
    first = datasets.add("d", BACKBONE, [example(2, "toy"), example(1, "food")])
    again = datasets.add("d", BACKBONE, [example(1, "food", stored=True), example(3, "food")])
    assert [outcome is not None and outcome.is_new for outcome in first + again] == [True, True, False, True]
    examples = datasets.training_set("d")
    assert examples.labels == ["toy", "food", "food"]
    assert examples.features["conv"].tolist() == [[2, 2], [1, 1], [3, 3]]
    assert datasets.get("d").class_counts == {"toy": 1, "food": 2}


def test_an_image_with_two_labels_is_a_conflict_that_is_not_trained_on(datasets: DatasetStore) -> None:
    datasets.add("d", BACKBONE, [example(1, "food"), example(2, "toy")])
    [outcome] = datasets.add("d", BACKBONE, [example(1, "toy", stored=True)])
    assert outcome is not None
    assert outcome.labels == ("food", "toy")
    assert datasets.training_set("d").labels == ["toy"]
    assert (datasets.get("d").class_counts, datasets.get("d").conflict_count) == ({"toy": 1}, 1)


def test_an_image_that_comes_twice_in_a_message_is_kept_once(datasets: DatasetStore) -> None:
    outcomes = datasets.add(
        "d", BACKBONE, [example(1, "food"), example(1, "food"), example(2, "toy"), example(2, "food", stored=True)]
    )
    assert [(outcome.is_new, outcome.labels) for outcome in outcomes if outcome is not None] == [
        (True, ("food",)),
        (False, ("food",)),
        (True, ("toy",)),
        (True, ("toy", "food")),
    ]
    assert datasets.training_set("d").labels == ["food"]


def test_training_reads_the_taps_that_it_needs(datasets: DatasetStore) -> None:
    datasets.add("d", BACKBONE, [example(1, "x"), example(2, "y")])
    asked: list[tuple[str, int]] = []

    def needed(backbone: Backbone, count: int) -> list[str]:
        asked.append((backbone.name, count))
        return ["scores"]

    assert datasets.training_set("d", needed).features.keys() == {"scores"}
    assert asked == [("tiny", 2)]


def test_a_network_that_gets_a_tap_keeps_its_datasets(datasets: DatasetStore) -> None:
    """Features that were stored before stay in use; what lacks the new tap is asked for again, and then complete."""
    grown = Backbone("tiny", BACKBONE.digest, (Tap("early", False, 2), *BACKBONE.taps))
    datasets.add("d", BACKBONE, [example(1, "x"), example(2, "y")])
    datasets.add("d", grown, [example(3, "y", backbone=grown)])
    contents = [bytes([number]) * 32 for number in (1, 2, 3)]
    assert datasets.find_featurized(grown, contents) == {contents[2]}
    assert datasets.find_featurized(BACKBONE, contents) == set(contents)
    before = datasets.training_set("d")
    assert before.features.keys() == {"conv", "scores"}
    assert before.lacking == {"early": 2}
    assert datasets.get("d").stale_count == 0

    assert datasets.add("d", grown, [example(1, "x", stored=True)]) == [None]
    datasets.add("d", grown, [example(1, "x", backbone=grown), example(2, "y", backbone=grown)])
    after = datasets.training_set("d")
    assert after.features["early"].tolist() == [[1, 1], [2, 2], [3, 3]]
    assert (after.labels, after.lacking) == (["x", "y", "y"], {})
    # A featurizer of the release before, beside the others, takes no tap away.
    datasets.add("d", BACKBONE, [example(1, "x", stored=True)])
    assert datasets.training_set("d").features.keys() == {"early", "conv", "scores"}


def test_many_examples_are_read_in_order_and_reading_can_be_ended(datasets: DatasetStore) -> None:
    vectors = np.random.default_rng(0).random((1200, 2), np.float32)
    new = [
        NewExample(
            f"{number}.jpg",
            np.random.default_rng(number).bytes(32),
            "xy"[number % 2],
            {"conv": vector, "scores": np.zeros(3, np.float32)},
        )
        for number, vector in enumerate(vectors)
    ]
    datasets.add("d", BACKBONE, new)
    examples = datasets.training_set("d")
    assert list(examples.contents) == [entry.content_sha256 for entry in new]
    assert np.array_equal(examples.features["conv"], vectors)

    def end() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        datasets.training_set("d", pulse=end)


def test_features_are_shared_and_go_with_the_last_dataset(datasets: DatasetStore) -> None:
    datasets.add("one", BACKBONE, [example(1, "x"), example(2, "x")])
    datasets.add("two", BACKBONE, [example(1, "y", stored=True)])
    contents = [bytes([1]) * 32, bytes([2]) * 32]
    assert datasets.find_featurized(BACKBONE, contents) == set(contents)
    assert datasets.find_featurized(OTHER, contents) == set()
    datasets.delete("one")
    assert datasets.find_featurized(BACKBONE, contents) == {contents[0]}
    assert datasets.training_set("two").features["scores"].tolist() == [[1, 1, 1]]


def test_examples_of_another_backbone_must_be_added_again(datasets: DatasetStore) -> None:
    datasets.add("d", BACKBONE, [example(1, "x"), example(2, "y")])
    datasets.add("d", OTHER, [example(3, "y", backbone=OTHER)])
    with pytest.raises(BackboneMismatchError, match="2 of the 3 examples of the dataset `d`"):
        datasets.training_set("d")


def test_what_is_not_there_is_said_with_what_is(datasets: DatasetStore, models: ModelStore) -> None:
    datasets.add("fruit", BACKBONE, [])
    with pytest.raises(ResourceNotFoundError, match=r"There is no dataset `frut`\. There are: fruit\."):
        datasets.get("frut")
    with pytest.raises(DatasetNotTrainableError, match="`fruit` has no examples"):
        datasets.training_set("fruit")
    with pytest.raises(ResourceNotFoundError, match=r"There is no model `m`\. No model was trained yet\."):
        models.get("m")


def test_damaged_features_are_noticed(database: Database, datasets: DatasetStore) -> None:
    datasets.add("d", BACKBONE, [example(1, "x"), example(2, "y")])
    with database.writing() as connection:
        connection.execute(sa.text("UPDATE features SET vector = zeroblob(8) WHERE tap = 'conv'"))
    with pytest.raises(StoreCorruptError, match="at the tap conv are damaged"):
        datasets.training_set("d")


def test_a_missing_row_of_features_is_noticed(database: Database, datasets: DatasetStore) -> None:
    """The image has features at another tap, so that it counts as featurized; what is missing is trained on by none."""
    datasets.add("d", BACKBONE, [example(1, "x"), example(2, "y")])
    with database.writing() as connection:
        connection.execute(sa.text("DELETE FROM features WHERE tap = 'conv' AND content_sha256 = :content"), GONE)
    for read in (datasets.training_set, lambda name: list(datasets.tap_blocks(name, BACKBONE.digest, "conv", 10))):
        with pytest.raises(StoreCorruptError, match=f"image {'02' * 32} at the tap conv are damaged"):
            read("d")


def test_versions_are_numbered_and_the_newest_is_the_default(models: ModelStore) -> None:
    assert [models.add(version()).version for _ in range(3)] == [1, 2, 3]
    assert (models.get("m").default_version, models.get("m").version_count) == (3, 3)
    assert models.set_default("m", 1).default_version == 1
    assert models.get_version("m", 0).version == 1
    assert [entry.version for entry in models.page_versions("m", 3, 10)] == [2, 1]


def test_all_versions_are_listed_by_the_names_of_their_models(models: ModelStore) -> None:
    for name in ("n", "m", "m"):
        models.add(version(model=name))
    models.set_default("m", 1)
    assert models.index() == [("m", 1, True), ("m", 2, False), ("n", 1, True)]
    assert models.index("n") == [("n", 1, True)]
    with pytest.raises(ResourceNotFoundError, match="There are: m, n"):
        models.index("k")


def test_numbers_of_deleted_versions_are_not_given_again(models: ModelStore) -> None:
    for _ in range(2):
        models.add(version())
    with pytest.raises(VersionInUseError, match="Version 2 is the default"):
        models.delete_version("m", 2)
    models.set_default("m", 1)
    models.delete_version("m", 2)
    assert models.add(version()).version == 3
    with pytest.raises(ResourceNotFoundError, match=r"There is no version `m:2`. The newest are 3, 1\."):
        models.get_version("m", 2)


def test_the_last_version_takes_its_model_with_it_and_keys_are_never_used_again(models: ModelStore) -> None:
    before = models.add(version())
    models.delete_version("m", 1)
    assert models.page("", 10) == []
    after = models.add(version())
    assert (after.version, after.key > before.key) == (1, True)
    with pytest.raises(ResourceNotFoundError):
        models.head(before.key)


def test_a_request_makes_one_version(models: ModelStore) -> None:
    made = models.add(version(request_id="r"))
    assert models.find_request("r", b"1" * 32) == made
    assert models.add(version(request_id="r")) == made
    assert models.find_request("s", b"1" * 32) is None
    with pytest.raises(RequestIdReusedError, match="The request id `r` was used before with another request"):
        models.find_request("r", b"2" * 32)


def test_a_failed_write_leaves_nothing(database: Database, datasets: DatasetStore) -> None:
    vectors = example(1, "x").vectors
    bad = NewExample("n", b"1" * 32, None, vectors)  # type: ignore[arg-type]
    with pytest.raises(sa.exc.IntegrityError):
        datasets.add("d", BACKBONE, [example(1, "x"), bad])
    assert datasets.page("", 10) == []


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


def test_a_full_disk_is_said_with_what_to_do(database: Database, datasets: DatasetStore) -> None:
    with database.reading() as connection:
        connection.execute(sa.text("PRAGMA max_page_count = 1"))  # takes what there is already for the most
        connection.rollback()
    with pytest.raises(StoreFullError, match="delete a model or some hundred examples"):
        datasets.add("d", BACKBONE, [example(row, "x") for row in range(256)])


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreOpenError, match="cannot be created"):
        Database(f"sqlite:///{tmp_path}/file/store.db")


@pytest.mark.parametrize("url", ["nonsense", "oracle9://x"])
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(StoreOpenError, match="The store's URL cannot be used"):
        Database(url)


def test_a_read_only_store_is_said(database: Database, datasets: DatasetStore) -> None:
    with database.reading() as connection:
        connection.execute(sa.text("PRAGMA query_only = ON"))
        connection.rollback()
    with pytest.raises(StoreReadOnlyError, match="it is read-only"):
        datasets.add("d", BACKBONE, [example(1, "x")])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("flower", "There are: a1, a2, a3, a4, a5, … Did you mean `flowers`?"),
        ("zzz", "There are: a1, a2, a3, a4, a5, …"),
    ],
)
def test_a_name_that_is_like_one_that_there_is(datasets: DatasetStore, name: str, hint: str) -> None:
    for other in ("a1", "a2", "a3", "a4", "a5", "flowers"):
        datasets.add(other, BACKBONE, [example(1, "x")])
    with pytest.raises(ResourceNotFoundError) as caught:
        datasets.get(name)
    assert str(caught.value) == f"There is no dataset `{name}`. {hint}"


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


def test_the_tables_are_what_the_migrations_make(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from lastlayer.classifier.store.schema import metadata

    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def hashes_of(datasets: DatasetStore, name: str = "d") -> list[bytes]:
    return [each for block in datasets.tap_blocks(name, BACKBONE.digest, "conv", 2) for each in block.hashes]


def test_perceptual_hashes_are_kept_while_a_dataset_has_the_image(database: Database, datasets: DatasetStore) -> None:
    datasets.add("d", BACKBONE, [replace(example(number, "x"), hashes=bytes([number]) * 30) for number in (1, 2)])
    datasets.add("d", BACKBONE, [example(3, "x")])  # a plain one, or one of an earlier release
    datasets.add("e", BACKBONE, [example(1, "y", stored=True)])
    assert hashes_of(datasets) == [bytes([1]) * 30, bytes([2]) * 30, b""]
    assert hashes_of(datasets, "e") == [bytes([1]) * 30]
    ExampleStore(database).remove("d", [Selector(prefix=bytes([2]) * 32)])
    datasets.delete("d")
    assert hashes_of(datasets, "e") == [bytes([1]) * 30]
    datasets.delete("e")
    with database.reading() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM perceptual_hashes")) == 0


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


def test_a_dataset_gets_views_and_keeps_those_that_it_has(datasets: DatasetStore) -> None:
    both = {
        place(tap.name, view): np.full(tap.dimension, float(view), np.float32)
        for tap in BACKBONE.taps
        for view in (View.CROP, View.WHOLE)
    }
    assert datasets.find_views("d") == ((), {})
    datasets.add("d", BACKBONE, [example(1, "x"), example(2, "y")])
    assert datasets.find_views("d") == ((), {"x": 1, "y": 1})
    assert datasets.get("d").views == (View.CROP,)
    third = NewExample("3.jpg", bytes([3]) * 32, "y", both)
    views = (View.CROP, View.WHOLE)
    [added] = datasets.add("d", BACKBONE, [third], views, stated=(View.WHOLE,))
    assert added == AddedExample(True, ("y",))
    assert datasets.find_views("d") == (views, {})
    assert datasets.add("d", BACKBONE, [example(1, "x", stored=True)], views) == [None]
    assert datasets.find_featurized(BACKBONE, [bytes([n]) * 32 for n in (1, 2, 3)], views) == {bytes([3]) * 32}
    read = datasets.training_set("d")
    assert (read.views, read.lacking_views, read.sample) == ((View.CROP,), {View.WHOLE: 2}, None)
    assert read.features.keys() == {"conv", "scores"}
    [block] = datasets.tap_blocks("d", BACKBONE.digest, "conv", 10, views)
    assert (block.contents, block.vectors.tolist()) == ([bytes([3]) * 32], [[1.5, 1.5]])
    for number in (1, 2):
        datasets.add("d", BACKBONE, [NewExample("", bytes([number]) * 32, "x", both)], views)
    complete = datasets.training_set("d")
    assert (complete.views, complete.lacking_views) == (views, {})
    assert complete.features["conv@whole"].tolist() == [[2, 2]] * 2  # the second is a conflict now


def test_the_sample_of_a_dataset_is_read_where_nobody_has_stated_views(datasets: DatasetStore) -> None:
    datasets.add("d", BACKBONE, [example(1, "x")])
    seen = example(2, "y")
    whole = NewExample(
        seen.name, seen.content_sha256, "y", {**(seen.vectors or {}), "conv@whole": np.ones(2, np.float32)}
    )
    datasets.add("d", BACKBONE, [whole])
    sample = datasets.training_set("d").sample
    assert sample is not None
    assert (sample.view, sample.rows.tolist()) == (View.WHOLE, [1])
    assert sample.features.keys() == {"conv@whole"}
    datasets.add("d", BACKBONE, [whole], stated=(View.CROP,))
    assert datasets.training_set("d").sample is None


def test_the_dimensions_of_taps_are_known_also_of_those_that_a_network_got_later(
    datasets: DatasetStore, models: ModelStore
) -> None:
    grown = Backbone("tiny", BACKBONE.digest, (Tap("early", False, 4), *BACKBONE.taps))
    datasets.add("d", BACKBONE, [example(1, "x")])
    datasets.add("d", grown, [example(2, "x", backbone=grown)])
    assert models.tap_dimensions(models.add(version()), ["early", "scores"]) == [4, 3]
