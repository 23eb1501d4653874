"""Near duplicates: the most similar training image of each evaluated one, in blocks of any size."""

import numpy as np
import pytest

from classifier_svc.neighbours import LEAST_SIMILARITY, near_duplicates
from classifier_svc.records import TapExamples


def training(count: int, dimension: int = 32) -> TapExamples:
    vectors = np.random.default_rng(1).normal(size=(count, dimension)).astype(np.float32)
    return TapExamples([f"{number}.jpg" for number in range(count)], ["cat", "dog"] * (count // 2), vectors)


def test_the_nearest_is_found_across_blocks_whatever_its_length() -> None:
    known = training(10_000)
    evaluated = np.stack([3 * known.vectors[9_001], known.vectors[17], -known.vectors[5]])
    found = near_duplicates(["a", "b", "c"], evaluated, known)
    assert {(near.name, near.training_name, near.training_label) for near in found} == {
        ("a", "9001.jpg", "dog"),
        ("b", "17.jpg", "dog"),
    }
    assert [near.similarity for near in found] == pytest.approx([1, 1])


def test_the_most_similar_comes_first_and_the_unlike_not_at_all() -> None:
    known = training(4)
    noise = np.random.default_rng(2).normal(size=(3, 32)).astype(np.float32)
    evaluated = np.stack([known.vectors[0] + 0.15 * noise[0], known.vectors[1], known.vectors[2] + 2 * noise[2]])
    found = near_duplicates(["near", "same", "unlike"], evaluated, known)
    assert [near.name for near in found] == ["same", "near"]
    assert LEAST_SIMILARITY <= found[1].similarity < found[0].similarity <= 1


def test_nothing_to_compare() -> None:
    assert near_duplicates([], np.zeros((0, 32), np.float32), training(4)) == []
    assert near_duplicates(["a"], np.ones((1, 32), np.float32), training(0)) == []
