"""Which labels of images are in doubt, and their bytes in the store."""

import numpy as np
import pytest

from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.evaluation.multi_label.out_of_fold import OutOfFoldLabels

CONTENTS = [bytes([number]) * 32 for number in range(20)]


@pytest.fixture
def results() -> OutOfFoldLabels:
    """One label that half of the images have; one has it and should not, one lacks it and should not."""
    targets = np.zeros((20, 2), bool)
    targets[:10, 0] = True
    targets[0, 1] = True  # too few to tell
    probabilities = np.where(targets, 0.9, 0.1)
    probabilities[3, 0], probabilities[15, 0] = 0.02, 0.95
    return OutOfFoldLabels(CONTENTS, targets, probabilities, probabilities >= 0.5)


def test_what_contradicts_its_label_is_suspicious(results: OutOfFoldLabels) -> None:
    first, second = results.suspicious()
    assert (first.content_sha256, first.label, first.has_it) == (CONTENTS[3], 0, True)
    assert (second.content_sha256, second.label, second.has_it) == (CONTENTS[15], 0, False)
    assert second.probability == pytest.approx(0.95)
    assert [entry.content_sha256 for entry in results.mistakes()] == [CONTENTS[3], CONTENTS[15]]


def test_they_are_the_same_once_stored(results: OutOfFoldLabels) -> None:
    stored = results.to_bytes()
    assert OutOfFoldLabels.wrote(stored)
    again = OutOfFoldLabels.from_bytes(stored)
    assert again.suspicious() == results.suspicious()
    assert again.contents == set(CONTENTS)


@pytest.mark.parametrize("damage", [lambda stored: stored[:-1], lambda stored: b"x" + stored, lambda _: b""])
def test_what_is_damaged_is_told(results: OutOfFoldLabels, damage) -> None:
    with pytest.raises(StoreCorruptError, match="train the model again"):
        OutOfFoldLabels.from_bytes(damage(results.to_bytes()))
