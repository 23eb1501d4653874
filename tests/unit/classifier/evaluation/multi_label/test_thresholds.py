"""Thresholds and temperatures of labels, chosen out of fold."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from lastlayer.classifier.evaluation.multi_label.thresholds import (
    NEVER,
    USUAL,
    best_f1,
    calibrate_labels,
    choose_label_thresholds,
    promised,
)


@pytest.fixture
def made() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities and targets of one label that is rare, and one that is told apart, and folds."""
    random = np.random.default_rng(4)
    targets = random.random((300, 2)) < [0.1, 0.5]
    logits = np.column_stack([targets[:, 0] * 2 - 3, targets[:, 1] * 8 - 4]) + random.normal(size=(300, 2))
    return 1 / (1 + np.exp(-logits)), targets, np.arange(300) % 5


def test_no_threshold_has_a_better_f1(made) -> None:
    probabilities, targets, _ = made
    chosen = best_f1(probabilities[:, 0], targets[:, 0])
    scores = [f1_score(targets[:, 0], probabilities[:, 0] >= threshold) for threshold in np.linspace(0.01, 0.99, 99)]
    assert f1_score(targets[:, 0], probabilities[:, 0] >= chosen) >= max(scores)
    assert chosen < 0.5  # a rare label is predicted before it is more probable than not


def test_few_examples_have_the_usual_threshold() -> None:
    assert best_f1(np.linspace(0, 1, 30), np.arange(30) > 26) == USUAL


def test_each_fold_is_decided_by_the_thresholds_of_the_others(made) -> None:
    probabilities, targets, folds = made
    found = choose_label_thresholds(probabilities, targets, folds)
    others = best_f1(probabilities[folds != 2, 0], targets[folds != 2, 0])
    assert (found.predicted[folds == 2, 0] == (probabilities[folds == 2, 0] >= others)).all()
    assert len(found.not_promised) == 0


def test_a_precision_is_promised_or_the_label_never_predicted(made) -> None:
    probabilities, targets, folds = made
    found = choose_label_thresholds(probabilities, targets, folds, 0.9)
    assert found.not_promised.tolist() == [0]
    assert found.thresholds[0] == NEVER
    accepted = probabilities[:, 1] >= found.thresholds[1]
    assert targets[accepted, 1].mean() >= 0.9
    assert promised(np.zeros(0), np.zeros(0, bool), 0.9) == NEVER


def test_a_label_that_is_too_sure_is_calibrated_and_others_are_not() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(size=(400, 2)) * 1.5
    targets = random.random((400, 2)) < 1 / (1 + np.exp(-truth))
    found = calibrate_labels(truth * [3, 1], targets, np.arange(400) % 5)
    assert 2 < found.temperatures[0] < 4
    assert found.temperatures[1] == pytest.approx(1, abs=0.2)
    few = calibrate_labels(truth[:40] * 3, targets[:40], np.arange(40) % 5)
    assert few.temperatures.tolist() == [1, 1]
