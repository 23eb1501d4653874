"""When a file is near enough to the service."""

import numpy as np
import pytest

from lastlayer.featurizer.errors import ConversionError
from lastlayer.featurizer.network.conversion.comparison import Comparison, check, check_agreement, compare

EXPECTED = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.4, 0.3, 0.3]])


def test_the_same_predictions_are_the_same() -> None:
    found = compare(EXPECTED, EXPECTED.astype(np.float32))
    assert (found.images, found.same) == (3, 3)
    assert 0 < found.mean <= found.largest < 1e-7
    check(found, quantized=False)


def test_another_best_class_and_the_largest_difference_are_found() -> None:
    other = EXPECTED.copy()
    other[1] = [0.1, 0.4, 0.5]
    found = compare(EXPECTED, other)
    assert (found.same, round(found.largest, 9), round(found.mean, 9)) == (2, 0.1, round(0.2 / 9, 9))
    with pytest.raises(ConversionError, match=r"same on 2 of 3 images.* up to 0\.1, and at most 0\.001.*nothing was"):
        check(found, quantized=False)


def test_of_two_classes_that_are_as_probable_either_may_be_the_best() -> None:
    even = np.array([[0.5 + 1e-6, 0.5 - 1e-6]])
    assert compare(even, even[:, ::-1]).same == 1


@pytest.mark.parametrize(("largest", "near"), [(0.00099, True), (0.00101, False)])
def test_the_tolerance_is_a_thousandth(largest: float, near: bool) -> None:
    found = Comparison(images=10, same=10, largest=largest, mean=0)
    if near:
        check(found, quantized=False)
    else:
        with pytest.raises(ConversionError):
            check(found, quantized=False)


@pytest.mark.parametrize(("same", "near"), [(95, True), (94, False)])
def test_a_quantized_file_may_be_farther_but_not_predict_otherwise(same: int, near: bool) -> None:
    found = Comparison(images=100, same=same, largest=0.3, mean=0.01)
    if near:
        check(found, quantized=True)
    else:
        with pytest.raises(ConversionError, match="94 of 100 images, and at least 95%"):
            check(found, quantized=True)


def test_what_decodes_or_rounds_in_another_way_may_be_farther_as_well() -> None:
    check_agreement(Comparison(images=100, same=95, largest=0.3, mean=0.01), "The file")
    with pytest.raises(ConversionError, match=r"The file has the best class .* on 94 of 100 .* nothing was written\."):
        check_agreement(Comparison(images=100, same=94, largest=0.3, mean=0.01), "The file")


def test_what_is_no_number_is_never_near() -> None:
    found = compare(EXPECTED, np.full_like(EXPECTED, np.nan))
    for quantized in (False, True):
        with pytest.raises(ConversionError, match="no numbers"):
            check(found, quantized=quantized)
