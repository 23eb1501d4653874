"""Folds and samples: each class spread evenly, whatever its size."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lastlayer.classifier.fitting.folds import assign_folds, fold_count, split, stratified_sample

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
    assert (fold_count(8), fold_count(400), fold_count(401)) == (10, 10, 5)


@given(CLASSES, st.integers(1, 100))
def test_a_sample_keeps_proportions_and_every_class(truth: np.ndarray, examples: int) -> None:
    sample = stratified_sample(truth, examples, seed=3)
    assert np.array_equal(sample, np.unique(sample))
    counts, taken = np.bincount(truth), np.bincount(truth[sample], minlength=truth.max() + 1)
    share = min(1, examples / len(truth))
    assert np.array_equal(taken, np.minimum(counts, np.maximum(2, np.round(share * counts))))


@given(CLASSES, st.integers(2, 6), st.integers(1, 3))
def test_who_validates_an_example_has_not_counted_it(truth: np.ndarray, folds: int, repeats: int) -> None:
    splits = split(truth, folds, seed=1, repeats=repeats)
    assert splits.columns.shape == (1, len(truth), repeats)
    for example, columns in enumerate(splits.columns[0]):
        assert not splits.counted[example, columns[columns >= 0]].any()
    single = np.bincount(truth)[truth] == 1
    assert np.array_equal((splits.columns < 0).any((0, 2)), single)


def test_what_is_left_out_counts_in_no_regression_of_its_set() -> None:
    truth = np.arange(40) % 4
    outer = assign_folds(truth, 5, seed=1)
    splits = split(truth, 3, seed=2, without=outer)
    assert splits.columns.shape == (5, 40, 1)
    for fold in range(5):
        columns = np.unique(splits.columns[fold][splits.columns[fold] >= 0])
        assert not splits.counted[outer == fold][:, columns].any()
        assert (splits.columns[fold, outer == fold] == -1).all()
        assert (splits.columns[fold, outer != fold] >= 0).all()


def test_losses_are_averaged_over_the_repeats() -> None:
    truth = np.arange(12) % 2
    splits = split(truth, 3, seed=1, repeats=2)
    losses = np.random.default_rng(1).random((12, splits.counted.shape[1]))
    expected = [losses[row, splits.columns[0, row]].mean() for row in range(12)]
    assert splits.average(losses)[0].tolist() == expected
