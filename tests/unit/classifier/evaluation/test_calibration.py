"""Temperature scaling: it undoes what made scores too sure, and no example calibrates itself."""

import numpy as np
import pytest

from lastlayer.classifier.domain.head import softmax
from lastlayer.classifier.evaluation.calibration import LEAST_EXAMPLES, calibrate_folds, fit_temperature


def drawn(examples: int, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of three classes that mean what they say, and labels drawn by them."""
    random = np.random.default_rng(seed)
    scores = 2 * random.normal(size=(examples, 3))
    truth = (softmax(scores).cumsum(1) > random.random((examples, 1))).argmax(1)
    return scores, truth


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_the_factor_of_scores_is_found(factor: float) -> None:
    scores, truth = drawn(20_000)
    assert fit_temperature(factor * scores, truth, np.ones(20_000)) == pytest.approx(factor, rel=0.05)


def test_few_examples_set_no_temperature() -> None:
    scores, truth = drawn(LEAST_EXAMPLES - 1)
    assert fit_temperature(5 * scores, truth, np.ones(len(truth))) == 1


def test_scores_without_a_mistake_are_sharpened_within_bounds() -> None:
    truth = np.arange(60) % 3
    assert fit_temperature(np.eye(3)[truth], truth, np.ones(60)) == pytest.approx(0.25, rel=0.01)


def test_examples_count_by_their_weights() -> None:
    sure, truth = drawn(2000)
    scores = np.concatenate([4 * sure, sure])
    both = np.concatenate([truth, truth])
    half = np.arange(4000) < 2000
    assert fit_temperature(scores, both, half.astype(float)) > 3
    assert fit_temperature(scores, both, (~half).astype(float)) == pytest.approx(1, abs=0.1)


def test_a_fold_has_no_say_in_its_own_temperature() -> None:
    scores, truth = drawn(300)
    folds = np.arange(300) % 3
    before = calibrate_folds(3 * scores, truth, np.ones(300), folds)
    changed = np.where(folds == 1, (truth + 1) % 3, truth)
    after = calibrate_folds(3 * scores, changed, np.ones(300), folds)
    assert np.array_equal(before[folds == 1], after[folds == 1])
    assert not np.array_equal(before[folds != 1], after[folds != 1])
    assert before.sum(1) == pytest.approx(np.ones(300))
