"""The head: what it predicts, and its bytes, whole and damaged."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.domain.head import Head, softmax, unit_length


def head(*, unit: bool = True, classes: tuple[str, ...] = ("Brötchen", "猫", "a\nb")) -> Head:
    random = np.random.default_rng(7)
    return Head(
        taps=("shallow", "deep"),
        unit_length=unit,
        classes=classes,
        weights=random.normal(size=(5, len(classes))).astype(np.float32),
        biases=random.normal(size=len(classes)).astype(np.float32),
        l1=0.5,
        l2=0.01,
    )


def features(examples: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(8)
    return {
        "unused": random.normal(size=(examples, 4)).astype(np.float32),
        "deep": random.normal(size=(examples, 2)).astype(np.float32),
        "shallow": random.normal(size=(examples, 3)).astype(np.float32),
    }


def resealed(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def test_probabilities_are_the_softmax_of_the_taps_side_by_side() -> None:
    vectors = features(4)
    probabilities = head(unit=False).probabilities(vectors)
    scores = np.hstack([vectors["shallow"], vectors["deep"]]) @ head().weights + head().biases
    assert probabilities == pytest.approx(np.exp(scores) / np.exp(scores).sum(1, keepdims=True), rel=1e-5)
    assert probabilities.dtype == np.float64
    assert probabilities.sum(1) == pytest.approx(np.ones(4), abs=1e-12)


def test_unit_length_makes_the_scale_of_a_tap_irrelevant() -> None:
    vectors = features(4)
    scaled = {tap: values * np.float32(3) for tap, values in vectors.items()}
    assert head().probabilities(scaled) == pytest.approx(head().probabilities(vectors), rel=1e-5)
    assert head(unit=False).probabilities(scaled) != pytest.approx(head(unit=False).probabilities(vectors), rel=1e-2)


def test_a_vector_of_zeros_stays() -> None:
    vectors = np.array([[0, 0], [3, 4]], np.float32)
    assert unit_length(vectors) == pytest.approx(np.array([[0, 0], [0.6, 0.8]]))


def test_large_scores_do_not_overflow() -> None:
    assert softmax(np.array([[1e4, 0.0], [-1e4, -1e4]])) == pytest.approx(np.array([[1, 0], [0.5, 0.5]]))


def test_a_missing_tap_is_an_error() -> None:
    with pytest.raises(KeyError, match="deep"):
        head().probabilities({"shallow": np.zeros((1, 3), np.float32)})


@given(st.lists(st.text(), min_size=2, max_size=5, unique=True), st.booleans())
def test_bytes_round_trip(classes: list[str], unit: bool) -> None:
    original = head(unit=unit, classes=tuple(classes))
    restored = Head.from_bytes(original.to_bytes())
    assert (restored.taps, restored.unit_length, restored.classes) == (("shallow", "deep"), unit, tuple(classes))
    assert (restored.l1, restored.l2) == (0.5, 0.01)
    assert np.array_equal(restored.weights, original.weights)
    assert np.array_equal(restored.biases, original.biases)


def test_the_format_is_as_documented() -> None:
    name, header, rest = head().to_bytes().split(b"\n", 2)
    assert name == b"lastlayer head 1"
    assert json.loads(header) == {
        "taps": ["shallow", "deep"],
        "unit_length": True,
        "classes": ["Brötchen", "猫", "a\nb"],
        "dimension": 5,
        "l1": 0.5,
        "l2": 0.01,
        "threshold": 0.0,
        "square_root": False,
        "directions": 0,
        "max_distance": 0.0,
        "min_mean_cosine": 0.99,
        "views": ["crop"],
    }
    numbers = np.frombuffer(rest[:-32], "<f4")
    assert np.array_equal(numbers, np.append(head().weights, head().biases))


def test_a_head_of_the_first_release_rejects_nothing() -> None:
    name, header, rest = head().to_bytes().split(b"\n", 2)
    older = {
        key: value
        for key, value in json.loads(header).items()
        if key in ("taps", "unit_length", "classes", "dimension", "l1", "l2")
    }
    stored = resealed(b"\n".join([name, json.dumps(older).encode(), rest[:-32]]))
    assert (Head.from_bytes(stored).threshold, Head.from_bytes(stored).square_root) == (0, False)
    assert Head.from_bytes(replace(head(), threshold=0.7).to_bytes()).threshold == 0.7


@given(st.data())
def test_any_damage_is_noticed(data: st.DataObject) -> None:
    stored = bytearray(head().to_bytes())
    position = data.draw(st.integers(0, len(stored) - 1))
    stored[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StoreCorruptError):
        Head.from_bytes(bytes(stored))


@given(st.integers(0, len(head().to_bytes()) - 1))
def test_a_cut_is_noticed(length: int) -> None:
    with pytest.raises(StoreCorruptError):
        Head.from_bytes(head().to_bytes()[:length])


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (b"not json", "unknown header"),
        (b"[1, 2]", "unknown header"),
        (b'{"taps": ["shallow"], "code": "x"}', "unknown header"),
        (head().to_bytes().split(b"\n")[1].replace(b'"dimension": 5', b'"dimension": 500000000000'), "another size"),
        (head().to_bytes().split(b"\n")[1].replace(b'"dimension": 5', b'"dimension": -1'), "another size"),
    ],
)
def test_a_false_header_is_refused_before_anything_is_allocated(header: bytes, sentence: str) -> None:
    name, _, rest = head().to_bytes().split(b"\n", 2)
    with pytest.raises(StoreCorruptError, match=sentence):
        Head.from_bytes(resealed(b"\n".join([name, header, rest[:-32]])))
