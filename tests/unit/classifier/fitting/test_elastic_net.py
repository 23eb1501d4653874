"""The tutorial's regression: its optimality, and that scikit-learn finds the same one."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lastlayer.classifier.domain.head import softmax
from lastlayer.classifier.fitting.elastic_net import fit_elastic_net


def problem(examples: int, dimension: int, classes: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return raw class scores of the kind that networks give, with an offset, and classes that depend on them."""
    random = np.random.default_rng(seed)
    y = np.arange(examples) % classes
    centres = random.normal(size=(classes, dimension))
    return (2 + centres[y] + 1.5 * random.normal(size=(examples, dimension))).astype(np.float32), y


def subgradient(features: np.ndarray, y: np.ndarray, weights: np.ndarray, biases: np.ndarray) -> float:
    """Return the largest element of the least subgradient of the objective with L1 = L2 = 1: 0 at its minimum."""
    count = len(y)
    slopes = softmax(features @ weights + biases)
    slopes[np.arange(count), y] -= 1
    gradient = (features.astype(np.float64).T @ slopes + weights) / count
    least = np.where(
        weights != 0, np.abs(gradient + np.sign(weights) / count), np.maximum(np.abs(gradient) - 1 / count, 0)
    )
    return max(float(least.max()), float(np.abs(slopes.sum(0) / count).max()))


@pytest.mark.parametrize(("examples", "dimension", "classes"), [(8, 1000, 3), (60, 30, 4), (300, 20, 2)])
def test_ends_at_the_minimum(examples: int, dimension: int, classes: int) -> None:
    features, y = problem(examples, dimension, classes)
    weights, biases = fit_elastic_net(features, y, classes, l1=1.0, l2=1.0, tolerance=1e-6)
    assert subgradient(features, y, weights, biases) < 1e-5
    assert (weights == 0).any()


def test_finds_what_scikit_learn_finds() -> None:
    features, y = problem(60, 30, 4)
    weights, biases = fit_elastic_net(features, y, 4, l1=1.0, l2=1.0, tolerance=1e-8)
    reference = LogisticRegression(l1_ratio=0.5, C=0.5, solver="saga", tol=1e-10, max_iter=100_000, random_state=0)
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)  # saga hardly moves the biases otherwise
    reference.fit(centred, y)
    assert weights == pytest.approx(reference.coef_.T, abs=1e-4)
    assert softmax(features @ weights + biases) == pytest.approx(reference.predict_proba(centred), abs=1e-4)


def test_without_l1_no_weight_is_zero() -> None:
    features, y = problem(40, 10, 3)
    weights, _ = fit_elastic_net(features, y, 3, l1=0.0, l2=1.0, tolerance=1e-6)
    assert (weights != 0).all()


def test_the_callback_ends_it() -> None:
    features, y = problem(60, 30, 4)
    beats = []

    def callback() -> None:
        beats.append(1)
        if len(beats) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit_elastic_net(features, y, 4, l1=1.0, l2=1.0, tolerance=1e-8, callback=callback)
    assert len(beats) == 3
