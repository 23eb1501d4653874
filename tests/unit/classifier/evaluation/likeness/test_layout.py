"""Layouts in two dimensions, of many vectors, of few, and of the same one many times."""

import sys
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.decomposition import PCA

from lastlayer.classifier.domain.errors import MapNotOfferedError
from lastlayer.classifier.domain.head import unit_length
from lastlayer.classifier.evaluation.likeness import layout
from lastlayer.classifier.evaluation.likeness.layout import (
    COMPONENTS,
    find_components,
    find_neighbours,
    fit,
    offers_neighbours,
    place_by_components,
    place_by_neighbours,
)

Vectors = npt.NDArray[np.float32]


def in_blocks(vectors: Vectors) -> Callable[[], Iterator[Vectors]]:
    return lambda: (vectors[start : start + 37] for start in range(0, len(vectors), 37))


def groups(count: int, kinds: int = 3, dimension: int = 20) -> tuple[Vectors, npt.NDArray[np.intp]]:
    random = np.random.default_rng(0)
    kind = np.arange(count) % kinds
    return (5 * random.normal(size=(kinds, dimension))[kind] + random.normal(size=(count, dimension))).astype(
        "f4"
    ), kind


@pytest.mark.parametrize("dimension", [3, 20, 80])
def test_components_are_those_of_scikit_learn(dimension: int) -> None:
    vectors, _ = groups(200, dimension=dimension)
    found = find_components(in_blocks(vectors))
    kept = min(COMPONENTS, dimension)
    expected = PCA(kept).fit_transform(vectors.astype(np.float64))
    assert found.shape == expected.shape == (200, kept)
    signs = np.sign((found * expected).sum(0))
    assert np.abs(found * signs - expected)[:, : min(kept, 20)].max() < 1e-2


def test_components_do_not_depend_on_blocks() -> None:
    vectors, _ = groups(100)
    assert np.abs(find_components(in_blocks(vectors)) - find_components(lambda: [vectors])).max() < 1e-3


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_a_few_images_have_places_by_components(count: int) -> None:
    vectors, _ = groups(count)
    places = place_by_components(find_components(in_blocks(vectors)))
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    assert np.abs(places).max(initial=0) == pytest.approx(float(count > 1), abs=1e-6)


@pytest.mark.parametrize("count", [1, 5, 50])
def test_images_that_are_all_the_same_are_in_the_middle(count: int) -> None:
    vectors = unit_length(np.repeat(groups(1)[0], count, axis=0))
    components = find_components(in_blocks(vectors))
    assert (place_by_components(components) == 0).all()
    if count >= 10:
        assert (place_by_neighbours(components) == 0).all()


def test_one_feature_makes_a_line() -> None:
    places = place_by_components(find_components(in_blocks(groups(50, dimension=1)[0])))
    assert np.ptp(places[:, 0]) == pytest.approx(2)
    assert (places[:, 1] == 0).all()


def test_neighbours_are_those_of_comparing_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_DISTANCES", 50_000)
    vectors, _ = groups(1100)
    neighbours, distances = find_neighbours(vectors, 7)
    exact = np.linalg.norm(vectors[:50, None].astype(np.float64) - vectors[None], axis=2)
    exact[np.arange(50), np.arange(50)] = np.inf
    assert np.abs(distances[:50] - np.sort(exact, axis=1)[:, :7]).max() < 1e-3
    assert np.abs(np.take_along_axis(exact, neighbours[:50], 1) - distances[:50]).max() < 1e-3


def test_groups_come_apart_by_neighbours_and_come_out_the_same_each_time() -> None:
    vectors, kind = groups(120)
    components = find_components(in_blocks(vectors))
    told: list[float] = []
    places = place_by_neighbours(components, told.append)
    assert np.abs(places).max() == pytest.approx(1)
    nearest, _ = find_neighbours(places.astype(np.float32), 10)
    assert (kind[nearest] == kind[:, None]).mean() > 0.99
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    assert (place_by_neighbours(components) == places).all()


@pytest.mark.parametrize("count", [10, 11, 31])
def test_fewer_images_than_the_perplexity(count: int) -> None:
    vectors, _ = groups(count)
    vectors[1:4] = vectors[0]  # and some are the same
    places = place_by_neighbours(find_components(in_blocks(vectors)))
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()


def test_work_ends_where_it_is_told_to() -> None:
    components = find_components(in_blocks(groups(60)[0]))

    def stop(share: float) -> None:
        if share > 0.3:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        place_by_neighbours(components, stop)


def test_without_the_library_neighbours_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offers_neighbours()
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(MapNotOfferedError, match=r"lastlayer\[map\]") as refused:
        place_by_neighbours(find_components(in_blocks(groups(60)[0])))
    assert refused.value.metadata == {"method": "neighbors"}


def test_places_fit_in_their_proportions() -> None:
    places = fit(np.array([[0.0, 0.0], [4.0, 1.0], [2.0, 0.5]]))
    assert places.tolist() == [[-1, -0.25], [1, 0.25], [0, 0]]
