"""Trainings on several labels: what they find, and labels of which little can be told."""

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.multiclass import OneVsRestClassifier

from lastlayer.classifier.domain.errors import DatasetNotTrainableError
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.evaluation.multi_label.metrics import MultiLabelMetrics
from lastlayer.classifier.training.multi_label.trainer import TrainedLabels, train_labels
from lastlayer.classifier.training.progress import TrainingCancelledError
from lastlayer.classifier.training.recipes import TapFeatures
from lastlayer.rpc.vectors import View


def features(targets: np.ndarray, noise: float = 0.3) -> np.ndarray:
    """Return features, float32 [n, 12], in which each label adds a direction of its own."""
    random = np.random.default_rng(0)
    directions = random.random((targets.shape[1], 12))
    made = 0.2 + targets @ directions + noise * random.random((len(targets), 12))
    return made.astype(np.float32)


def fit(targets: np.ndarray, names: Sequence[str] = "abcdefgh", **options) -> TrainedLabels:
    labels = names[: targets.shape[1]]
    sets = [[labels[place] for place in np.flatnonzero(row).tolist()] for row in targets]
    return train_labels(
        options.pop("taps", None) or [TapFeatures("conv", False, features(targets))],
        sets,
        progress=lambda _, __: None,
        cancelled=lambda: False,
        **options,
    )


def estimate(trained: TrainedLabels) -> MultiLabelMetrics:
    assert trained.cross_validation is not None
    return trained.cross_validation


@pytest.fixture(scope="module")
def independent() -> np.ndarray:
    return np.random.default_rng(1).random((90, 3)) < [0.5, 0.3, 0.7]


def test_independent_labels_are_told(independent: np.ndarray) -> None:
    trained = fit(independent)
    metrics = estimate(trained)
    assert (metrics.macro_average_precision or 0) > 0.97
    assert (metrics.macro_f1 or 0) > 0.9
    head = Head.from_bytes(trained.head.to_bytes())
    assert head.multi_label
    order = ["abc".index(label) for label in head.classes]
    probabilities = head.probabilities({"conv": features(independent)})
    assert ((probabilities >= np.array(head.label_thresholds)) == independent[:, order]).mean() > 0.97
    assert not trained.notes


def test_average_precision_is_that_of_scikit_learns_one_vs_rest(independent: np.ndarray) -> None:
    targets = np.random.default_rng(5).random((200, 2)) < [0.5, 0.25]
    values = features(targets, noise=2)
    trained = fit(targets[:100], taps=[TapFeatures("conv", False, values[:100])])
    order = ["ab".index(label) for label in trained.head.classes]
    found = trained.head.probabilities({"conv": values[100:]})
    rest = OneVsRestClassifier(LogisticRegression(C=10)).fit(trained.head.prepare(values[:100]), targets[:100])
    theirs = rest.predict_proba(trained.head.prepare(values[100:]))
    own = average_precision_score(targets[100:, order], found)
    assert 0.7 < own < 1
    assert own >= average_precision_score(targets[100:], theirs) - 0.01


def test_labels_of_which_little_can_be_told_are_noted_and_do_no_harm(independent: np.ndarray) -> None:
    targets = np.zeros((90, 7), bool)
    targets[:, :3] = independent
    targets[:, 3] = True  # all images have it
    targets[4, 4] = True  # one image has it
    targets[:, 5] = targets[:, 0]  # the same images
    targets[:, 6] = np.arange(90) != 7  # all but one
    trained = fit(targets)
    notes = " ".join(trained.notes)
    assert "All images have `d`" in notes
    assert "`e` is on one image alone" in notes
    assert "`a`, `f` are on the very same images" in notes or "`f`, `a` are on the very same images" in notes
    assert "`g` is on all images but one" in notes
    metrics = {entry.label: entry for entry in estimate(trained).labels}
    assert metrics["d"].average_precision is metrics["e"].average_precision is None
    probabilities = trained.head.probabilities({"conv": features(targets)})
    assert (probabilities[:, trained.head.classes.index("d")] > 0.95).all()
    assert np.isfinite(probabilities).all()


def test_a_hundred_labels(independent: np.ndarray) -> None:
    targets = np.random.default_rng(2).random((60, 100)) < 0.2
    names = [f"label {number}" for number in range(100)]
    trained = fit(targets, names, taps=[TapFeatures("conv", False, features(independent)[:60])])
    assert trained.head.weights.shape == (12, 100)
    assert len(estimate(trained).labels) == 100


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (np.zeros((0, 0), bool), "no examples"),
        (np.zeros((3, 0), bool), "3 images without any label"),
        (np.ones((3, 1), bool), "All images of the dataset have the label `a`"),
        (np.ones((3, 2), bool), "the same 2 labels"),
    ],
)
def test_what_cannot_be_trained_on_is_said(targets: np.ndarray, said: str) -> None:
    with pytest.raises(DatasetNotTrainableError, match=said):
        fit(targets, taps=[TapFeatures("conv", False, np.ones((len(targets), 12), np.float32))])


def test_two_images_are_enough_for_a_head_but_for_no_estimate() -> None:
    trained = fit(np.array([[True], [False]]))
    assert trained.cross_validation is None
    assert "2 images are too few" in " ".join(trained.notes)


def test_of_the_views_the_best_is_chosen(independent: np.ndarray) -> None:
    blank = np.random.default_rng(3).random((90, 12)).astype(np.float32)
    taps = [TapFeatures("conv", False, blank), TapFeatures("conv", False, features(independent), View.WHOLE)]
    trained = fit(independent, taps=taps)
    assert View.WHOLE in trained.head.views
    assert [trial.chosen for trial in trained.trials].count(True) == 1
    assert len(trained.trials) == 3


def test_a_precision_that_is_asked_for_and_images_unlike_these(independent: np.ndarray) -> None:
    trained = fit(independent, min_precision=0.8, unfamiliar_share=0.1)
    assert trained.head.familiarity is not None
    assert trained.min_precision == 0.8
    assert all(entry.precision >= 0.75 for entry in estimate(trained).labels)


def test_it_ends_soon_where_it_is_cancelled(independent: np.ndarray) -> None:
    asked = iter([False] * 5 + [True] * 1000)
    with pytest.raises(TrainingCancelledError):
        train_labels(
            [TapFeatures("conv", False, features(independent))],
            [["a"] if row[0] else [] for row in independent],
            progress=lambda _, __: None,
            cancelled=lambda: next(asked),
        )
