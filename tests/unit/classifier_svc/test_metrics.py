"""ML.NET's metrics: by hand, against scikit-learn, and where they would break."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from classifier_svc.metrics import evaluate


def test_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5]])
    metrics = evaluate(probabilities, np.array([0, 0, 1, 1]), ("a", "b", "c"))
    losses = [-math.log(0.7), -math.log(0.4), -math.log(0.8), -math.log(0.25)]
    assert metrics.log_loss == pytest.approx(sum(losses) / 4)
    assert [entry.log_loss for entry in metrics.classes] == pytest.approx([sum(losses[:2]) / 2, sum(losses[2:]) / 2, 0])
    entropy = math.log(2)
    assert metrics.log_loss_reduction == pytest.approx((entropy - metrics.log_loss) / entropy)
    assert metrics.micro_accuracy == 0.5
    assert metrics.macro_accuracy == 0.5
    assert metrics.confusion_matrix == ((1, 1, 0), (0, 1, 1), (0, 0, 0))
    assert [entry.precision for entry in metrics.classes] == [1.0, 0.5, 0.0]
    assert [entry.recall for entry in metrics.classes] == [0.5, 0.5, 0.0]
    assert [entry.example_count for entry in metrics.classes] == [2, 2, 0]


def test_what_the_tutorial_prints() -> None:
    """ML.NET's own scores for its three test images, of which it leaves one out for its untrimmed label."""
    scores = np.array([0.8955513, 0.9667718, 0.9797683])
    probabilities = np.column_stack([scores, 1 - scores])
    truth = np.array([0, 0, 0])
    assert evaluate(probabilities[[0, 2]], truth[:2], ("x", "y")).log_loss == pytest.approx(0.06537747, abs=1e-6)
    assert evaluate(probabilities, truth, ("x", "y")).log_loss == pytest.approx(0.05485, abs=1e-5)


def test_one_class_leaves_the_reduction_undefined() -> None:
    assert evaluate(np.array([[0.9, 0.1]]), np.array([0]), ("a", "b")).log_loss_reduction is None


def test_no_examples_yield_zeros_and_no_nan() -> None:
    metrics = evaluate(np.zeros((0, 2)), np.zeros(0, np.intp), ("a", "b"))
    assert (metrics.example_count, metrics.log_loss, metrics.micro_accuracy, metrics.macro_accuracy) == (0, 0, 0, 0)
    assert metrics.log_loss_reduction is None


def test_a_probability_of_zero_is_clamped() -> None:
    assert evaluate(np.array([[0.0, 1.0]]), np.array([0]), ("a", "b")).log_loss == pytest.approx(-math.log(1e-15))


def test_a_tie_is_won_by_the_first_class() -> None:
    assert evaluate(np.array([[0.5, 0.5]]), np.array([1]), ("a", "b")).confusion_matrix == ((0, 0), (1, 0))


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 60))
def test_against_scikit_learn(seed: int, classes: int, examples: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), examples)
    truth = random.integers(0, classes, examples)
    labels = list(range(classes))
    predicted = probabilities.argmax(1)
    metrics = evaluate(probabilities, truth, [str(label) for label in labels])
    assert metrics.log_loss == pytest.approx(reference.log_loss(truth, probabilities, labels=labels))
    assert metrics.micro_accuracy == pytest.approx(reference.accuracy_score(truth, predicted))
    occurring = sorted(set(truth.tolist()))
    recalls = reference.recall_score(truth, predicted, labels=occurring, average="macro", zero_division=0)
    assert metrics.macro_accuracy == pytest.approx(recalls)
    confusion = reference.confusion_matrix(truth, predicted, labels=labels)
    assert metrics.confusion_matrix == tuple(map(tuple, confusion.tolist()))
    precisions = reference.precision_score(truth, predicted, labels=labels, average=None, zero_division=0)
    assert [entry.precision for entry in metrics.classes] == pytest.approx(precisions.tolist())
