"""Rejection: the threshold is one whose precision can be promised."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from lastlayer.classifier.evaluation.rejection import (
    PrecisionNotReachedError,
    choose_threshold,
    lower_bound,
    rejection_curve,
)


def predictions(best: list[float], correct: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of two classes, of which the first is always the best, and the classes."""
    probabilities = np.stack([best, 1 - np.array(best)], axis=1)
    return probabilities, np.where(correct, 0, 1)


def test_the_lower_bound_by_the_book() -> None:
    # All of n correct: the n-th root of 0.2. 8 of 10: the 20 % quantile of the beta distribution with 8 and 3.
    assert lower_bound(np.array([32.0, 8.0, 0.0]), np.array([32.0, 10.0, 5.0])) == pytest.approx(
        [0.2 ** (1 / 32), beta.ppf(0.2, 8, 3), 0]
    )


def test_the_threshold_by_hand() -> None:
    """0.95 takes 32 correct predictions in a row; 31 are promised no more than 0.949."""
    best = list(np.linspace(0.99, 0.51, 40))
    correct = [True] * 32 + [False] * 8
    assert choose_threshold(*predictions(best, correct), 0.95).threshold == pytest.approx(best[31])
    assert choose_threshold(*predictions(best, correct), 0.8).threshold == pytest.approx(best[35])
    with pytest.raises(PrecisionNotReachedError) as caught:
        choose_threshold(*predictions(best, [True] * 31 + [False] * 9), 0.95)
    assert caught.value.best == pytest.approx(0.2 ** (1 / 31))
    assert caught.value.needed == pytest.approx(40 * 32 / 31, rel=0.03)


def test_a_threshold_after_a_gap_is_not_taken() -> None:
    best = list(np.linspace(0.99, 0.51, 60))
    correct = [True] * 20 + [False] * 2 + [True] * 38
    assert choose_threshold(*predictions(best, correct), 0.9).threshold == pytest.approx(best[19])


def test_examples_of_a_cross_validation_promise_less() -> None:
    best, correct = list(np.linspace(0.99, 0.51, 40)), [True] * 40
    assert choose_threshold(*predictions(best, correct), 0.95).threshold == pytest.approx(0.51)
    with pytest.raises(PrecisionNotReachedError) as caught:
        choose_threshold(*predictions(best, correct), 0.95, inflation=1.8)
    assert caught.value.needed == pytest.approx(32 * 1.8, rel=0.05)


def test_a_precision_that_no_number_of_examples_has_is_refused() -> None:
    probabilities, y = predictions([0.9, 0.8, 0.7, 0.6], [False, True, True, True])
    with pytest.raises(PrecisionNotReachedError) as caught:
        choose_threshold(probabilities, y, 0.9)
    assert caught.value.needed is None


def test_a_promise_is_kept_by_four_of_five_thresholds() -> None:
    """Predictions are correct as often as their probability says; what is promised holds for new ones."""
    random = np.random.default_rng(5)
    kept = []
    for _ in range(300):
        best = random.uniform(0.5, 1, 150)
        correct = random.random(150) < best
        try:
            threshold = choose_threshold(*predictions(list(best), list(correct)), 0.9).threshold
        except PrecisionNotReachedError:
            continue
        kept.append((1 + threshold) / 2 >= 0.9)
    assert len(kept) > 60
    assert np.mean(kept) >= 0.75
    # By the observed share, as it was chosen before, half of them break it.


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
