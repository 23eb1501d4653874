"""The nearest vectors: exactly those that comparing all of them finds, though few are looked at."""

import numpy as np
import numpy.typing as npt
import pytest

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.domain.head import unit_length
from lastlayer.classifier.evaluation.likeness.nearest import (
    Bounds,
    Found,
    Sketches,
    find_directions,
    find_nearest,
    iterate_rows,
    prepare,
)

Vectors = npt.NDArray[np.float32]


def clustered(count: int, dimension: int = 64, seed: int = 0) -> Vectors:
    """Return prepared vectors of 20 kinds, as features of images are: near each other within a kind."""
    random = np.random.default_rng(seed)
    centres = random.exponential(size=(20, dimension))
    vectors = centres[random.integers(20, size=count)] + random.exponential(0.3, (count, dimension))
    return prepare(vectors.astype(np.float32))


def brute_force(query: Vectors, vectors: Vectors, candidates: npt.NDArray[np.bool_], count: int) -> Found:
    """Return the nearest by comparing all, in double precision."""
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(query.astype(np.float64))
    cosines = np.round(np.einsum("ij,j->i", exact, query.astype(np.float64)) / lengths, 12)
    rows = np.flatnonzero(candidates)
    rows = rows[np.lexsort((rows, -cosines[rows]))][:count]
    return Found(rows, 1 - cosines[rows])


class Reader:
    """Reads vectors, and counts them."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self.read = 0

    def __call__(self, rows: Indices) -> Vectors:
        self.read += len(rows)
        return self._vectors[rows]


def sketch(vectors: Vectors, directions: Vectors) -> Sketches:
    sketches = Sketches.empty(directions, len(vectors))
    for rows in iterate_rows(np.arange(len(vectors))):
        sketches.put(rows, vectors[rows])
    return sketches


@pytest.mark.parametrize("count", [1, 20, 300])
@pytest.mark.parametrize("kind", ["good", "poor", "none"])
def test_what_is_found_is_what_comparing_all_finds(kind: str, count: int) -> None:
    vectors = clustered(5000)
    random = np.random.default_rng(1)
    if kind == "good":
        directions = find_directions(vectors[::10], 16)
    else:  # any are right, and leave more to look at
        directions = np.linalg.qr(random.normal(size=(64, 2)))[0].astype(np.float32)
    sketches = sketch(vectors, directions)
    for number in range(20):
        query = vectors[number] if number % 2 else clustered(1, seed=number + 2)[0]
        candidates = random.random(5000) < (1 if number % 3 else 0.02)
        bounds = Bounds.unknown(5000) if kind == "none" else sketches.bound(query)
        bounds.leave_out(~candidates)
        expected = brute_force(query, vectors, candidates, count)
        for held in (None, vectors):
            found = find_nearest(query, bounds, count, Reader(vectors), held)
            assert found.rows.tolist() == expected.rows.tolist()
            assert np.abs(found.distances - expected.distances).max() < 1e-12


def test_bounds_hold_for_every_vector() -> None:
    vectors = clustered(3000)
    for directions in (find_directions(vectors[:500], 32), find_directions(vectors, 64)):
        sketches = sketch(vectors, directions)
        for query in vectors[:50]:
            exact = vectors.astype(np.float64) @ query.astype(np.float64)
            assert (sketches.bound(query).most >= exact).all()


def test_where_bounds_tell_little_all_held_vectors_are_multiplied_instead_of_looked_at() -> None:
    random = np.random.default_rng(0)
    vectors = prepare(random.exponential(size=(5000, 64)).astype(np.float32))
    sketches, reader = sketch(vectors, find_directions(vectors[::10], 4)), Reader(vectors)
    bounds = sketches.bound(vectors[7])
    assert find_nearest(vectors[7], bounds, 20, reader, vectors).rows[0] == 7
    assert reader.read < 100
    find_nearest(vectors[7], bounds, 20, reader)
    assert reader.read > 4000


def test_few_vectors_are_looked_at() -> None:
    vectors = clustered(20_000)
    sketches, reader = sketch(vectors, find_directions(vectors[::10], 32)), Reader(vectors)
    for query in vectors[:10]:
        find_nearest(query, sketches.bound(query), 20, reader)
    assert reader.read < 0.1 * 10 * len(vectors)


def test_the_same_image_is_at_no_distance_and_equal_ones_are_in_order() -> None:
    vectors = clustered(200)
    vectors[[150, 70, 30]] = vectors[10]
    for held in (None, vectors):
        found = find_nearest(vectors[10], Bounds.unknown(200), 6, Reader(vectors), held)
        assert found.rows[:4].tolist() == [10, 30, 70, 150]
        assert found.distances[:4].tolist() == [0, 0, 0, 0]
        assert found.distances[4] > 0


def test_equal_ones_at_the_end_are_in_order_however_many_there_are() -> None:
    vectors = np.repeat(clustered(3), 2000, axis=0)
    sketches = sketch(vectors, find_directions(vectors[::100], 8))
    found = find_nearest(vectors[0], sketches.bound(vectors[0]), 5, Reader(vectors))
    assert found.rows.tolist() == [0, 1, 2, 3, 4]


def test_there_may_be_fewer_or_none() -> None:
    vectors = clustered(5)
    bounds = Bounds.unknown(5)
    assert sorted(find_nearest(vectors[0], bounds, 20, Reader(vectors)).rows) == [0, 1, 2, 3, 4]
    bounds.leave_out(np.full(5, True))
    assert len(find_nearest(vectors[0], bounds, 20, Reader(vectors)).rows) == 0
    assert len(find_nearest(vectors[0], Bounds.unknown(0), 20, Reader(vectors)).rows) == 0


def test_an_image_without_any_feature_is_unlike_all() -> None:
    vectors = clustered(5)
    vectors[2] = 0
    found = find_nearest(vectors[0], Bounds.unknown(5), 5, Reader(vectors))
    assert (found.rows[-1], found.distances[-1]) == (2, 1)
    assert find_nearest(vectors[2], Bounds.unknown(5), 5, Reader(vectors)).distances.tolist() == [1] * 5


def test_directions_are_orthogonal_and_hold_most_of_the_length() -> None:
    vectors = clustered(2000)
    directions = find_directions(vectors, 24)
    assert np.abs(directions.T @ directions - np.eye(24)).max() < 1e-5
    best = np.sort(np.linalg.eigvalsh(vectors.T @ vectors))[-24:].sum()
    assert np.square(vectors @ directions).sum() > 0.99 * best
    assert find_directions(vectors[:, :8]).shape == (8, 8)


def test_vectors_are_prepared_as_heads_take_them() -> None:
    prepared = prepare(np.array([[4, 9, 0], [-1, 16, 0], [0, 0, 0]], np.float32))
    assert np.allclose(prepared, unit_length(np.array([[2, 3, 0], [0, 4, 0], [0, 0, 0]], np.float32)))
