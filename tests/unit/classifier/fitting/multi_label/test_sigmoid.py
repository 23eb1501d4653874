"""Regressions of independent labels are those of scikit-learn, one by one, and folds together."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lastlayer.classifier.domain.arrays import Array
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.multi_label import sigmoid
from lastlayer.classifier.fitting.multi_label.sigmoid import fit_sigmoid, iterate_scores, losses_of
from lastlayer.classifier.fitting.pca import rotate


@pytest.fixture(scope="module")
def made() -> tuple[Array, Array]:
    """Features [n, d] and targets [n, c] that they tell in part."""
    random = np.random.default_rng(0)
    features = random.normal(size=(120, 20)).astype(np.float32)
    scores = features @ random.normal(size=(20, 4)) + random.normal(size=(120, 4)) * 3
    return features, (scores > [0, 2, -2, 4]).astype(float)


def test_each_label_is_scikit_learns_regression(made: tuple[Array, Array]) -> None:
    features, targets = made
    rotated = rotate(features)
    l2 = np.array([0.01, 0.1, 1.0, 10.0])
    blocks = FeatureBlocks([rotated.values], np.float64)
    solution = fit_sigmoid(blocks, targets, np.ones((120, 1)), l2, tolerance=1e-7)[:, 0]
    for label in range(4):
        model = LogisticRegression(C=1 / l2[label], solver="newton-cholesky", tol=1e-8)
        model.fit(features, targets[:, label])
        weights, bias = rotated.restore(solution[:-1, label : label + 1])
        np.testing.assert_allclose(weights[:, 0], model.coef_[0], atol=1e-5)
        assert solution[-1, label] + bias[0] == pytest.approx(model.intercept_[0], abs=1e-5)


def test_folds_and_labels_are_fitted_together_as_alone(made: tuple[Array, Array], monkeypatch) -> None:
    features, targets = made
    blocks = FeatureBlocks([rotate(features).values], np.float64)
    weights = (np.arange(120)[:, None] % 3 != np.arange(3)).astype(float)
    l2 = np.array([[0.1, 1, 1, 0.1]] * 3)
    together = fit_sigmoid(blocks, targets, weights, l2, tolerance=1e-8)
    monkeypatch.setattr(sigmoid, "_MOST_NUMBERS", 1)  # one label at a time
    np.testing.assert_allclose(fit_sigmoid(blocks, targets, weights, l2, tolerance=1e-8), together, atol=1e-6)
    alone = fit_sigmoid(blocks, targets[:, 1:2], weights[:, 2:], l2[0, 1:2], tolerance=1e-8)
    np.testing.assert_allclose(alone[:, 0, 0], together[:, 2, 1], atol=1e-6)
    logits = np.concatenate([scores for _, scores in iterate_scores(blocks, together)])
    assert logits.shape == (120, 3, 4)
    assert losses_of(np.array([800.0, -800.0]), np.array([1.0, 0.0])).tolist() == [0, 0]  # without overflow
