"""What is unlike the training images: distances in one product, a stated loss, and the tutorial's photos."""

import numpy as np
import pytest

from lastlayer.classifier.domain.familiarity import Familiarity
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.evaluation.likeness.strangers import choose_max_distance, fit_subspace, measure_distances
from lastlayer.classifier.fitting.folds import assign_folds


def features(count: int, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    basis = np.random.default_rng(0).normal(size=(3, 30))
    return random.normal(size=(count, 3)) @ basis + 0.1 * random.normal(size=(count, 30))


def test_the_distance_is_that_from_the_principal_components() -> None:
    known = features(40)
    mean, directions = fit_subspace(known)
    assert directions.shape == (30, 8)
    assert directions.T @ directions == pytest.approx(np.eye(8), abs=1e-9)
    new = features(5, seed=2)
    residual = (new - mean) - (new - mean) @ directions @ directions.T
    assert measure_distances(new, mean, directions) == pytest.approx((residual**2).sum(1))
    told = Familiarity(directions.astype(np.float32), mean.astype(np.float32), 1.0)
    assert told.distances(new.astype(np.float32)) == pytest.approx((residual**2).sum(1), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_no_more_than_the_stated_share_of_new_images_is_lost(share: float) -> None:
    lost = []
    for seed in range(20):
        known = features(60, seed)
        distance = choose_max_distance(known, assign_folds(np.arange(60) % 3, 10, seed), share)
        assert distance is not None
        new = features(500, seed + 1000)
        lost.append((measure_distances(new, *fit_subspace(known)) > distance).mean())
    assert 0.3 * share < np.mean(lost) < 1.2 * share  # less, as held-out images are farther from fewer others


@pytest.mark.parametrize("count", [20, 25])
def test_the_stated_share_holds_with_few_examples_of_many_features(count: int) -> None:
    basis = np.random.default_rng(0).normal(size=(60, 400))
    lost = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        own = np.square(random.normal(size=(count + 300, 60))) @ basis + random.normal(size=(count + 300, 400))
        known, new = own[:count], own[count:]
        distance = choose_max_distance(known, assign_folds(np.arange(count) % 5, 5, seed), 0.05)
        assert distance is not None
        lost.append((measure_distances(new, *fit_subspace(known)) > distance).mean())
    assert 0.005 < np.mean(lost) <= 0.05


def test_too_few_examples_tell_nothing() -> None:
    folds = assign_folds(np.arange(18) % 2, 9, 1)
    assert choose_max_distance(features(18), folds, 0.05) is None
    assert choose_max_distance(features(18), folds, 0.06) is not None


def test_a_head_keeps_what_it_is_told() -> None:
    random = np.random.default_rng(4)
    mean, directions = fit_subspace(features(40))
    told = Familiarity(directions.astype(np.float32), mean.astype(np.float32), 0.7)
    head = Head(
        ("tap",), False, ("a", "b"), random.normal(size=(30, 2)).astype(np.float32), np.zeros(2, np.float32), 0, 1,
        familiarity=told,
    )  # fmt: skip
    read = Head.from_bytes(head.to_bytes())
    vectors = {"tap": features(5, 3).astype(np.float32)}
    assert np.array_equal(read.score(vectors)[1], head.score(vectors)[1])
    assert (read.score(vectors)[1] > 0).all()
    assert read.is_unfamiliar(0.71)
    assert not read.is_unfamiliar(0.69)
    assert np.array_equal(read.weights, head.weights)
