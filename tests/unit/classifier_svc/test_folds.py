"""Folds and samples: each class spread evenly, whatever its size."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from classifier_svc.folds import assign_folds, fold_count, stratified_sample

CLASSES = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(lambda truth: np.array(truth, np.intp))


@given(CLASSES, st.integers(2, 10))
def test_every_class_is_spread_evenly_and_always_trained_on(truth: np.ndarray, folds: int) -> None:
    assigned = assign_folds(truth, folds, seed=1)
    assert assigned.max(initial=-1) < folds
    for label in np.unique(truth):
        of_class = assigned[truth == label]
        if len(of_class) == 1:
            assert of_class == [-1]
            continue
        sizes = np.bincount(of_class, minlength=folds)
        assert of_class.min() >= 0
        assert sizes.max() - sizes.min() <= 1
        assert sizes.max() < len(of_class)
    sizes = np.bincount(assigned[assigned >= 0], minlength=folds)
    assert sizes.max() - sizes.min() <= 1


def test_the_seed_decides() -> None:
    truth = np.arange(40) % 4
    assert np.array_equal(assign_folds(truth, 5, seed=1), assign_folds(truth, 5, seed=1))
    assert not np.array_equal(assign_folds(truth, 5, seed=1), assign_folds(truth, 5, seed=2))


def test_small_datasets_get_more_folds() -> None:
    assert (fold_count(8), fold_count(100), fold_count(101)) == (10, 10, 5)


@given(CLASSES, st.integers(1, 100))
def test_a_sample_keeps_proportions_and_every_class(truth: np.ndarray, examples: int) -> None:
    sample = stratified_sample(truth, examples, seed=3)
    assert np.array_equal(sample, np.unique(sample))
    counts, taken = np.bincount(truth), np.bincount(truth[sample], minlength=truth.max() + 1)
    share = min(1, examples / len(truth))
    assert np.array_equal(taken, np.minimum(counts, np.maximum(2, np.round(share * counts))))
