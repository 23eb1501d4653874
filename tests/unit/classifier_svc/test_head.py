"""The head's probabilities, and its bytes: what was written is read, and nothing else."""

import dataclasses

import numpy as np
import pytest

from classifier_svc.head import Head, softmax, unit_length
from rpc.errors import StoreCorruptError


@pytest.fixture
def head() -> Head:
    random = np.random.default_rng(3)
    return Head(
        taps=("mixed4d", "mixed4e"),
        unit_length=True,
        classes=("Grün", "青", 'quo"te'),
        weights=random.normal(size=(7, 3)).astype(np.float32),
        biases=random.normal(size=3).astype(np.float32),
        l1=0.0,
        l2=0.01,
    )


def test_probabilities_are_the_softmax_of_the_taps_side_by_side(head: Head) -> None:
    random = np.random.default_rng(4)
    features = {"mixed4d": random.normal(size=(5, 3)), "mixed4e": random.normal(size=(5, 4)), "other": np.zeros((5, 1))}
    features = {tap: values.astype(np.float32) for tap, values in features.items()}
    side_by_side = np.hstack([unit_length(features["mixed4d"]), unit_length(features["mixed4e"])])
    expected = softmax(side_by_side.astype(np.float64) @ head.weights + head.biases)
    probabilities = head.probabilities(features)
    assert probabilities == pytest.approx(expected, abs=1e-6)
    assert probabilities.sum(1) == pytest.approx(np.ones(5), abs=1e-12)


def test_a_missing_tap_is_an_error(head: Head) -> None:
    with pytest.raises(KeyError):
        head.probabilities({"mixed4d": np.zeros((1, 3), np.float32)})


def test_large_scores_do_not_overflow() -> None:
    assert softmax(np.array([[1e5, 0.0], [-1e5, 0.0]])) == pytest.approx(np.array([[1.0, 0.0], [0.0, 1.0]]))


def test_a_vector_of_zeros_has_no_length_to_scale() -> None:
    assert unit_length(np.zeros((1, 3), np.float32)).tolist() == [[0, 0, 0]]


def test_the_bytes_are_read_back(head: Head) -> None:
    read = Head.from_bytes(head.to_bytes())
    assert read.weights.tobytes() == head.weights.tobytes()
    assert read.biases.tobytes() == head.biases.tobytes()
    without_arrays = {"weights": None, "biases": None}
    assert dataclasses.replace(read, **without_arrays) == dataclasses.replace(head, **without_arrays)


def test_any_damage_is_noticed(head: Head) -> None:
    stored = head.to_bytes()
    for position in range(0, len(stored), 7):
        damaged = bytearray(stored)
        damaged[position] ^= 0x40
        with pytest.raises(StoreCorruptError):
            Head.from_bytes(bytes(damaged))
    for length in (0, 1, 40, len(stored) - 1):
        with pytest.raises(StoreCorruptError):
            Head.from_bytes(stored[:length])
