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
    """The posterior of a beta prior that is worth 10 examples: its 5 % quantile."""
    shares, counts, expected = np.array([1.0, 0.8, 0.0]), np.array([32.0, 10.0, 5.0]), np.array([0.9, 0.8, 0.6])
    assert lower_bound(shares, counts, expected) == pytest.approx(
        [beta.ppf(0.05, 32 + 9, 1), beta.ppf(0.05, 16, 4), beta.ppf(0.05, 6, 9)]
    )
    assert lower_bound(np.array([1.0]), np.array([5.0]), np.array([1.0]))[0] < 1


def test_the_threshold_by_hand() -> None:
    """Of 40 predictions with a probability of 0.9 the surest are correct; the head expects 9 of 10."""
    best = list(np.linspace(0.91, 0.89, 60))
    correct = [True] * 45 + [False] * 15
    enough = next(n for n in range(60) if beta.ppf(0.05, n + 9, 1) >= 0.9)
    assert enough == 20
    threshold = choose_threshold(*predictions(best, correct), 0.9).threshold
    accepted = int((np.array(best) >= threshold).sum())
    assert accepted > 45  # some of those that are wrong, as the bound stays at 0.9
    assert beta.ppf(0.05, 45 + 9, accepted - 45 + 1) >= 0.9 - 0.01
    with pytest.raises(PrecisionNotReachedError) as caught:
        choose_threshold(*predictions(best, [True] * 15 + [False] * 45), 0.9)
    assert caught.value.best == pytest.approx(beta.ppf(0.05, 15 + 9, 1), abs=0.01)
    assert caught.value.needed == pytest.approx(60 * 20 / 15, rel=0.1)


def test_what_the_head_expects_counts_for_few_examples() -> None:
    """The same row of correct predictions is lucky where the head doubts them, and likely where it does not."""
    correct = [True] * 30
    assert choose_threshold(*predictions(list(np.linspace(0.99, 0.9, 30)), correct), 0.9).threshold < 0.95
    with pytest.raises(PrecisionNotReachedError):
        choose_threshold(*predictions(list(np.linspace(0.6, 0.51, 30)), correct), 0.9)


def test_no_head_is_so_sure_that_what_was_seen_does_not_count() -> None:
    """Of the surest two both are wrong: nothing is promised, whatever the head says."""
    best, correct = list(np.linspace(0.99, 0.98, 20)), [False] * 2 + [True] * 4 + [False] * 14
    with pytest.raises(PrecisionNotReachedError) as caught:
        choose_threshold(*predictions(best, correct), 0.7)
    assert caught.value.best <= 0.7


def test_a_threshold_after_a_gap_is_not_taken() -> None:
    best = list(np.linspace(0.99, 0.51, 80))
    correct = [True] * 24 + [False] * 4 + [True] * 52
    accepted = np.array(best) >= choose_threshold(*predictions(best, correct), 0.9).threshold
    assert 15 <= accepted.sum() <= 25


def test_examples_of_a_cross_validation_promise_less() -> None:
    best, correct = list(np.linspace(0.91, 0.89, 30)), [True] * 30
    assert choose_threshold(*predictions(best, correct), 0.9).threshold == pytest.approx(0.89)
    with pytest.raises(PrecisionNotReachedError) as caught:
        choose_threshold(*predictions(best, correct), 0.9, inflation=1.8)
    assert caught.value.needed == pytest.approx(20 * 1.8, rel=0.1)


def test_a_precision_that_no_number_of_examples_has_is_refused() -> None:
    probabilities, y = predictions([0.9, 0.8, 0.7, 0.6], [False, True, True, True])
    with pytest.raises(PrecisionNotReachedError) as caught:
        choose_threshold(probabilities, y, 0.9)
    assert caught.value.needed is None


def test_a_promise_is_kept_by_nine_of_ten_thresholds() -> None:
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
    assert np.mean(kept) >= 0.9
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
