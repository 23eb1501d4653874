"""Folds have each label in its proportion."""

import numpy as np
import pytest

from lastlayer.classifier.fitting.multi_label.folds import assign_label_folds, choose_fold_count


@pytest.mark.parametrize("seed", range(3))
def test_each_label_is_spread_over_the_folds(seed: int) -> None:
    random = np.random.default_rng(seed)
    targets = random.random((203, 6)) < [0.5, 0.3, 0.1, 0.05, 0.02, 0.9]
    folds = assign_label_folds(targets, 5, seed)
    sizes = np.bincount(folds, minlength=5)
    assert sizes.max() - sizes.min() <= 8
    for label in range(6):
        counts = np.bincount(folds[targets[:, label]], minlength=5)
        assert counts.max() - counts.min() <= 3, label


def test_the_same_seed_gives_the_same_folds_and_every_image_has_one() -> None:
    targets = np.zeros((7, 2), bool)  # without any label
    folds = assign_label_folds(targets, 3, 1)
    assert sorted(np.bincount(folds).tolist()) == [2, 2, 3]
    assert (folds == assign_label_folds(targets, 3, 1)).all()


def test_there_are_ten_folds_where_each_image_counts() -> None:
    assert [choose_fold_count(count) for count in (2, 7, 400, 401)] == [2, 7, 10, 5]
