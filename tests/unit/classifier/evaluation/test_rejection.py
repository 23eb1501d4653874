"""Rejection: the threshold is the least that keeps the promise on held-out predictions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.classifier.evaluation.rejection import PrecisionNotReachedError, choose_threshold, rejection_curve


def predictions(best: list[float], correct: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of two classes, of which the first is always the best, and the classes."""
    probabilities = np.stack([best, 1 - np.array(best)], axis=1)
    return probabilities, np.where(correct, 0, 1)


def test_the_least_threshold_by_hand() -> None:
    best = [0.99, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.55, 0.53, 0.51]
    correct = [True, True, True, True, False, True, True, False, True, False]
    assert choose_threshold(*predictions(best, correct), 1.0 - 1e-9).threshold == 0.85
    assert choose_threshold(*predictions(best, correct), 0.85).threshold == 0.85  # 4 of 5 is less, though 6 of 7 is not
    assert choose_threshold(*predictions(best, correct), 0.8).threshold == 0.6
    assert choose_threshold(*predictions(best, correct), 0.7).threshold == 0.51


def test_a_precision_that_cannot_be_had_is_refused_with_what_can() -> None:
    probabilities, y = predictions([0.9, 0.8, 0.7, 0.6], [False, True, True, True])
    with pytest.raises(PrecisionNotReachedError) as caught:
        choose_threshold(probabilities, y, 0.9)
    assert caught.value.best == 0.75


def test_one_sure_mistake_among_hundreds_does_not_spoil_it() -> None:
    """Thresholds that accept less than a tenth are not heeded."""
    best = list(np.linspace(0.99, 0.6, 200))
    correct = [index != 0 for index in range(200)]
    assert choose_threshold(*predictions(best, correct), 0.95).threshold == pytest.approx(0.6)


@given(st.integers(0, 2**32 - 1), st.integers(20, 200), st.floats(0.5, 0.95))
def test_what_is_accepted_is_as_precise_as_promised(seed: int, examples: int, precision: float) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(3), examples).round(2)  # rounded, so that some are the same
    y = random.integers(3, size=examples)
    try:
        rejection = choose_threshold(probabilities, y, precision)
    except PrecisionNotReachedError:
        return
    accepted = probabilities.max(1) >= rejection.threshold
    assert (probabilities.argmax(1) == y)[accepted].mean() >= precision
    assert accepted.mean() >= 0.1


def test_the_curve_trades_coverage_for_precision() -> None:
    probabilities, y = predictions([0.95, 0.9, 0.6, 0.55], [True, True, True, False])
    curve = rejection_curve(probabilities, y)
    assert (curve[0].threshold, curve[0].precision, curve[0].coverage) == (0, 0.75, 1)
    assert [point.threshold for point in curve] == sorted(point.threshold for point in curve)
    assert curve[-1].threshold == pytest.approx(0.95)
    assert (curve[-1].precision, curve[-1].coverage) == (1, 0.25)
