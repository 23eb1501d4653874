"""Temperature scaling: it undoes what made scores too sure, and no example calibrates itself."""

import numpy as np
import pytest

from lastlayer.classifier.domain.head import softmax
from lastlayer.classifier.evaluation.calibration import LEAST_EXAMPLES, calibrate_folds, fit_temperature


def drawn(examples: int, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of three classes that mean what they say, and labels drawn by them."""
    random = np.random.default_rng(seed)
    scores = 2 * random.normal(size=(examples, 3))
    y = (softmax(scores).cumsum(1) > random.random((examples, 1))).argmax(1)
    return scores, y


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_the_factor_of_scores_is_found(factor: float) -> None:
    scores, y = drawn(20_000)
    assert fit_temperature(factor * scores, y, np.ones(20_000)) == pytest.approx(factor, rel=0.05)


def test_few_examples_set_no_temperature() -> None:
    scores, y = drawn(LEAST_EXAMPLES - 1)
    assert fit_temperature(5 * scores, y, np.ones(len(y))) == 1


def test_scores_without_a_mistake_are_sharpened_within_bounds() -> None:
    y = np.arange(60) % 3
    assert fit_temperature(np.eye(3)[y], y, np.ones(60)) == pytest.approx(0.25, rel=0.01)


def test_examples_count_by_their_weights() -> None:
    sure, y = drawn(2000)
    scores = np.concatenate([4 * sure, sure])
    both = np.concatenate([y, y])
    half = np.arange(4000) < 2000
    assert fit_temperature(scores, both, half.astype(float)) > 3
    assert fit_temperature(scores, both, (~half).astype(float)) == pytest.approx(1, abs=0.1)


def test_a_fold_has_no_say_in_its_own_temperature() -> None:
    scores, y = drawn(300)
    folds = np.arange(300) % 3
    before = calibrate_folds(3 * scores, y, np.ones(300), folds)
    changed = np.where(folds == 1, (y + 1) % 3, y)
    after = calibrate_folds(3 * scores, changed, np.ones(300), folds)
    assert np.array_equal(before[folds == 1], after[folds == 1])
    assert not np.array_equal(before[folds != 1], after[folds != 1])
    assert before.sum(1) == pytest.approx(np.ones(300))


@pytest.mark.parametrize("factor", [0.5, 2.5])
def test_scikit_learn_finds_the_same_temperature(factor: float) -> None:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression

    logits, y = drawn(500)
    logits = factor * (logits - logits.max(1, keepdims=True))  # it takes rows that sum to 1 for probabilities
    unchanged = LogisticRegression()
    unchanged.classes_, unchanged.coef_, unchanged.intercept_ = np.arange(3), np.eye(3), np.zeros(3)
    unchanged.n_features_in_ = 3
    reference = CalibratedClassifierCV(FrozenEstimator(unchanged), method="temperature").fit(logits, y)
    calibrated = softmax(logits / fit_temperature(logits, y, np.ones(500)))
    assert calibrated == pytest.approx(reference.predict_proba(logits), abs=1e-4)
