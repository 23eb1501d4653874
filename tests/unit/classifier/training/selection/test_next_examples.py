from collections import Counter

import numpy as np
import pytest

from lastlayer.classifier.training.selection.next_examples import (
    MOST_LABELLED,
    MOST_POOL,
    Strategy,
    choose_next,
    sample_labelled,
    sample_pool,
)

_TAPS = {"shallow": 24, "deep": 32}


class Groups:
    """Images in groups, each around a centre of its own."""

    def __init__(self, counts, *, spread=0.5, seed=0):
        random = np.random.default_rng(seed)
        self.groups = np.repeat(np.arange(len(counts)), counts)
        self.features = {
            tap: np.maximum(
                random.gamma(0.5, 1.0, (len(counts), width))[self.groups]
                + spread * random.normal(size=(len(self.groups), width)),
                0,
            ).astype(np.float32)
            for tap, width in _TAPS.items()
        }

    def only(self, rows):
        return {tap: values[rows] for tap, values in self.features.items()}

    def labels(self, rows):
        return [f"class {self.groups[row]}" for row in rows]


def none():
    return {tap: np.zeros((0, width), np.float32) for tap, width in _TAPS.items()}


def test_without_labels_the_first_images_are_of_each_group():
    images = Groups([40, 30, 20, 10])
    suggested = choose_next(images.features, none(), [], 4)
    assert sorted(images.groups[suggested.rows]) == [0, 1, 2, 3]
    assert suggested.strategy is Strategy.TYPICAL
    assert suggested.classes == ()
    assert suggested.probabilities.shape == (4, 0)


def test_rare_groups_are_found_before_common_ones_are_looked_at_again():
    images = Groups([100, 50, 6, 6], spread=0.2)
    assert set(images.groups[choose_next(images.features, none(), [], 6).rows]) == {0, 1, 2, 3}


def test_images_that_nothing_resembles_come_last():
    images = Groups([20, 20, 20, *[1] * 15])
    chosen = images.groups[choose_next(images.features, none(), [], 12).rows]
    assert set(chosen[:3]) == {0, 1, 2}
    assert (chosen < 3).sum() > 6


def test_groups_that_have_a_label_wait():
    images = Groups([30, 30, 30])
    labelled = np.flatnonzero(images.groups != 1)[::15]
    pool = np.setdiff1d(np.arange(90), labelled)
    suggested = choose_next(images.only(pool), images.only(labelled), ["same"] * len(labelled), 1)
    assert images.groups[pool[suggested.rows[0]]] == 1
    assert suggested.strategy is Strategy.TYPICAL


def test_with_two_classes_images_between_them_come_first_with_guesses():
    images = Groups([60, 60], spread=0.2)
    mixed = {tap: (values[:20] + values[-20:]) / 2 for tap, values in images.features.items()}
    labelled = np.r_[0:10, 60:70]
    pool = {tap: np.vstack([mixed[tap], images.features[tap][np.r_[20:50, 80:100]]]) for tap in _TAPS}
    suggested = choose_next(pool, images.only(labelled), images.labels(labelled), 5)
    assert suggested.strategy is Strategy.UNCERTAIN
    assert suggested.classes == ("class 0", "class 1")
    assert suggested.rows[0] < 20
    assert (suggested.rows < 20).sum() >= 4
    assert suggested.probabilities.sum(1) == pytest.approx(1)
    assert suggested.probabilities[0].max() < 0.8


def test_guesses_are_right_where_classes_are_apart():
    images = Groups([40, 40, 40], spread=0.3)
    labelled = np.arange(0, 120, 8)
    pool = np.setdiff1d(np.arange(120), labelled)
    suggested = choose_next(images.only(pool), images.only(labelled), images.labels(labelled), 20)
    guessed = [suggested.classes[column] for column in suggested.probabilities.argmax(1)]
    assert guessed == images.labels(pool[suggested.rows])


def test_near_duplicates_are_suggested_once():
    images = Groups([12, 12], spread=0.6)
    random = np.random.default_rng(3)
    pool = {
        tap: np.vstack([values] * 4) * random.uniform(0.99, 1.01, (4 * len(values), values.shape[1])).astype(np.float32)
        for tap, values in images.features.items()
    }
    rows = choose_next(pool, none(), [], 96).rows
    assert 20 <= len(rows) <= 24
    assert max(Counter(row % 24 for row in rows).values()) == 1


@pytest.mark.parametrize("labels", [["a", "a"], ["a", "b"]])
def test_near_duplicates_of_examples_are_not_suggested(labels):
    images = Groups([12, 12], spread=0.6)
    rows = choose_next(images.features, images.only([3, 15]), labels, 24).rows
    assert not {3, 15} & set(rows)
    assert len(rows) >= 20


def test_there_may_be_fewer_than_asked_for_and_none():
    images = Groups([3], spread=0.8)
    assert sorted(choose_next(images.features, none(), [], 20).rows) == [0, 1, 2]
    assert not len(choose_next(images.features, none(), [], 0).rows)
    assert not len(choose_next(none(), none(), [], 20).rows)
    assert not len(choose_next(none(), images.features, ["a", "b", "c"], 20).rows)


def test_images_of_one_colour_are_all_the_same():
    pool = {tap: np.full((9, width), 2, np.float32) for tap, width in _TAPS.items()}
    assert list(choose_next(pool, none(), [], 5).rows) == [0]
    zeros = {tap: np.zeros((9, width), np.float32) for tap, width in _TAPS.items()}
    assert list(choose_next(zeros, none(), [], 1).rows) == [0]


def test_one_label_of_each_class_is_enough_for_a_guess():
    images = Groups([10, 10])
    suggested = choose_next(images.only(range(1, 19)), images.only([0, 19]), ["a", "b"], 3)
    assert suggested.strategy is Strategy.UNCERTAIN
    assert suggested.probabilities.shape == (3, 2)


def test_features_that_may_be_negative_are_taken_as_they_are():
    images = Groups([30, 20])
    pool = {tap: values - 0.5 for tap, values in images.features.items()}
    assert set(images.groups[choose_next(pool, none(), [], 2).rows]) == {0, 1}


def test_the_same_images_are_chosen_each_time():
    images = Groups([30, 30, 30])
    labelled = np.arange(0, 90, 9)
    pool = np.setdiff1d(np.arange(90), labelled)
    first, second = (
        choose_next(images.only(pool), images.only(labelled), images.labels(labelled), 20) for _ in range(2)
    )
    assert list(first.rows) == list(second.rows)
    assert np.array_equal(first.probabilities, second.probabilities)


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["pool", "labelled"])
def test_what_is_not_finite_is_refused(number, where):
    features = {"pool": Groups([5]).features, "labelled": Groups([2]).features}
    features[where]["deep"][1, 3] = number
    with pytest.raises(ValueError, match="at the tap `deep` have numbers that are not finite"):
        choose_next(features["pool"], features["labelled"], ["a", "b"], 2)


def test_of_a_large_pool_there_is_a_sample_that_changes_with_the_labels():
    assert list(sample_pool(5, 0)) == [0, 1, 2, 3, 4]
    rows = sample_pool(3 * MOST_POOL, 20)
    assert len(np.unique(rows)) == MOST_POOL
    assert np.array_equal(rows, np.sort(rows))
    assert np.array_equal(rows, sample_pool(3 * MOST_POOL, 20))
    assert not np.array_equal(rows, sample_pool(3 * MOST_POOL, 40))


def test_of_many_examples_there_is_a_sample_with_each_class():
    assert list(sample_labelled(["a", "b"])) == [0, 1]
    labels = ["common"] * (3 * MOST_LABELLED) + ["rare"] * 2
    rows = sample_labelled(labels)
    assert len(rows) <= MOST_LABELLED + 2
    assert {"common", "rare"} == {labels[row] for row in rows}
