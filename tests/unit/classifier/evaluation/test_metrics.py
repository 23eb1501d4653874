"""The metrics: by hand, against scikit-learn, and what holds for any predictions."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from lastlayer.classifier.evaluation.metrics import Metrics, calibration_error, evaluate, reliability

CLASSES = ("food", "toy", "appliance")


def test_two_examples_by_hand() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    metrics = evaluate(probabilities, np.array([0, 1]), CLASSES)
    assert metrics.example_count == 2
    assert metrics.log_loss == pytest.approx((math.log(2) + math.log(5)) / 2)
    assert metrics.log_loss_reduction == pytest.approx(1 - metrics.log_loss / math.log(2))
    assert metrics.micro_accuracy == 0.5
    assert metrics.macro_accuracy == 0.5
    assert metrics.confusion_matrix == ((1, 0, 0), (0, 0, 1), (0, 0, 0))
    assert [of_class.label for of_class in metrics.classes] == list(CLASSES)
    assert [of_class.example_count for of_class in metrics.classes] == [1, 1, 0]
    assert [of_class.log_loss for of_class in metrics.classes] == pytest.approx([math.log(2), math.log(5), 0])
    assert [of_class.precision for of_class in metrics.classes] == [1, 0, 0]
    assert [of_class.recall for of_class in metrics.classes] == [1, 0, 0]


def test_the_tutorials_own_scores_give_its_log_losses() -> None:
    scores = np.array([0.8955513, 0.9667718, 0.9797683])
    probabilities = np.stack([scores, 1 - scores], axis=1)
    probabilities[2] = probabilities[2, ::-1]
    assert evaluate(probabilities, np.array([0, 0, 1]), ["food", "toy"]).log_loss == pytest.approx(0.05485, abs=1e-5)
    printed = evaluate(probabilities[[0, 2]], np.array([0, 1]), ["food", "toy"])
    assert printed.log_loss == pytest.approx(0.06537747, abs=1e-7)


def test_log_loss_reduction_is_undefined_for_one_class() -> None:
    assert evaluate(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 0]), ["a", "b"]).log_loss_reduction is None


def test_a_prediction_of_zero_is_clamped() -> None:
    metrics = evaluate(np.array([[1.0, 0.0]]), np.array([1]), ["a", "b"])
    assert metrics.log_loss == pytest.approx(-math.log(1e-15))
    assert metrics.classes[1].log_loss == metrics.log_loss


def test_the_first_class_wins_a_tie() -> None:
    metrics = evaluate(np.array([[0.2, 0.4, 0.4]]), np.array([2]), CLASSES)
    assert metrics.confusion_matrix[2] == (0, 1, 0)


def test_no_examples() -> None:
    metrics = evaluate(np.zeros((0, 2)), np.zeros(0, np.intp), ["a", "b"])
    assert metrics.example_count == 0
    assert (metrics.log_loss, metrics.micro_accuracy, metrics.macro_accuracy) == (0, 0, 0)
    assert metrics.log_loss_reduction is None


def predictions(seed: int, examples: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.dirichlet(np.full(classes, 0.3), examples), random.integers(classes, size=examples)


def test_agrees_with_scikit_learn() -> None:
    probabilities, truth = predictions(seed=1, examples=300, classes=5)
    metrics = evaluate(probabilities, truth, list("abcde"))
    predicted = probabilities.argmax(1)
    assert metrics.log_loss == pytest.approx(reference.log_loss(truth, probabilities, labels=range(5)))
    assert metrics.micro_accuracy == pytest.approx(reference.accuracy_score(truth, predicted))
    assert metrics.macro_accuracy == pytest.approx(reference.balanced_accuracy_score(truth, predicted))
    assert np.array_equal(metrics.confusion_matrix, reference.confusion_matrix(truth, predicted))
    precision, recall, _, support = reference.precision_recall_fscore_support(truth, predicted, zero_division=0)
    assert [of_class.precision for of_class in metrics.classes] == pytest.approx(precision)
    assert [of_class.recall for of_class in metrics.classes] == pytest.approx(recall)
    assert [of_class.example_count for of_class in metrics.classes] == list(support)


def test_macro_accuracy_is_over_the_classes_that_occur() -> None:
    probabilities, truth = predictions(seed=2, examples=50, classes=4)
    truth[truth == 3] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn tells of predicted classes that do not occur
        expected = reference.balanced_accuracy_score(truth, probabilities.argmax(1))
    assert evaluate(probabilities, truth, list("abcd")).macro_accuracy == pytest.approx(expected)


@given(seed=st.integers(0, 2**32 - 1), examples=st.integers(1, 40), classes=st.integers(2, 6))
def test_what_holds_for_any_predictions(seed: int, examples: int, classes: int) -> None:
    probabilities, truth = predictions(seed, examples, classes)
    labels = [f"class {number}" for number in range(classes)]
    metrics = evaluate(probabilities, truth, labels)
    counts = [of_class.example_count for of_class in metrics.classes]
    assert sum(counts) == metrics.example_count == examples
    assert [sum(row) for row in metrics.confusion_matrix] == counts
    weighted = sum(of_class.log_loss * of_class.example_count for of_class in metrics.classes)
    assert weighted / examples == pytest.approx(metrics.log_loss)
    for share in (metrics.micro_accuracy, metrics.macro_accuracy, *(c.recall for c in metrics.classes)):
        assert 0 <= share <= 1
    shuffled = np.random.default_rng(seed).permutation(examples)
    assert close(evaluate(probabilities[shuffled], truth[shuffled], labels), metrics)


def close(one: Metrics, other: Metrics) -> bool:
    return one.confusion_matrix == other.confusion_matrix and one.log_loss == pytest.approx(other.log_loss)


@given(examples=st.integers(2, 40), classes=st.integers(2, 6))
def test_the_frequencies_as_prediction_reduce_nothing(examples: int, classes: int) -> None:
    truth = np.arange(examples) % classes
    frequencies = np.bincount(truth, minlength=classes) / examples
    metrics = evaluate(np.tile(frequencies, (examples, 1)), truth, [str(number) for number in range(classes)])
    assert metrics.log_loss_reduction == pytest.approx(0, abs=1e-12)


def test_the_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.95, 0.05], [0.91, 0.09], [0.55, 0.45], [0.4, 0.6]])
    bins = reliability(probabilities, np.array([0, 1, 0, 0]))
    assert [(entry.lower, entry.upper, entry.example_count) for entry in bins] == [
        (0.5, 0.6, 1),
        (0.6, 0.7, 1),
        (0.9, 1.0, 2),
    ]
    assert [entry.accuracy for entry in bins] == [1, 0, 0.5]
    assert [entry.mean_probability for entry in bins] == pytest.approx([0.55, 0.6, 0.93])
    assert calibration_error(bins) == pytest.approx((0.45 + 0.6 + 2 * 0.43) / 4)


def test_probabilities_that_mean_what_they_say_have_next_to_no_calibration_error() -> None:
    random = np.random.default_rng(4)
    probabilities = random.dirichlet(np.ones(3), 20_000)
    truth = (probabilities.cumsum(1) > random.random((20_000, 1))).argmax(1)
    assert calibration_error(reliability(probabilities, truth)) < 0.015
    assert calibration_error(reliability(probabilities**3 / (probabilities**3).sum(1, keepdims=True), truth)) > 0.1
