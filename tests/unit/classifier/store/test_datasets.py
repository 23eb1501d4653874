"""Datasets in a real SQLite database: what is kept, counted, refused, and noticed as damaged."""

from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from lastlayer.classifier.domain.errors import (
    DatasetNotTrainableError,
    StoreCorruptError,
    StoreFullError,
    StoreReadOnlyError,
)
from lastlayer.classifier.domain.types import AddedExample, Backbone, NewExample, Tap
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.images.examples import ExampleStore, Selector
from lastlayer.classifier.store.models import ModelStore
from lastlayer.rpc.errors import BackboneMismatchError, ResourceNotFoundError
from lastlayer.rpc.vectors import View, place
from tests.unit.classifier.store.entries import BACKBONE, example, hashes_of

GONE = {"content": bytes([2]) * 32}
OTHER = Backbone("other", "b" * 64, (Tap("conv", False, 2),))


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


def test_a_failed_write_leaves_nothing(database: Database, datasets: DatasetStore) -> None:
    vectors = example(1, "x").vectors
    bad = NewExample("n", b"1" * 32, None, vectors)  # type: ignore[arg-type]
    with pytest.raises(sa.exc.IntegrityError):
        datasets.add("d", BACKBONE, [example(1, "x"), bad])
    assert datasets.page("", 10) == []


def test_a_full_disk_is_said_with_what_to_do(database: Database, datasets: DatasetStore) -> None:
    with database.reading() as connection:
        connection.execute(sa.text("PRAGMA max_page_count = 1"))  # takes what there is already for the most
        connection.rollback()
    with pytest.raises(StoreFullError, match="delete a model or some hundred examples"):
        datasets.add("d", BACKBONE, [example(row, "x") for row in range(256)])


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
