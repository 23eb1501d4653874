"""Pools in a real SQLite database: what is in one, what leaves it, and what that leaves of features and datasets."""

import datetime
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.domain.errors import DatasetNotTrainableError
from lastlayer.classifier.domain.types import (
    AddedExample,
    Backbone,
    Candidates,
    NewExample,
    PoolSource,
    StoredExample,
    Tap,
)
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.images.examples import ExampleStore, Filter, Selector
from lastlayer.classifier.store.images.pool import PoolStore
from lastlayer.classifier.store.operation.captured import CapturedImages
from lastlayer.rpc.errors import InvalidFieldError, ResourceNotFoundError
from lastlayer.rpc.vectors import View, place

OLD = Backbone("old", "a" * 64, (Tap("conv", False, 2),))
NEW = Backbone("new", "b" * 64, (Tap("conv", False, 2),))
NEVER = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def examples(database: Database) -> ExampleStore:
    return ExampleStore(database)


@pytest.fixture
def pools(database: Database) -> PoolStore:
    return PoolStore(database)


def image(number: int, label: str = "", *, stored: bool = False) -> NewExample:
    vectors = None if stored else {"conv": np.full(2, number, np.float32)}
    return NewExample(f"{number}.jpg", sha256(number), label, vectors, thumbnail=b"jpeg", hashes=b"h" * 15)


def sha256(number: int) -> bytes:
    return bytes([number]) * 32


def by(*numbers: int) -> list[Selector]:
    return [Selector(prefix=sha256(number)) for number in numbers]


def waiting(pools: PoolStore, dataset: str = "d", **wanted: bool) -> list[StoredExample]:
    return pools.page(dataset, after=0, limit=1000, **wanted)


def names(found: list[StoredExample]) -> list[str]:
    return [entry.name for entry in found]


def labels(examples: ExampleStore) -> dict[str, tuple[str, ...]]:
    found = examples.page("d", Filter(), after=0, limit=1000, with_thumbnails=False)
    return {entry.name: entry.labels for entry in found}


def count(database: Database, table: str) -> int:
    with database.reading() as connection:
        return connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0


class TestAdd:
    def test_images_wait_in_order_of_arrival(self, datasets: DatasetStore, pools: PoolStore) -> None:
        assert datasets.add_to_pool("d", OLD, [image(2), image(1), image(2)]) == [
            AddedExample(True, ()),
            AddedExample(True, ()),
            AddedExample(False, ()),
        ]
        datasets.add_to_pool("d", OLD, [image(3)])
        found = waiting(pools, with_thumbnails=True)
        assert names(found) == ["2.jpg", "1.jpg", "3.jpg"]
        assert [entry.thumbnail for entry in found] == [b"jpeg"] * 3
        assert {(entry.labels, entry.stale, entry.source) for entry in found} == {((), False, PoolSource.ADDED)}
        moments = [entry.pool_time for entry in found]
        assert moments == sorted(moments, key=lambda moment: moment or NEVER)
        assert None not in moments
        page = pools.page("d", after=found[0].key, limit=1)
        assert names(page) == ["1.jpg"]

    def test_a_dataset_that_has_only_a_pool_is_one(self, datasets: DatasetStore, pools: PoolStore) -> None:
        datasets.add_to_pool("d", OLD, [image(1)])
        [dataset] = datasets.page("", 10)
        assert (dataset.pool_count, dataset.class_counts, dataset.conflict_count, dataset.stale_count) == (1, {}, 0, 0)
        assert dataset.backbone == OLD
        with pytest.raises(DatasetNotTrainableError, match=r"1 image without a label .* `client next --dataset d`"):
            datasets.training_set("d")
        assert datasets.feature_page("d", after=0, limit=10, max_bytes=1000).labels == []

    def test_an_example_stays_one(self, datasets: DatasetStore, pools: PoolStore, examples: ExampleStore) -> None:
        datasets.add("d", OLD, [image(1, "x")])
        assert datasets.add_to_pool("d", OLD, [image(1)]) == [AddedExample(False, ("x",))]
        assert (names(waiting(pools)), labels(examples)) == ([], {"1.jpg": ("x",)})

    def test_a_label_takes_an_image_out(self, datasets: DatasetStore, pools: PoolStore, examples: ExampleStore) -> None:
        datasets.add_to_pool("d", OLD, [image(1), image(2)])
        datasets.add_to_pool("other", OLD, [image(1, stored=True)])
        assert datasets.add("d", OLD, [image(1, "x", stored=True)]) == [AddedExample(True, ("x",))]
        assert (names(waiting(pools)), labels(examples)) == (["2.jpg"], {"1.jpg": ("x",)})
        assert names(waiting(pools, "other")) == ["1.jpg"]
        assert datasets.get("d").pool_count == 1

    def test_what_lacks_features_is_asked_for(self, datasets: DatasetStore, pools: PoolStore) -> None:
        assert datasets.add_to_pool("d", OLD, [image(1, stored=True)]) == [None]
        assert datasets.get("d").backbone is None
        datasets.add("other", OLD, [image(1, "x")])
        assert datasets.add_to_pool("d", OLD, [image(1, stored=True)]) == [AddedExample(True, ())]
        assert datasets.add_to_pool("d", OLD, [image(1, stored=True)], [View.CROP, View.WHOLE]) == [None]

    def test_more_images_than_a_statement_holds(self, datasets: DatasetStore, pools: PoolStore) -> None:
        many = [NewExample(f"{n}", n.to_bytes(32), "", {"conv": np.full(2, n, np.float32)}) for n in range(1200)]
        datasets.add_to_pool("d", OLD, many)
        assert set(datasets.add_to_pool("d", OLD, many)) == {AddedExample(False, ())}
        assert len(pools.page("d", after=0, limit=2000)) == 1200

    def test_of_a_dataset_that_is_not_there(self, pools: PoolStore) -> None:
        with pytest.raises(ResourceNotFoundError):
            waiting(pools)


class TestTheBackbone:
    def test_an_image_that_waits_does_not_make_examples_stale(self, datasets: DatasetStore, pools: PoolStore) -> None:
        datasets.add("d", OLD, [image(1, "x")])
        datasets.add_to_pool("d", NEW, [image(2)])
        dataset = datasets.get("d")
        assert (dataset.backbone, dataset.stale_count) == (OLD, 0)
        assert names(waiting(pools, stale_only=True)) == ["2.jpg"]
        assert datasets.training_set("d").labels == ["x"]

    def test_of_a_pool_alone_it_is_the_newest_images(self, datasets: DatasetStore, pools: PoolStore) -> None:
        datasets.add_to_pool("d", OLD, [image(1)])
        datasets.add_to_pool("d", NEW, [image(2)])
        assert datasets.get("d").backbone == NEW
        assert [(entry.name, entry.stale) for entry in waiting(pools)] == [("1.jpg", True), ("2.jpg", False)]

    def test_it_stays_while_an_image_of_the_pool_has_it(self, datasets: DatasetStore, examples: ExampleStore) -> None:
        datasets.add("d", OLD, [image(1, "x")])
        datasets.add_to_pool("d", OLD, [image(2)])
        _, dataset = examples.remove("d", by(1))
        assert (dataset.backbone, dataset.pool_count) == (OLD, 1)
        _, dataset = examples.remove("d", by(2))
        assert (dataset.backbone, dataset.pool_count) == (None, 0)


class TestLabel:
    def test_it_makes_an_example_that_holds(
        self, datasets: DatasetStore, pools: PoolStore, examples: ExampleStore
    ) -> None:
        datasets.add("d", OLD, [image(1, "x")])
        datasets.add_to_pool("d", OLD, [image(2), image(3), image(4)])
        changed, dataset = examples.relabel("d", [*by(3), Selector(name="1.jpg"), Selector(name="2.jpg")], "y")
        assert (changed, dataset.class_counts, dataset.pool_count) == (3, {"y": 3}, 1)
        assert labels(examples) == {"1.jpg": ("y",), "3.jpg": ("y",), "2.jpg": ("y",)}
        assert names(waiting(pools)) == ["4.jpg"]
        assert datasets.add("d", OLD, [image(3, "z")]) == [AddedExample(False, ("y",), relabelled=True)]
        assert examples.relabel("d", by(3), "y")[0] == 0
        assert datasets.training_set("d").labels == ["y"] * 3

    def test_all_or_none(self, datasets: DatasetStore, pools: PoolStore, examples: ExampleStore) -> None:
        datasets.add_to_pool("d", OLD, [image(1)])
        with pytest.raises(ResourceNotFoundError):
            examples.relabel("d", by(1, 9), "y")
        assert (names(waiting(pools)), labels(examples)) == (["1.jpg"], {})

    def test_an_example_goes_back(self, datasets: DatasetStore, pools: PoolStore, examples: ExampleStore) -> None:
        datasets.add("d", OLD, [image(1, "x"), image(1, "y"), image(2, "x")])
        datasets.add_to_pool("d", OLD, [image(3)])
        changed, dataset = examples.return_to_pool("d", by(1, 3))
        assert (changed, dataset.class_counts, dataset.pool_count) == (1, {"x": 1}, 2)
        assert names(waiting(pools)) == ["3.jpg", "1.jpg"]
        assert labels(examples) == {"2.jpg": ("x",)}
        [kept] = [entry for entry in waiting(pools, with_thumbnails=True) if entry.name == "1.jpg"]
        assert (kept.source, kept.thumbnail) == (PoolSource.ADDED, b"jpeg")
        assert datasets.add("d", OLD, [image(1, "z")]) == [AddedExample(True, ("z",))]

    def test_a_name_of_an_example_and_of_a_waiting_image_names_several(
        self, datasets: DatasetStore, examples: ExampleStore
    ) -> None:
        datasets.add("d", OLD, [NewExample("same", sha256(1), "x", {"conv": np.ones(2, np.float32)})])
        datasets.add_to_pool("d", OLD, [NewExample("same", sha256(2), "", {"conv": np.ones(2, np.float32)})])
        with pytest.raises(InvalidFieldError, match="names several"):
            examples.remove("d", [Selector(name="same")])


class TestSelect:
    def test_examples_come_first_and_what_is_not_there_is_left_out(
        self, datasets: DatasetStore, examples: ExampleStore
    ) -> None:
        datasets.add_to_pool("d", OLD, [image(4), image(3)])
        datasets.add("d", OLD, [image(2, "x"), image(1, "x")])
        chosen = [*by(3, 1, 9), Selector(name="2.jpg"), Selector(name="none"), *by(4)]
        found = examples.select("d", chosen, with_thumbnails=True)
        assert names(found) == ["2.jpg", "1.jpg", "4.jpg", "3.jpg"]
        assert [entry.source for entry in found] == [None, None, PoolSource.ADDED, PoolSource.ADDED]
        assert [entry.thumbnail for entry in found] == [b"jpeg"] * 4


class TestFeatures:
    """They are there as long as anything refers to them, and no longer."""

    SHARED = ("features", "feature_precisions", "perceptual_hashes", "thumbnails")

    @pytest.fixture(autouse=True)
    def added(self, datasets: DatasetStore) -> None:
        new = [NewExample(**{**vars(image(number)), "precision": "float32"}) for number in (1, 2)]
        datasets.add_to_pool("d", OLD, new)
        datasets.add("e", OLD, [image(1, "x")])

    def counts(self, database: Database) -> list[int]:
        return [count(database, table) for table in self.SHARED]

    def test_of_a_removed_image(self, database: Database, examples: ExampleStore, pools: PoolStore) -> None:
        assert self.counts(database) == [2, 2, 2, 3]
        removed, dataset = examples.remove("d", by(1, 2))
        assert (removed, dataset.pool_count) == (2, 0)
        assert self.counts(database) == [1, 1, 1, 1]

    def test_of_an_example_that_waits_elsewhere(
        self, database: Database, examples: ExampleStore, pools: PoolStore
    ) -> None:
        examples.remove("e", by(1))
        assert self.counts(database) == [2, 2, 2, 2]
        assert [entry.stale for entry in waiting(pools)] == [False, False]

    def test_of_deleted_datasets(self, database: Database, datasets: DatasetStore, pools: PoolStore) -> None:
        datasets.delete("e")
        assert self.counts(database) == [2, 2, 2, 2]
        datasets.add("e", OLD, [image(1, "x")])
        datasets.delete("d")
        assert self.counts(database) == [1, 1, 1, 1]
        assert count(database, "pool") == 0
        assert datasets.training_set("e").labels == ["x"]

    def test_of_former_digests(self, datasets: DatasetStore, pools: PoolStore) -> None:
        served = Backbone("old", "c" * 64, OLD.taps, {"a" * 64: "float32"})
        datasets.adopt(served)
        assert datasets.find_featurized(served, [sha256(1), sha256(2)]) == {sha256(1), sha256(2)}
        assert [entry.stale for entry in waiting(pools)] == [False, False]


class TestCapture:
    def capture(self, datasets: DatasetStore, *numbers: int) -> list[AddedExample | None]:
        return datasets.add_to_pool("d", OLD, [image(number) for number in numbers], source=PoolSource.CAPTURED)

    def test_it_is_told_apart_and_makes_no_dataset(self, datasets: DatasetStore, pools: PoolStore) -> None:
        with pytest.raises(ResourceNotFoundError):
            self.capture(datasets, 1)
        assert datasets.page("", 10) == []
        datasets.add("d", OLD, [image(1, "x")])
        datasets.add_to_pool("d", OLD, [image(2)])
        outcomes = self.capture(datasets, 1, 2, 3)
        assert outcomes == [AddedExample(False, ("x",)), AddedExample(False, ()), AddedExample(True, ())]
        assert {entry.name: entry.source for entry in waiting(pools)} == {
            "2.jpg": PoolSource.ADDED,
            "3.jpg": PoolSource.CAPTURED,
        }

    def test_what_somebody_adds_is_not_captured_any_more(self, datasets: DatasetStore, pools: PoolStore) -> None:
        datasets.add_to_pool("d", OLD, [image(1)])
        self.capture(datasets, 2)
        assert datasets.add_to_pool("d", OLD, [image(2)]) == [AddedExample(False, ())]
        assert {entry.source for entry in waiting(pools)} == {PoolSource.ADDED}

    def test_it_is_counted_and_expires(self, database: Database, datasets: DatasetStore, pools: PoolStore) -> None:
        datasets.add_to_pool("d", OLD, [image(9)])
        self.capture(datasets, 1, 2)
        between = datetime.datetime.now(datetime.UTC)
        self.capture(datasets, 3, 4, 5)
        captured = CapturedImages(database)
        assert [len(captured.list_since("d", moment)) for moment in (NEVER, between)] == [5, 3]
        assert captured.expire(between) == 2
        assert names(waiting(pools)) == ["9.jpg", "3.jpg", "4.jpg", "5.jpg"]
        three, four, five = captured.list_since("d", NEVER)
        assert captured.remove("d", [three, four, sha256(9)]) == 2
        assert names(waiting(pools)) == ["9.jpg", "5.jpg"]
        assert count(database, "features") == 2
        assert (captured.remove("other", [five]), captured.list_since("other", NEVER)) == (0, [])
        assert captured.expire(datetime.datetime.now(datetime.UTC)) == 1
        assert names(waiting(pools)) == ["9.jpg"]


def test_views_count_what_waits(datasets: DatasetStore) -> None:
    datasets.add_to_pool("d", OLD, [image(1), image(2)])
    assert datasets.find_views("d") == ((), {"": 2})
    datasets.add("d", OLD, [image(3, "x")])
    assert datasets.find_views("d") == ((), {"x": 1, "": 2})


class TestCandidates:
    TAPS = Backbone("old", "a" * 64, (Tap("conv", False, 2), Tap("scores", True, 3), Tap("later", False, 2, True)))

    def new(self, number: int, label: str = "", view: View = View.CROP) -> NewExample:
        vectors = {place(tap.name, view): np.full(tap.dimension, number, np.float32) for tap in self.TAPS.taps[:2]}
        return NewExample(f"{number}.jpg", sha256(number), label, vectors)

    @staticmethod
    def everything(pools: PoolStore) -> Candidates:
        return pools.candidates("d", lambda count, _: np.arange(count), lambda labels: np.arange(len(labels)))

    def test_they_have_features_at_the_taps_that_all_have(self, datasets: DatasetStore, pools: PoolStore) -> None:
        crop = replace(self.TAPS, taps=self.TAPS.taps[:2])
        datasets.add("d", crop, [self.new(7, "y"), self.new(1, "x"), self.new(2, "x"), self.new(2, "y")])
        datasets.add_to_pool("d", crop, [self.new(4), self.new(3)])
        datasets.add_to_pool("d", NEW, [image(5)])
        found = self.everything(pools)
        assert (found.contents, found.labels, found.classes) == ([sha256(4), sha256(3)], ["y", "x"], ("y", "x"))
        assert (found.pool_count, found.stale_count) == (3, 1)
        assert {tap: values.tolist() for tap, values in found.features.items()} == {"conv": [[4, 4], [3, 3]]}
        assert {tap: values.tolist() for tap, values in found.labelled.items()} == {"conv": [[7, 7], [1, 1]]}
        got = pools.get("d", [sha256(3), sha256(1)], with_thumbnails=False)
        assert {content: entry.name for content, entry in got.items()} == {sha256(3): "3.jpg"}

    def test_they_are_samples(self, datasets: DatasetStore, pools: PoolStore) -> None:
        datasets.add("d", OLD, [image(number, "x") for number in range(10, 14)])
        datasets.add_to_pool("d", OLD, [image(number) for number in range(5)])
        asked: list[tuple[int, int]] = []

        def sample(count: int, labelled: int) -> Indices:
            asked.append((count, labelled))
            return np.array([1, 3])

        found = pools.candidates("d", sample, lambda labels: np.array([len(labels) - 1]))
        assert asked == [(5, 4)]
        assert (found.contents, found.labels, found.stale_count) == ([sha256(1), sha256(3)], ["x"], 0)
        assert found.labelled["conv"].tolist() == [[13, 13]]

    def test_of_a_dataset_of_another_view(self, datasets: DatasetStore, pools: PoolStore) -> None:
        crop = replace(self.TAPS, taps=self.TAPS.taps[:2])
        whole = (View.WHOLE,)
        datasets.add_to_pool("d", crop, [self.new(1, view=View.WHOLE)], whole, stated=whole)
        assert self.everything(pools).features["conv"].tolist() == [[1, 1]]

    def test_of_an_empty_dataset(self, datasets: DatasetStore, pools: PoolStore, examples: ExampleStore) -> None:
        datasets.add_to_pool("d", OLD, [image(1)])
        assert (self.everything(pools).labels, self.everything(pools).labelled["conv"].shape) == ([], (0, 2))
        examples.remove("d", by(1))
        assert self.everything(pools) == Candidates([], {}, [], {}, (), 0, 0)
