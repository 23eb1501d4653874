"""Datasets held in memory between searches: always as the store has them, and no more read again than has changed."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lastlayer.classifier.domain.types import Backbone, NewExample, Tap
from lastlayer.classifier.evaluation.likeness import collection
from lastlayer.classifier.evaluation.likeness.collection import Collection, Collections
from lastlayer.classifier.evaluation.likeness.nearest import prepare
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.images.examples import ExampleStore, Selector
from lastlayer.classifier.store.vectors.snapshots import Snapshot, Snapshots
from lastlayer.rpc.errors import NotReadyError, ResourceNotFoundError

TAPS = (Tap("shallow", False, 3), Tap("deep", False, 12), Tap("scores", True, 5))
OLD, NEW = Backbone("old", "a" * 64, TAPS), Backbone("new", "b" * 64, TAPS)


class Counted(Snapshots):
    """Counts the vectors that are read."""

    read = 0

    @contextlib.contextmanager
    def open(self, dataset: str) -> Iterator[Snapshot]:
        with super().open(dataset) as snapshot:
            read = snapshot.read_vectors

            def count(contents: Sequence[bytes]) -> Iterator[npt.NDArray[np.float32]]:
                self.read += len(contents)
                return read(contents)

            snapshot.read_vectors = count  # type: ignore[method-assign]
            yield snapshot

    def taken(self) -> int:
        """Return how many were read since this was asked last."""
        read, self.read = self.read, 0
        return read


@pytest.fixture
def database(tmp_path: Path, empty_store: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{shutil.copy(empty_store, tmp_path / 'store.db')}")
    yield opened
    opened.close()


@pytest.fixture
def snapshots(database: Database) -> Counted:
    return Counted(database)


@pytest.fixture
def collections(snapshots: Counted) -> Collections:
    return Collections(snapshots)


def content(number: int) -> bytes:
    return number.to_bytes(32, "big")


def vector(number: int, backbone: Backbone = OLD) -> npt.NDArray[np.float32]:
    return np.random.default_rng([number, len(backbone.name), backbone is NEW]).exponential(size=12).astype(np.float32)


def example(number: int, label: str = "", backbone: Backbone = OLD) -> NewExample:
    vectors = {tap.name: np.ones(tap.dimension, np.float32) for tap in TAPS} | {"deep": vector(number, backbone)}
    return NewExample(f"{number}.jpg", content(number), label, vectors)


def add(database: Database, *numbers: int, label: str = "x", backbone: Backbone = OLD, dataset: str = "d") -> None:
    DatasetStore(database).add(dataset, backbone, [example(number, label, backbone) for number in numbers])


def by(number: int) -> list[Selector]:
    return [Selector(prefix=content(number))]


def search(collections: Collections, number: int, dataset: str = "d", count: int = 1000, **wanted: Any) -> list[int]:
    """Return the numbers of the images that are nearest to one; checks that they are in the order that they should."""
    asked = {"label": "", "pool": False, "without": b"", **wanted}
    with collections.open(dataset) as found:
        if found is None:
            return []
        query = prepare(vector(number)[None])[0]
        candidates = found.candidates(**asked)
        nearest = found.search(query, candidates, count)
        numbers = [int.from_bytes(found.contents[row], "big") for row in nearest.rows]
    distances = [1 - float(prepare(vector(other)[None])[0] @ query) for other in numbers]
    assert np.abs(np.array(distances) - nearest.distances).max(initial=0) < 1e-6
    assert distances == pytest.approx(sorted(distances), abs=1e-6)
    return numbers


def stale(found: Collection | None, *, pool: bool = False) -> int:
    assert found is not None
    return found.count_stale(pool=pool)


@pytest.fixture(params=["few", "many", "too many to hold"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the datasets of a test are treated, as few as their images are."""
    if request.param != "few":
        monkeypatch.setattr(collection, "_SKETCHED", 5)
    if request.param == "too many to hold":
        monkeypatch.setattr(collection, "_MOST_VECTOR_BYTES", 0)
    kind: str = request.param
    return kind


@pytest.mark.usefixtures("size")
class TestSearches:
    def test_what_is_near(self, database: Database, collections: Collections) -> None:
        add(database, *range(30))
        assert sorted(search(collections, 3)) == list(range(30))
        assert search(collections, 3)[0] == 3
        assert search(collections, 3, count=5) == search(collections, 3)[:5]
        assert 3 not in search(collections, 3, without=content(3))

    def test_by_label(self, database: Database, collections: Collections) -> None:
        add(database, *range(10), label="x")
        add(database, *range(8, 20), label="y")
        assert sorted(search(collections, 3, label="x")) == list(range(10))
        assert sorted(search(collections, 3, label="y")) == list(range(8, 20))
        assert search(collections, 3, label="z") == []

    def test_with_the_pool_and_without(self, database: Database, collections: Collections) -> None:
        add(database, *range(10))
        DatasetStore(database).add_to_pool("d", OLD, [example(number) for number in range(10, 16)])
        assert sorted(search(collections, 12)) == list(range(10))
        assert sorted(search(collections, 12, pool=True)) == list(range(16))
        assert sorted(search(collections, 12, pool=True, label="x")) == list(range(10))
        ExampleStore(database).relabel("d", by(12), "x")
        assert sorted(search(collections, 12)) == [*range(10), 12]

    def test_changes_are_seen(self, database: Database, collections: Collections) -> None:
        add(database, *range(10))
        assert sorted(search(collections, 0)) == list(range(10))
        add(database, *range(5, 20))
        assert sorted(search(collections, 0)) == list(range(20))
        ExampleStore(database).remove("d", by(7))
        assert sorted(search(collections, 0)) == [*range(7), *range(8, 20)]
        ExampleStore(database).relabel("d", by(3), "y")
        assert sorted(search(collections, 0, label="y")) == [3]
        assert 3 not in search(collections, 0, label="x")
        DatasetStore(database).delete("d")
        with pytest.raises(ResourceNotFoundError):
            search(collections, 0)
        add(database, 40, 41)
        assert sorted(search(collections, 0)) == [40, 41]

    def test_images_of_another_backbone_are_left_out_until_they_come_again(
        self, database: Database, collections: Collections
    ) -> None:
        add(database, *range(10), backbone=NEW)
        add(database, *range(10, 18))
        assert sorted(search(collections, 12)) == list(range(10, 18))
        with collections.open("d") as found:
            assert stale(found) == 10
            assert found is not None
            assert found.find(content(3)) is None
        # Even by another dataset, of which this one does not hear.
        add(database, 3, dataset="other")
        assert sorted(search(collections, 12)) == [3, *range(10, 18)]
        with collections.open("d") as found:
            assert stale(found) == 9

    def test_another_backbone(self, database: Database, collections: Collections) -> None:
        add(database, *range(10))
        search(collections, 3)
        add(database, *range(10), 11, backbone=NEW)
        with collections.open("d") as found:
            assert found is not None
            assert found.source.backbone.digest == NEW.digest
            held = found.find(content(3))
            assert held is not None
            assert np.allclose(held, prepare(vector(3, NEW)[None])[0])


def test_nothing_is_read_twice(database: Database, collections: Collections, snapshots: Counted) -> None:
    add(database, *range(10))
    search(collections, 3)
    assert snapshots.taken() == 10
    search(collections, 4)
    ExampleStore(database).relabel("d", by(3), "y")
    search(collections, 4)
    assert snapshots.taken() == 0
    add(database, 10, 11, 12)
    ExampleStore(database).remove("d", by(0))
    search(collections, 4)
    assert snapshots.taken() == 3


def test_few_vectors_are_read_of_what_is_too_many_to_hold(
    database: Database, collections: Collections, snapshots: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "_MOST_VECTOR_BYTES", 0)
    add(database, *range(300))
    first = search(collections, 3, count=5)
    assert snapshots.taken() >= 300
    assert search(collections, 3, count=5) == first
    assert snapshots.taken() < 100


def test_the_datasets_that_were_searched_last_are_held(
    database: Database, collections: Collections, snapshots: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 10 * (100 + 4 * 12)
    monkeypatch.setattr(collection, "_MOST_BYTES", 2 * size)
    for dataset in "abc":
        add(database, *range(10), dataset=dataset)
        search(collections, 3, dataset)
    snapshots.taken()
    search(collections, 3, "c")
    search(collections, 3, "b")
    assert snapshots.taken() == 0
    search(collections, 3, "a")
    assert snapshots.taken() == 10
    search(collections, 3, "c")
    assert snapshots.taken() == 10


def test_a_dataset_without_images(database: Database, collections: Collections) -> None:
    add(database, 1)
    ExampleStore(database).remove("d", by(1))
    assert search(collections, 3) == []


def test_a_service_that_stops_does_not_read_on(database: Database, snapshots: Counted) -> None:
    add(database, *range(10))
    with pytest.raises(NotReadyError, match="stopping"), Collections(snapshots, lambda: True).open("d"):
        pass
