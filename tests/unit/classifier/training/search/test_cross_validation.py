"""Scans along the path of penalties, and what many examples change."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lastlayer.classifier.domain.head import softmax, unit_length
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.folds import assign_folds, make_splits
from lastlayer.classifier.fitting.logistic import fit_logistic
from lastlayer.classifier.fitting.pca import rotate
from lastlayer.classifier.training.search.candidates import Candidate
from lastlayer.classifier.training.search.cross_validation import SEARCH_EXAMPLES, Search
from lastlayer.classifier.training.search.penalties import L2_BOUNDS, L2_PATH
from lastlayer.classifier.training.search.scans import choose

PATH = (1.0, 0.1)


def search(y: np.ndarray, classes: int, weights: np.ndarray | None = None) -> Search:
    return Search(y, classes, np.ones(len(y)) if weights is None else weights, lambda: None)


def examples(count: int, dimension: int, classes: int, *, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    y = np.arange(count) % classes
    centres = random.normal(size=(classes, dimension))
    return (centres[y] + noise * random.normal(size=(count, dimension))).astype(np.float32), y


def fit(features: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
    return fit_logistic(FeatureBlocks([features], features.dtype.type), *arguments, **options)


def candidate(tap: str, *features: np.ndarray) -> Candidate:
    return Candidate((tap,), tuple(rotate(unit_length(values)) for values in features))


def test_a_scan_holds_the_losses_of_regressions_that_never_saw_the_example() -> None:
    features, y = examples(24, 6, 3)
    scanned = search(y, 3).scan(candidate("tap", features), np.arange(24), make_splits(y, 10, seed=1), (0.1,))
    assert scanned.path == (0.1,)
    # With 10 folds of 24 examples, each is held out with one or two others; alone it fares about as it does there.
    unit = unit_length(features).astype(np.float64)
    alone = np.empty(24)
    for row in range(24):
        others = np.flatnonzero(np.arange(24) != row)
        solution = fit(unit[others], y[others], 3, np.ones((23, 1)), 0.1, tolerance=1e-6)[:, 0]
        alone[row] = -np.log(softmax(unit[[row]] @ solution[:-1] + solution[-1])[0, y[row]])
    assert scanned.losses[0, 0] == pytest.approx(alone, abs=0.5)
    assert scanned.losses[0, 0].mean() == pytest.approx(alone.mean(), abs=0.1)


def test_the_only_example_of_a_class_is_never_validated() -> None:
    features, y = examples(13, 6, 3)
    y[-1] = 3
    scanned = search(y, 4).scan(candidate("tap", features), np.arange(13), make_splits(y, 10, seed=1), PATH)
    assert np.flatnonzero(np.isnan(scanned.losses[0, 0])).tolist() == [12]
    assert np.isfinite(scanned.losses[:, :, :12]).all()


def test_a_path_ends_where_it_only_gets_worse() -> None:
    features, y = examples(120, 40, 3, noise=30.0)
    splits = make_splits(y, 5, seed=1)
    scanned = search(y, 3).scan(candidate("tap", features), np.arange(120), splits, L2_PATH)
    assert len(scanned.path) < len(L2_PATH)
    assert scanned.losses.mean((1, 2)).argmin() < len(scanned.path) - 2


def test_of_many_examples_a_sample_chooses_what_is_tried_on_all() -> None:
    features, y = examples(SEARCH_EXAMPLES + 300, 8, 2)
    random = np.random.default_rng(6)
    noise = [random.normal(size=features.shape).astype(np.float32) for _ in range(3)]
    candidates = [candidate(f"noise {n}", values) for n, values in enumerate(noise)] + [candidate("good", features)]
    told: list[float] = []
    searching = search(y, 2)
    scans = searching.scan_all(candidates, seed=1, tell=told.append)
    assert len(scans) == 3
    assert all(scanned.losses.shape == (len(scanned.path), 1, len(y)) for scanned in scans)
    assert all(len(scanned.path) < len(L2_PATH) for scanned in scans)
    choice = choose(scans, np.ones(len(y)))
    assert choice.candidate.taps == ("good",)
    trials = {trial.taps: trial for trial in searching.trials(choice)}
    assert list(trials) == [("noise 0",), ("noise 1",), ("noise 2",), ("good",)]
    assert [taps for taps, trial in trials.items() if trial.chosen] == [("good",)]
    assert trials["good",].log_loss < 0.69 < trials["noise 0",].log_loss
    assert sorted(trial.example_count for trial in trials.values()) == [SEARCH_EXAMPLES, *[len(y)] * 3]
    assert told == sorted(told)
    assert told[-1] == 1


def test_what_was_fitted_on_all_is_kept_for_others_to_begin_at() -> None:
    features, y = examples(SEARCH_EXAMPLES + 300, 20, 3, noise=8.0)
    [scanned] = search(y, 3).scan_all([candidate("tap", features)], seed=1, tell=lambda _: None)
    regressions = scanned.regressions
    assert regressions is not None
    assert regressions.validating.tolist() == assign_folds(y, 5, seed=1).tolist()
    l2 = float(np.sqrt(scanned.path[0] * scanned.path[1]))  # was not tried
    values = scanned.candidate.parts[0].values.astype(np.float64)
    whole = np.ones((len(y), 1))
    folds = make_splits(y, 5, seed=1).weights
    for near, sample_weight in (
        (regressions.near(l2), folds),
        (regressions.near_whole(l2)[:, None], whole),
    ):
        exact = fit(values, y, 3, sample_weight, l2, tolerance=1e-8)
        assert near.shape == exact.shape
        assert np.abs(near - exact).max() < 0.05 * np.abs(exact).max()


def test_without_a_fold_nothing_of_it_is_looked_at() -> None:
    """The labels of a fold are changed: what is scanned without it stays as it was."""
    features, y = examples(60, 6, 3)
    assigned = assign_folds(y, 5, seed=2)
    changed = np.where(assigned == 1, (y + 1) % 3, y)
    scanned = []
    for labels in (y, changed):
        splits = make_splits(labels, 4, seed=3, without=assigned)
        scanned.append(search(labels, 3).scan(candidate("tap", features), np.arange(60), splits, (0.1,)).of(1).losses)
    assert np.isnan(scanned[0][0, 0, assigned == 1]).all()
    assert np.array_equal(scanned[0], scanned[1], equal_nan=True)


def test_a_path_grows_until_the_best_penalty_is_inside() -> None:
    """Weakly, where the first path's weakest penalty is the best; strongly, where its strongest is."""
    clear, y = examples(120, 40, 3, noise=0.3)
    blurred, _ = examples(120, 40, 3, noise=30.0)
    splits = make_splits(y, 5, seed=1)
    for features, path in ((clear, (10.0, 3.0)), (blurred, (0.01, 0.003))):
        scanned = search(y, 3).scan(candidate("tap", features), np.arange(120), splits, path, grows=True)
        means = scanned.losses.mean((1, 2))
        assert list(scanned.path) == sorted(scanned.path, reverse=True)
        assert len(scanned.path) > 2
        best = int(means.argmin())
        inside = 0 < best < len(means) - 1
        assert inside or abs(means[best] - means[best + (1 if best == 0 else -1)]) < max(0.02 * means[best], 1e-3)


def test_a_path_ends_growing_at_its_bounds() -> None:
    y = np.arange(60) % 2
    noise = np.random.default_rng(9).normal(size=(60, 4)).astype(np.float32) * 1e-3
    scanned = search(y, 2).scan(
        Candidate(("tap",), (rotate(noise),)), np.arange(60), make_splits(y, 5, seed=1), (1.0, 0.1), grows=True
    )
    assert L2_BOUNDS[0] <= min(scanned.path)
    assert max(scanned.path) <= L2_BOUNDS[1]


def test_a_sample_in_fewer_columns_is_fitted_as_it_is() -> None:
    """Of two taps of 40 columns each, 30 examples have 29 columns together; losses stay as they are."""
    one, y = examples(60, 40, 3)
    two, _ = examples(60, 40, 3, noise=2.0)
    both, sample = candidate("both", one, two), np.arange(30)
    rotated = both.rotated(sample)
    assert rotated.parts[0].values.shape == (30, 29)
    splits = make_splits(y[sample], 5, seed=1)
    expected = search(y[sample], 3).scan(
        Candidate(("both",), tuple(replace(part, values=part.values[:30]) for part in both.parts)),
        slice(None),
        splits,
        (0.1,),
    )
    assert search(y, 3).scan(both, sample, splits, (0.1,)).losses == pytest.approx(
        expected.losses, abs=0.02
    )  # as exact as fits that only choose
