"""Whether the neighbours of examples have the same label."""

import numpy as np
import pytest

from lastlayer.classifier.evaluation.likeness import label_agreement
from lastlayer.classifier.evaluation.likeness.label_agreement import NEIGHBOURS, neighbour_margins, others_best


def test_the_best_of_the_others() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.7, 0.2, 0.1]])
    assert others_best(probabilities, np.array([0, 1, 2])) == pytest.approx([0.2, 0.7, 0.7])
    assert others_best(np.ones((2, 1)), np.array([0, 0])) == pytest.approx([0, 0])
    assert others_best(np.zeros((0, 2)), np.zeros(0, np.intp)).shape == (0,)


def test_all_neighbours_agree_or_none_does() -> None:
    vectors = np.repeat(np.eye(2, dtype=np.float32), NEIGHBOURS + 5, axis=0)
    y = np.repeat([0, 1], NEIGHBOURS + 5)
    y[0] = 1
    found = neighbour_margins(vectors, y, np.array([0, len(y) - 1]), 2)
    assert found == pytest.approx([-1, 1])


def test_the_nearer_count_more() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [0, 1], [0.01, 1]], np.float32)
    y = np.array([0, 0, 1, 1])
    assert (neighbour_margins(vectors, y, np.arange(4), 2) > 0.99).all()


def test_an_example_is_no_neighbour_of_itself() -> None:
    vectors = np.array([[1, 0], [1, 0]], np.float32)
    assert neighbour_margins(vectors, np.array([0, 1]), np.arange(2), 2) == pytest.approx([-1, -1])
    assert neighbour_margins(vectors[:1], np.array([0]), np.arange(1), 2) == pytest.approx([0])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    vectors, y = random.uniform(0, 1, (100, 6)).astype(np.float32), random.integers(0, 3, 100)
    rows = random.choice(100, 30, replace=False)
    at_once = neighbour_margins(vectors, y, rows, 3)
    monkeypatch.setattr(label_agreement, "_BLOCK", 7)
    np.testing.assert_allclose(neighbour_margins(vectors, y, rows, 3), at_once, rtol=1e-6)
