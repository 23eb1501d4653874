"""Held-out results: mistakes and suspicious labels, and their bytes, whole and damaged."""

import hashlib
import zlib

import numpy as np
import pytest

from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.evaluation.out_of_fold import OutOfFold


def contents(count: int) -> list[bytes]:
    return [hashlib.sha256(bytes([number])).digest() for number in range(count)]


def held_out(probabilities: list[list[float]], truth: list[int]) -> OutOfFold:
    return OutOfFold.of(contents(len(truth)), np.array(truth), np.array(probabilities))


def test_mistakes_come_the_most_confident_first() -> None:
    found = held_out([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]], [0, 0, 0, 1]).mistakes()
    assert [example.content_sha256 for example in found] == [contents(4)[2], contents(4)[1]]
    assert (found[0].label, found[0].predicted) == (0, 1)
    assert (found[0].label_probability, found[0].predicted_probability) == pytest.approx((0.2, 0.8))


def test_a_label_is_suspicious_where_another_class_is_as_probable_as_for_its_own_examples() -> None:
    # On average the examples of the second class have it with 0.7: the third example has it with less, the fourth with
    # more.
    probabilities = [[0.9, 0.1], [0.8, 0.2], [0.45, 0.55], [0.1, 0.9], [0.3, 0.7], [0.3, 0.7]]
    found = held_out(probabilities, [0, 0, 0, 0, 1, 1])
    assert [example.content_sha256 for example in found.suspicious()] == [contents(6)[3]]
    assert [example.content_sha256 for example in found.mistakes()] == [contents(6)[3], contents(6)[2]]


def test_planted_wrong_labels_are_found() -> None:
    random = np.random.default_rng(1)
    truth = np.arange(300) % 3
    scores = 6 * np.eye(3)[truth] + random.normal(size=(300, 3))
    probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    labels = truth.copy()
    labels[::50] = (labels[::50] + 1) % 3
    names = [number.to_bytes(32, "big") for number in range(300)]
    found = OutOfFold.of(names, labels, probabilities).suspicious()
    assert {int.from_bytes(example.content_sha256, "big") for example in found[:6]} == set(range(0, 300, 50))


def test_neighbours_tell_a_wrong_label_from_a_hard_image() -> None:
    """Two images are as improbable; the neighbours of one have another label, those of the other have its own."""
    random = np.random.default_rng(0)
    truth = np.arange(40) % 2
    vectors = (np.eye(2)[truth] @ random.uniform(1, 2, (2, 8)) ** 4 + random.uniform(0, 0.1, (40, 8))).astype(
        np.float32
    )
    labels = truth.copy()
    labels[7] = 0  # wrong
    probabilities = np.where(np.eye(2)[labels] > 0, 0.9, 0.1)
    probabilities[[7, 8]] = [0.3, 0.7]
    found = OutOfFold.of(contents(40), labels, probabilities, vectors)
    assert [example.content_sha256 for example in found.suspicious()] == [contents(40)[7]]
    assert [example.content_sha256 for example in found.mistakes()] == [contents(40)[7], contents(40)[8]]
    read = OutOfFold.from_bytes(found.to_bytes())
    assert read.suspicious() == found.suspicious()


def test_more_planted_labels_are_found_with_neighbours_than_without() -> None:
    random = np.random.default_rng(3)
    truth = np.arange(300) % 3
    vectors = np.abs(np.repeat(np.eye(3), 8, axis=1)[truth] + random.normal(0, 0.7, (300, 24))).astype(np.float32)
    labels = truth.copy()
    planted = random.choice(300, 30, replace=False)
    labels[planted] = (labels[planted] + 1) % 3
    scores = 1.2 * np.eye(3)[truth] + 0.8 * np.eye(3)[labels] + random.normal(0, 0.7, (300, 3))
    probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    names = [number.to_bytes(32, "big") for number in range(300)]

    def correct(vectors_given: object) -> int:
        found = OutOfFold.of(names, labels, probabilities, vectors_given).suspicious()[:30]  # type: ignore[arg-type]
        return len({int.from_bytes(example.content_sha256, "big") for example in found} & set(planted.tolist()))

    assert correct(vectors) >= correct(None) + 5


def test_what_earlier_releases_stored_is_read() -> None:
    probabilities = [("label_probability", "<f4"), ("predicted_probability", "<f4")]
    names = [("content_sha256", "u1", 32), ("label", "<u4"), ("predicted", "<u4")]
    entries = np.zeros(2, np.dtype([*names, *probabilities, ("suspicious", "u1")]))
    entries["label"], entries["predicted"] = [0, 1], [1, 0]
    entries["label_probability"], entries["predicted_probability"] = [0.4, 0.1], [0.6, 0.9]
    entries["suspicious"] = 1
    content = b"lastlayer held out 1\n" + entries.tobytes()
    read = OutOfFold.from_bytes(content + zlib.crc32(content).to_bytes(4, "little"))
    assert [example.label for example in read.suspicious()] == [1, 0]
    assert [example.label for example in read.mistakes()] == [1, 0]


def test_they_are_read_as_they_were_written() -> None:
    one = held_out([[0.4, 0.6], [0.2, 0.8]], [0, 1])
    read = OutOfFold.from_bytes(one.to_bytes())
    assert read.mistakes() == one.mistakes()
    assert len(one.to_bytes()) < 200
    assert OutOfFold.from_bytes(OutOfFold.of([], np.zeros(0, np.intp), np.zeros((0, 2))).to_bytes()).mistakes() == []


@pytest.mark.parametrize("damage", [lambda stored: stored[:-1], lambda stored: stored[1:], lambda stored: b""])
def test_damage_is_noticed(damage: object) -> None:
    stored = held_out([[0.4, 0.6]], [0]).to_bytes()
    with pytest.raises(StoreCorruptError, match="train the model again"):
        OutOfFold.from_bytes(damage(stored))  # type: ignore[operator]
    for position in range(len(stored)):
        changed = bytes([*stored[:position], stored[position] ^ 1, *stored[position + 1 :]])
        with pytest.raises(StoreCorruptError):
            OutOfFold.from_bytes(changed)
