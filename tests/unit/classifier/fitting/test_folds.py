"""Folds and samples: each class spread evenly, whatever its size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import RepeatedStratifiedKFold

from lastlayer.classifier.fitting.folds import assign_folds, choose_fold_count, make_splits, stratified_sample

CLASSES = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(lambda y: np.array(y, np.intp))


@given(CLASSES, st.integers(2, 10))
def test_every_class_is_spread_evenly_and_always_trained_on(y: np.ndarray, folds: int) -> None:
    assigned = assign_folds(y, folds, seed=1)
    assert assigned.max(initial=-1) < folds
    for label in np.unique(y):
        of_class = assigned[y == label]
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
    y = np.arange(40) % 4
    assert np.array_equal(assign_folds(y, 5, seed=1), assign_folds(y, 5, seed=1))
    assert not np.array_equal(assign_folds(y, 5, seed=1), assign_folds(y, 5, seed=2))


def test_small_datasets_get_more_folds() -> None:
    counts = [choose_fold_count(np.arange(count) % 2) for count in (40, 400, 401)]
    assert counts == [10, 10, 5]
    fine = [choose_fold_count(np.arange(count) % 2, fine=True) for count in (6, 40, 400, 401, 1000, 1001)]
    assert fine == [3, 20, 20, 10, 10, 5]


@pytest.mark.parametrize(("each", "folds"), [(2, 2), (3, 3), (7, 7), (30, 10)])
def test_each_fold_of_a_small_dataset_leaves_out_one_of_every_class(each: int, folds: int) -> None:
    y = np.arange(5 * each) % 5
    assert choose_fold_count(y) == folds
    assigned = assign_folds(y, folds, seed=1)
    for fold in range(folds):
        assert set(np.bincount(y[assigned == fold], minlength=5)) == {each // folds}


def test_a_class_keeps_its_share_where_much_of_it_is_left_out() -> None:
    y = np.array([0] * 20 + [1] * 2)
    splits = make_splits(y, 10, seed=1)
    for fitted, weights in zip(splits.fitted.T, splits.weights.T, strict=True):
        assert (weights[~fitted] == 0).all()
        assert np.bincount(y, weights)[1] / weights.sum() == pytest.approx(2 / 22)
        assert weights.sum() == pytest.approx(fitted.sum())


@given(CLASSES, st.integers(1, 100))
def test_a_sample_keeps_proportions_and_every_class(y: np.ndarray, examples: int) -> None:
    sample = stratified_sample(y, examples, seed=3)
    assert np.array_equal(sample, np.unique(sample))
    counts, taken = np.bincount(y), np.bincount(y[sample], minlength=y.max() + 1)
    share = min(1, examples / len(y))
    assert np.array_equal(taken, np.minimum(counts, np.maximum(2, np.round(share * counts))))


@given(CLASSES, st.integers(2, 6), st.integers(1, 3))
def test_who_validates_an_example_has_not_counted_it(y: np.ndarray, folds: int, repeats: int) -> None:
    splits = make_splits(y, folds, seed=1, repeats=repeats)
    assert splits.validating.shape == (1, len(y), repeats)
    for example, columns in enumerate(splits.validating[0]):
        assert not splits.fitted[example, columns[columns >= 0]].any()
    single = np.bincount(y)[y] == 1
    assert np.array_equal((splits.validating < 0).any((0, 2)), single)


def test_what_is_left_out_counts_in_no_regression_of_its_set() -> None:
    y = np.arange(40) % 4
    outer = assign_folds(y, 5, seed=1)
    splits = make_splits(y, 3, seed=2, without=outer)
    assert splits.validating.shape == (5, 40, 1)
    for fold in range(5):
        columns = np.unique(splits.validating[fold][splits.validating[fold] >= 0])
        assert not splits.fitted[outer == fold][:, columns].any()
        assert (splits.validating[fold, outer == fold] == -1).all()
        assert (splits.validating[fold, outer != fold] >= 0).all()


def test_losses_are_averaged_over_the_repeats() -> None:
    y = np.arange(12) % 2
    splits = make_splits(y, 3, seed=1, repeats=2)
    losses = np.random.default_rng(1).random((12, splits.fitted.shape[1]))
    expected = [losses[row, splits.validating[0, row]].mean() for row in range(12)]
    assert splits.average(losses)[0].tolist() == expected


def test_classes_with_an_example_for_every_fold_are_split_by_scikit_learn() -> None:
    y = np.array([0] * 9 + [1] * 7 + [2] * 5)
    splits = make_splits(y, 5, seed=3, repeats=2)
    reference = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=3).split(y, y)
    fitted = {tuple(column) for column in splits.fitted.T.tolist()}
    assert fitted == {tuple(np.isin(np.arange(21), trained).tolist()) for trained, _ in reference}
