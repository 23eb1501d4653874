"""The solver finds the minimum: against scikit-learn, by the conditions of optimality, and from any start."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from classifier_svc.head import softmax
from classifier_svc.solver import TrainingCancelledError, fit


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(11)
    truth = random.integers(0, 3, 60)
    features = random.normal(size=(60, 8)) + 1.5 * np.eye(3, 8)[truth]
    return features, truth


def test_l2_is_what_scikit_learn_finds(problem: tuple[np.ndarray, np.ndarray]) -> None:
    features, truth = problem
    solution = fit(features, truth, 3, l2=0.5, tolerance=1e-8)
    reference = LogisticRegression(C=1 / 0.5, tol=1e-10, max_iter=10_000).fit(features, truth)
    assert pytest.approx(reference.coef_, abs=1e-4) == solution.weights.T


def test_elastic_net_is_what_scikit_learn_finds(problem: tuple[np.ndarray, np.ndarray]) -> None:
    """ML.NET's L1 = L2 = 1 is C = 0.5 with an equal mix in scikit-learn's terms."""
    features, truth = problem
    solution = fit(features, truth, 3, l1=1.0, l2=1.0, tolerance=1e-8)
    reference = LogisticRegression(C=0.5, l1_ratio=0.5, solver="saga", tol=1e-10, max_iter=100_000, random_state=0)
    reference.fit(features, truth)
    assert pytest.approx(reference.coef_, abs=1e-4) == solution.weights.T
    assert (np.abs(solution.weights) < 1e-9).sum() == (np.abs(reference.coef_) < 1e-9).sum()


def test_elastic_net_fulfils_the_conditions_of_optimality_in_many_dimensions() -> None:
    """For each weight the gradient of the smooth part is -l1 sign(w) / n, or at most l1 / n where the weight is 0."""
    random = np.random.default_rng(5)
    truth = np.arange(20) % 2
    features = 10 * random.normal(size=(20, 300))
    solution = fit(features, truth, 2, l1=1.0, l2=1.0)
    slopes = softmax(solution.scores(features)) - np.eye(2)[truth]
    gradient = (features.T @ slopes + solution.weights) / 20
    nonzero = np.abs(solution.weights) > 1e-8
    assert 0 < nonzero.sum() < 100
    assert gradient[nonzero] == pytest.approx(-np.sign(solution.weights[nonzero]) / 20, abs=2e-4)
    assert np.abs(gradient[~nonzero]).max() <= 1 / 20 + 2e-4
    assert slopes.sum(0) / 20 == pytest.approx(np.zeros(2), abs=2e-4)


def test_a_start_elsewhere_leads_to_the_same_place(problem: tuple[np.ndarray, np.ndarray]) -> None:
    features, truth = problem
    cold = fit(features, truth, 3, l2=0.1, tolerance=1e-8)
    warm = fit(features, truth, 3, l2=0.1, tolerance=1e-8, start=fit(features, truth, 3, l2=10.0))
    assert warm.weights == pytest.approx(cold.weights, abs=1e-4)


def test_a_cancelled_fit_ends(problem: tuple[np.ndarray, np.ndarray]) -> None:
    features, truth = problem
    asked = iter([False, False, True])
    with pytest.raises(TrainingCancelledError):
        fit(features, truth, 3, l2=1e-6, cancelled=lambda: next(asked))
