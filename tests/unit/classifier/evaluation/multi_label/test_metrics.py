"""Metrics of several labels are those of scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, log_loss

from lastlayer.classifier.evaluation.multi_label.metrics import average_precision, evaluate_labels


def test_they_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    targets = random.random((80, 3)) < [0.5, 0.2, 0.8]
    probabilities = np.clip(targets * 0.3 + random.random((80, 3)).round(1) * 0.7, 0.01, 0.99)  # many are equal
    thresholds = np.array([0.5, 0.4, 0.6])
    metrics = evaluate_labels(probabilities, targets, ["a", "b", "c"], thresholds)
    predicted = probabilities >= thresholds
    assert metrics.macro_average_precision == pytest.approx(average_precision_score(targets, probabilities))
    assert metrics.micro_average_precision == pytest.approx(
        average_precision_score(targets, probabilities, average="micro")
    )
    assert metrics.macro_f1 == pytest.approx(f1_score(targets, predicted, average="macro"))
    assert metrics.micro_f1 == pytest.approx(f1_score(targets, predicted, average="micro"))
    assert metrics.exact_match == pytest.approx((predicted == targets).all(1).mean())
    losses = [log_loss(targets[:, label], probabilities[:, label]) for label in range(3)]
    assert metrics.log_loss == pytest.approx(np.mean(losses))
    assert [entry.log_loss for entry in metrics.labels] == pytest.approx(losses)
    assert [entry.average_precision for entry in metrics.labels] == pytest.approx(
        average_precision_score(targets, probabilities, average=None)
    )
    points = metrics.labels[0].curve
    assert (points[0].threshold, points[0].recall) == (0, 1)
    assert points[0].precision == pytest.approx(targets[:, 0].mean())


def test_labels_of_all_images_or_none_have_no_average_precision() -> None:
    targets = np.array([[True, False, True], [True, False, False], [True, False, True]])
    metrics = evaluate_labels(np.full((3, 3), 0.6), targets, ["all", "none", "some"], np.full(3, 0.5))
    assert [entry.average_precision is None for entry in metrics.labels] == [True, True, False]
    assert metrics.macro_average_precision == pytest.approx(2 / 3)
    assert not metrics.labels[0].curve


def test_nothing_is_evaluated_without_a_crash() -> None:
    metrics = evaluate_labels(np.zeros((0, 2)), np.zeros((0, 2), bool), ["a", "b"], np.full(2, 0.5))
    assert (metrics.example_count, metrics.macro_f1, metrics.exact_match_interval) == (0, None, None)


def test_images_that_are_equally_probable_come_together() -> None:
    assert average_precision(np.array([0.5, 0.5]), np.array([False, True])) == 0.5
