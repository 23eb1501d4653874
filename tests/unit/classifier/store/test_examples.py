"""Examples in a real SQLite database: selected, relabelled, removed, and what that leaves of their dataset."""

import numpy as np
import pytest

from lastlayer.classifier.domain.errors import DatasetNotTrainableError
from lastlayer.classifier.domain.types import Backbone, NewExample, StoredExample, Tap
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.images.examples import ExampleStore, Filter, Selector
from lastlayer.rpc.errors import BackboneMismatchError, InvalidFieldError, ResourceNotFoundError

OLD = Backbone("old", "a" * 64, (Tap("conv", False, 2),))
NEW = Backbone("new", "b" * 64, (Tap("conv", False, 2),))


@pytest.fixture
def store(database: Database) -> ExampleStore:
    return ExampleStore(database)


def example(content: bytes, label: str = "x", name: str = "") -> NewExample:
    return NewExample(name or content.hex(), content, label, {"conv": np.ones(2, np.float32)}, thumbnail=b"jpeg")


def content(*beginning: int) -> bytes:
    return bytes(beginning).ljust(32, b"\0")


def every(store: ExampleStore, dataset: str = "d") -> list[StoredExample]:
    return store.page(dataset, Filter(), after=0, limit=1000, with_thumbnails=True)


class TestSelectors:
    NAMES = ("1.jpg", "2.jpg", "same", "same", "last")
    CONTENTS = (content(1, 2, 3, 4), content(1, 2, 3, 5), content(9), content(8), bytes([255] * 32))

    @pytest.fixture(autouse=True)
    def added(self, datasets: DatasetStore) -> None:
        new = [example(content, name=name) for content, name in zip(self.CONTENTS, self.NAMES, strict=True)]
        datasets.add("d", OLD, new)

    def relabelled(self, store: ExampleStore, *selectors: Selector) -> list[str]:
        store.relabel("d", selectors, "y")
        return [entry.name for entry in every(store) if entry.labels == ("y",)]

    def test_by_name_by_beginning_and_by_the_whole_checksum(self, store: ExampleStore) -> None:
        chosen = Selector(name="2.jpg"), Selector(prefix=self.CONTENTS[2]), Selector(prefix=bytes([1, 2, 3, 4]))
        assert self.relabelled(store, *chosen) == ["1.jpg", "2.jpg", "same"]

    def test_the_last_checksum_that_there_can_be(self, store: ExampleStore) -> None:
        assert self.relabelled(store, Selector(prefix=bytes([255] * 4))) == ["last"]

    def test_one_that_is_named_twice_counts_once(self, store: ExampleStore) -> None:
        twice = Selector(name="1.jpg"), Selector(prefix=self.CONTENTS[0])
        changed, _ = store.relabel("d", twice, "y")
        removed, dataset = store.remove("d", twice)
        assert (changed, removed, dataset.class_counts) == (1, 1, {"x": 4})

    def test_more_names_than_a_statement_holds(self, store: ExampleStore, datasets: DatasetStore) -> None:
        names = [f"more {number}" for number in range(700)]
        datasets.add("d", OLD, [example(content(7, *number.to_bytes(2)), name=names[number]) for number in range(700)])
        assert self.relabelled(store, *(Selector(name=name) for name in names)) == names

    @pytest.mark.parametrize("unclear", [Selector(name="same"), Selector(prefix=bytes([1, 2, 3]))])
    def test_what_names_several_is_refused(self, store: ExampleStore, unclear: Selector) -> None:
        with pytest.raises(InvalidFieldError, match="names several examples of the dataset `d`") as caught:
            store.remove("d", [Selector(name="1.jpg"), unclear])
        assert caught.value.field == "examples[1]"
        assert len(every(store)) == 5

    @pytest.mark.parametrize("unknown", [Selector(name="3.jpg"), Selector(prefix=bytes([1, 2, 3, 6]))])
    def test_what_names_none_is_refused(self, store: ExampleStore, unknown: Selector) -> None:
        with pytest.raises(ResourceNotFoundError, match=r"`d` has none that `examples\[1\]` of the request names"):
            store.relabel("d", [Selector(name="1.jpg"), unknown], "y")
        assert {entry.labels for entry in every(store)} == {("x",)}

    def test_examples_of_another_dataset_are_not_meant(self, store: ExampleStore, datasets: DatasetStore) -> None:
        datasets.add("other", OLD, [example(content(1, 2, 3, 4), name="theirs")])
        with pytest.raises(ResourceNotFoundError):
            store.remove("d", [Selector(name="theirs")])
        store.remove("d", [Selector(prefix=content(1, 2, 3, 4))])
        [theirs] = every(store, "other")
        assert (theirs.stale, theirs.thumbnail) == (False, b"jpeg")


def test_a_conflict_is_resolved_where_it_arrived_first(store: ExampleStore, datasets: DatasetStore) -> None:
    datasets.add("d", OLD, [example(content(1), "a"), example(content(2), "b"), example(content(1), "c")])
    store.relabel("d", [Selector(prefix=content(1))], "c")
    assert [(entry.content_sha256, entry.labels) for entry in every(store)] == [
        (content(1), ("c",)),
        (content(2), ("b",)),
    ]
    assert list(datasets.get("d").class_counts) == ["c", "b"]


class TestTheBackboneThatIsLeft:
    def test_removing_what_another_backbone_featurized_undoes_the_move(
        self, store: ExampleStore, datasets: DatasetStore
    ) -> None:
        datasets.add("d", OLD, [example(content(1), "a"), example(content(2), "b")])
        datasets.add("d", NEW, [example(content(3), "b")])
        assert datasets.get("d").stale_count == 2
        _, dataset = store.remove("d", [Selector(prefix=content(3))])
        assert (dataset.backbone, dataset.stale_count) == (OLD, 0)
        assert datasets.training_set("d").labels == ["a", "b"]

    def test_it_stays_while_an_example_has_its_features(self, store: ExampleStore, datasets: DatasetStore) -> None:
        datasets.add("d", OLD, [example(content(1))])
        datasets.add("d", NEW, [example(content(2)), example(content(3))])
        _, dataset = store.remove("d", [Selector(prefix=content(3))])
        assert (dataset.backbone, dataset.stale_count) == (NEW, 1)

    def test_an_empty_dataset_has_none(self, store: ExampleStore, datasets: DatasetStore) -> None:
        datasets.add("d", OLD, [example(content(1))])
        _, dataset = store.remove("d", [Selector(prefix=content(1))])
        assert (dataset.backbone, dataset.class_counts, dataset.stale_count) == (None, {}, 0)
        with pytest.raises(DatasetNotTrainableError, match="`d` has no examples"):
            datasets.training_set("d")


def test_which_images_are_to_be_added_again_is_said(datasets: DatasetStore) -> None:
    datasets.add("d", OLD, [example(content(number), name=f"{number}.jpg") for number in (9, 7, 5, 3, 1, 2)])
    datasets.add("d", NEW, [example(content(7))])
    with pytest.raises(BackboneMismatchError) as caught:
        datasets.training_set("d")
    assert str(caught.value).endswith("add these again: `9.jpg`, `5.jpg`, `3.jpg`, `1.jpg`, `2.jpg`.")
    datasets.add("d", OLD, [NewExample("", content(4), "x", {"conv": np.ones(2, np.float32)})])
    datasets.add("d", NEW, [example(content(number)) for number in (9, 5, 3, 1, 2)])
    with pytest.raises(BackboneMismatchError, match="add these again: `040000000000`"):
        datasets.training_set("d")
