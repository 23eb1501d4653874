"""Rejection: the threshold is the least that keeps the promise on held-out predictions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.classifier.domain.errors import DatasetNotTrainableError
from lastlayer.classifier.evaluation.rejection import choose_threshold, rejection_curve


def predictions(best: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of two classes, of which the first is always the best, and the truth."""
    probabilities = np.stack([best, 1 - np.array(best)], axis=1)
    return probabilities, np.where(right, 0, 1)


def test_the_least_threshold_by_hand() -> None:
    best = [0.99, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.55, 0.53, 0.51]
    right = [True, True, True, True, False, True, True, False, True, False]
    assert choose_threshold(*predictions(best, right), 1.0 - 1e-9).threshold == 0.85
    assert choose_threshold(*predictions(best, right), 0.85).threshold == 0.85  # 4 of 5 is less, though 6 of 7 is not
    assert choose_threshold(*predictions(best, right), 0.8).threshold == 0.6
    assert choose_threshold(*predictions(best, right), 0.7).threshold == 0.51


def test_a_promise_that_cannot_be_kept_is_refused_with_what_can() -> None:
    probabilities, truth = predictions([0.9, 0.8, 0.7, 0.6], [False, True, True, True])
    with pytest.raises(
        DatasetNotTrainableError, match=r"precision of 0\.9 .* up to 0\.75 is possible.*`min_precision`"
    ):
        choose_threshold(probabilities, truth, 0.9)


def test_one_sure_mistake_among_hundreds_does_not_spoil_it() -> None:
    """Thresholds that accept less than a tenth are not heeded."""
    best = list(np.linspace(0.99, 0.6, 200))
    right = [index != 0 for index in range(200)]
    assert choose_threshold(*predictions(best, right), 0.95).threshold == pytest.approx(0.6)


@given(st.integers(0, 2**32 - 1), st.integers(20, 200), st.floats(0.5, 0.95))
def test_what_is_accepted_is_as_precise_as_promised(seed: int, examples: int, precision: float) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(3), examples).round(2)  # rounded, so that some are the same
    truth = random.integers(3, size=examples)
    try:
        rejection = choose_threshold(probabilities, truth, precision)
    except DatasetNotTrainableError:
        return
    accepted = probabilities.max(1) >= rejection.threshold
    assert (probabilities.argmax(1) == truth)[accepted].mean() >= precision
    assert accepted.mean() >= 0.1


def test_the_curve_trades_coverage_for_precision() -> None:
    probabilities, truth = predictions([0.95, 0.9, 0.6, 0.55], [True, True, True, False])
    curve = rejection_curve(probabilities, truth)
    assert (curve[0].threshold, curve[0].precision, curve[0].coverage) == (0, 0.75, 1)
    assert [point.threshold for point in curve] == sorted(point.threshold for point in curve)
    assert curve[-1].threshold == pytest.approx(0.95)
    assert (curve[-1].precision, curve[-1].coverage) == (1, 0.25)
