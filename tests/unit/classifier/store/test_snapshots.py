"""The features of a dataset at one tap: of which images there are some, and of what they are."""

import numpy as np
import pytest

from lastlayer.classifier.domain.types import Backbone, NewExample, Tap
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.vectors.snapshots import Snapshots
from lastlayer.rpc.errors import ResourceNotFoundError
from lastlayer.rpc.vectors import View, place

CONV, POOL = Tap("conv", False, 2), Tap("pool", False, 3)
SCORES, LATER = Tap("scores", True, 2), Tap("later", False, 2, added_later=True)


@pytest.fixture
def snapshots(database: Database) -> Snapshots:
    return Snapshots(database)


def content(number: int) -> bytes:
    return number.to_bytes(32, "big")


def example(number: int, label: str, backbone: Backbone, view: View = View.CROP) -> NewExample:
    vectors = {place(tap.name, view): np.full(tap.dimension, number, np.float32) for tap in backbone.taps}
    return NewExample(f"{number}.jpg", content(number), label, vectors)


@pytest.mark.parametrize(
    ("taps", "expected"),
    [((CONV, POOL, SCORES), "pool"), ((CONV, POOL, LATER), "later"), ((SCORES,), "scores"), ((CONV,), "conv")],
)
def test_the_deepest_tap_without_class_scores(
    datasets: DatasetStore, snapshots: Snapshots, taps: tuple[Tap, ...], expected: str
) -> None:
    # What a backbone is declared with when its first features come was there from the start.
    backbone = Backbone("b", "b" * 64, taps)
    datasets.add("d", backbone, [example(1, "x", backbone)])
    with snapshots.open("d") as snapshot:
        assert snapshot.source is not None
        assert (snapshot.source.tap.name, snapshot.source.view) == (expected, View.CROP)


def test_a_tap_that_came_later_is_not_what_images_are_compared_by(datasets: DatasetStore, snapshots: Snapshots) -> None:
    first, grown = Backbone("b", "b" * 64, (CONV,)), Backbone("b", "b" * 64, (CONV, POOL))
    datasets.add("d", first, [example(1, "x", first)])
    datasets.add("d", grown, [example(2, "x", grown)])
    with snapshots.open("d") as snapshot:
        assert snapshot.source is not None
        assert snapshot.source.tap.name == "conv"
        assert snapshot.list_images().contents == [content(1), content(2)]


def test_the_view_that_a_dataset_has(datasets: DatasetStore, snapshots: Snapshots) -> None:
    backbone = Backbone("b", "b" * 64, (CONV,))
    views = [View.WHOLE]
    datasets.add("d", backbone, [example(4, "x", backbone, View.WHOLE)], views, stated=views)
    with snapshots.open("d") as snapshot:
        assert snapshot.source is not None
        assert snapshot.source.view == View.WHOLE
        images = snapshot.list_images()
        [vectors] = snapshot.read_vectors(images.contents)
    assert vectors.tolist() == [[4, 4]]


def test_examples_come_first_each_once_and_those_without_features_are_counted(
    datasets: DatasetStore, snapshots: Snapshots
) -> None:
    old, new = Backbone("o", "a" * 64, (CONV,)), Backbone("n", "b" * 64, (CONV,))
    datasets.add("d", old, [example(1, "x", old), example(2, "x", old)])
    datasets.add_to_pool("d", old, [example(3, "", old)])
    datasets.add_to_pool("d", new, [example(4, "", new)])
    datasets.add("d", new, [example(5, "y", new), example(6, "x", new), example(5, "x", new)])
    with snapshots.open("d") as snapshot:
        images = snapshot.list_images()
    assert images.contents == [content(5), content(6), content(4)]
    assert images.labels == [("y", "x"), ("x",), ()]
    assert (images.example_count, images.stale_count, images.pool_stale_count) == (2, 2, 1)


def test_a_state_tells_whether_anything_has_changed(datasets: DatasetStore, snapshots: Snapshots) -> None:
    backbone = Backbone("b", "b" * 64, (CONV,))
    states = []

    def look() -> None:
        with snapshots.open("d") as snapshot:
            states.append(snapshot.state)

    datasets.add("d", backbone, [example(1, "x", backbone)])
    look()
    look()
    datasets.add("d", backbone, [example(1, "x", backbone)])
    look()
    assert len(set(states)) == 1
    datasets.add("d", backbone, [example(2, "x", backbone)])
    look()
    datasets.add_to_pool("d", backbone, [example(3, "", backbone)])
    look()
    datasets.delete("d")
    datasets.add("d", backbone, [example(1, "x", backbone)])
    look()
    assert len(set(states)) == 4


def test_a_dataset_that_there_is_not(snapshots: Snapshots) -> None:
    with pytest.raises(ResourceNotFoundError), snapshots.open("d"):
        pass
