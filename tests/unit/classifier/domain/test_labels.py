"""Labels that look the same are the same."""

import pytest

from lastlayer.classifier.domain.labels import normalize_classes, normalize_label
from lastlayer.classifier.service.validation import check_label

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("label", [COMPOSED, DECOMPOSED, f" {DECOMPOSED}\t"])
def test_composed_and_decomposed_labels_are_one_class(label: str) -> None:
    assert normalize_label(label) == COMPOSED
    assert check_label("label", label) == COMPOSED


def test_the_classes_of_an_older_head_are_normalised_and_stay_different() -> None:
    assert normalize_classes([DECOMPOSED, "tea"]) == (COMPOSED, "tea")
    assert normalize_classes([COMPOSED, DECOMPOSED]) == (COMPOSED, DECOMPOSED)
    assert normalize_classes([DECOMPOSED, COMPOSED]) == (DECOMPOSED, COMPOSED)
