"""The discriminant is scikit-learn's, with weights."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from lastlayer.classifier.fitting.discriminant import SHRINKAGE, fit_discriminant


def examples(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = np.arange(60) % 3
    features = random.normal(size=(60, 8)) * np.arange(1, 9) + y[:, None]
    return features - features.mean(0), y


def test_it_is_that_of_scikit_learn() -> None:
    features, y = examples()
    solution = fit_discriminant(features, y, 3, np.ones(60))
    assert solution is not None
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE, priors=np.ones(3) / 3)
    theirs.fit(features, y)
    assert solution[:-1] == pytest.approx(theirs.coef_.T)
    assert solution[-1] == pytest.approx(theirs.intercept_ + np.log(3))


def test_a_weight_of_two_is_an_example_twice() -> None:
    features, y = examples(1)
    weights = np.where(np.arange(60) < 30, 2.0, 1.0)
    twice = np.concatenate([np.arange(60), np.arange(30)])
    weighted = fit_discriminant(features, y, 3, weights)
    repeated = fit_discriminant(features[twice], y[twice], 3, np.ones(90))
    assert weighted is not None
    assert weighted == pytest.approx(repeated)


def test_what_is_left_out_has_no_say() -> None:
    features, y = examples(2)
    kept = np.arange(60) % 4 > 0
    solution = fit_discriminant(features, y, 3, kept.astype(float))
    assert solution is not None
    assert solution == pytest.approx(fit_discriminant(features[kept], y[kept], 3, np.ones(kept.sum())))


@pytest.mark.parametrize(
    ("features", "y", "weights"),
    [
        (np.zeros((6, 0)), np.arange(6) % 2, np.ones(6)),  # nothing to tell by
        (np.zeros((6, 3)), np.arange(6) % 2, np.ones(6)),  # nothing varies
        (np.eye(3), np.arange(3), np.ones(3)),  # one example a class
        (np.eye(6), np.arange(6) % 2, np.arange(6) % 2 * 1.0),  # a class is left out
    ],
)
def test_there_is_none(features: np.ndarray, y: np.ndarray, weights: np.ndarray) -> None:
    assert fit_discriminant(features, y, int(y.max()) + 1, weights) is None
