"""The search: the one-standard-error preference, scans along the path, and what many examples change."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lastlayer.classifier.domain.head import softmax, unit_length
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.folds import assign_folds, make_splits
from lastlayer.classifier.fitting.logistic import fit_logistic
from lastlayer.classifier.fitting.pca import keep_largest, rotate
from lastlayer.classifier.training.search import (
    L2_BOUNDS,
    L2_PATH,
    SEARCH_EXAMPLES,
    Candidate,
    Choice,
    Scan,
    Search,
    choose,
    interpolate,
    mean_and_error,
)
from lastlayer.rpc.vectors import View

PATH = (1.0, 0.1)


def scan(tap: str, *losses: np.ndarray) -> Scan:
    return Scan(Candidate((tap,), ()), PATH, np.stack(losses)[:, None])


def chosen_of(*scans: Scan) -> Choice:
    return choose(scans, np.ones(scans[0].losses.shape[2]))


def search(y: np.ndarray, classes: int, weights: np.ndarray | None = None) -> Search:
    return Search(y, classes, np.ones(len(y)) if weights is None else weights, lambda: None)


def examples(count: int, dimension: int, classes: int, *, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    y = np.arange(count) % classes
    centres = random.normal(size=(classes, dimension))
    return (centres[y] + noise * random.normal(size=(count, dimension))).astype(np.float32), y


def fit(features: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
    return fit_logistic(FeatureBlocks([features], features.dtype.type), *arguments, **options)


def looked_at(values: FeatureBlocks) -> np.ndarray:
    return np.concatenate([block for _, block in values.blocks(1)])


def candidate(tap: str, *features: np.ndarray) -> Candidate:
    return Candidate((tap,), tuple(rotate(unit_length(values)) for values in features))


def test_the_least_log_loss_is_chosen() -> None:
    high, low = np.full(40, 0.9), np.full(40, 0.2)
    choice = chosen_of(scan("a", high, high), scan("b", high, low), scan("c", high, high))
    assert (choice.candidate.taps, choice.l2) == (("b",), 0.1)


def test_a_cheaper_candidate_wins_within_one_standard_error() -> None:
    random = np.random.default_rng(2)
    least = random.random(100)
    noise = random.normal(size=100)
    noise -= noise.mean()
    error = noise.std(ddof=1) / 10
    for excess, chosen in ((0.9 * error, "cheap"), (1.1 * error, "dear")):
        scans = [scan("cheap", least + noise + excess, least + 5), scan("dear", least + 5, least)]
        assert chosen_of(*scans).candidate.taps == (chosen,)


def test_with_few_examples_there_is_no_preference() -> None:
    few = np.array([0.1, 0.5, 0.3, 0.7])
    noise = np.array([1.0, -1.0, 1.0, -0.9])
    assert chosen_of(scan("cheap", few + noise, few + 5), scan("dear", few + 5, few)).candidate.taps == ("dear",)


def test_only_counted_and_validated_examples_decide() -> None:
    ones, zeros = np.ones(40), np.zeros(40)
    half = np.arange(40) < 20
    never = np.where(np.arange(40) == 0, np.nan, 1.0)
    scans = [scan("a", never * np.where(half, 0, 2), ones * 9), scan("b", never * np.where(half, 1, 0), zeros + 9)]
    assert choose(scans, half.astype(float)).candidate.taps == ("a",)
    assert choose(scans, (~half).astype(float)).candidate.taps == ("b",)
    assert chosen_of(*scans).candidate.taps == ("b",)


def test_examples_that_count_more_decide_more() -> None:
    rare = np.arange(40) < 4
    scans = [
        scan("common", np.where(rare, 2.0, 0.1), np.full(40, 9.0)),
        scan("rare", np.where(rare, 0.1, 0.5), np.full(40, 9.0)),
    ]
    assert chosen_of(*scans).candidate.taps == ("common",)
    assert choose(scans, np.where(rare, 9.0, 1.0)).candidate.taps == ("rare",)


def path_of(*means: float, count: int = 40) -> Scan:
    """Return a scan whose penalties fall by half decades from 1, each with the same loss for all examples."""
    losses = np.repeat(np.array(means)[:, None, None], count, 2)
    return Scan(Candidate(("tap",), ()), tuple(10 ** (-step / 2) for step in range(len(means))), losses)


def test_the_penalty_is_the_least_of_a_parabola_through_the_best_three() -> None:
    many = 10**6  # of which the prior does not matter
    steps = np.arange(5) - 2.3
    found = path_of(*(1 + 0.1 * steps**2), count=many).choose_l2(np.ones(many))
    assert np.log10(found) == pytest.approx(-2.3 / 2, abs=1e-4)
    assert path_of(1.0, 2.0, 3.0, count=many).choose_l2(np.ones(many)) == 1.0


def test_few_examples_hardly_move_a_likely_penalty_and_many_do() -> None:
    means = (0.95, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    assert path_of(*means, count=4).choose_l2(np.ones(4)) == pytest.approx(0.01)
    assert path_of(*means, count=400).choose_l2(np.ones(400)) == 1.0


def test_the_standard_error_of_a_mean() -> None:
    losses = np.random.default_rng(5).random(50)
    mean, error = mean_and_error(losses, np.ones(50))
    assert (mean, error) == pytest.approx((losses.mean(), losses.std(ddof=1) / np.sqrt(50)))
    assert mean_and_error(losses[:1], np.ones(1)) == (losses[0], 0.0)


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
    choice = chosen_of(*scans)
    assert choice.candidate.taps == ("good",)
    trials = {trial.taps: trial for trial in searching.trials(choice)}
    assert list(trials) == [("noise 0",), ("noise 1",), ("noise 2",), ("good",)]
    assert [taps for taps, trial in trials.items() if trial.chosen] == [("good",)]
    assert trials["good",].log_loss < 0.69 < trials["noise 0",].log_loss
    assert sorted(trial.example_count for trial in trials.values()) == [SEARCH_EXAMPLES, *[len(y)] * 3]
    assert told == sorted(told)
    assert told[-1] == 1


def test_between_and_beyond_penalties_solutions_lie_on_a_line() -> None:
    found = {penalty: np.full((3, 2, 2), place, np.float32) for penalty, place in ((1.0, 0.0), (0.1, 2.0), (0.01, 5.0))}
    for l2, place in ((0.1, 2.0), (0.1**0.75, 1.5), (0.1**1.75, 4.25), (0.001, 8.0), (10.0, -2.0)):
        near = interpolate(found, l2)
        assert near == pytest.approx(np.full((3, 2, 2), place), abs=1e-5)
        assert near.dtype == np.float32
    assert interpolate({1.0: found[1.0]}, 0.1) is found[1.0]


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


def test_taps_side_by_side_are_restored_to_weights_on_their_vectors() -> None:
    one, y = examples(30, 7, 3)
    two, _ = examples(30, 50, 3)
    both = candidate("both", one, two)
    values = both.values(np.arange(30), np.float64)
    solution = fit_logistic(values, y, 3, np.ones((30, 1)), 0.1, tolerance=1e-8)[:, 0]
    weights, biases = both.restore(solution)
    side_by_side = np.hstack([unit_length(one), unit_length(two)])
    assert weights.shape == (57, 3)
    assert side_by_side @ weights + biases == pytest.approx(looked_at(values) @ solution[:-1] + solution[-1], abs=1e-5)
    direct = fit(side_by_side.astype(np.float64), y, 3, np.ones((30, 1)), 0.1, tolerance=1e-8)[:, 0]
    assert weights == pytest.approx(direct[:-1], abs=1e-4)


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


def test_the_directions_that_vary_most_are_kept_of_all_parts() -> None:
    wide, narrow = (rotate(examples(30, 10, 3)[0] * np.float32(scale)) for scale in (1.0, 1e-3))
    kept = keep_largest([wide, narrow], 8)
    assert [part.values.shape[1] for part in kept] == [8, 0]
    assert kept[0].directions.shape == (10, 8)
    assert np.array_equal(kept[0].values, wide.values[:, -8:])
    assert keep_largest([wide, narrow], 20) == [wide, narrow]


def test_a_further_view_has_to_pay_for_its_pass_and_another_single_one_does_not() -> None:
    random = np.random.default_rng(0)
    base = random.gamma(1, 1, 200)

    def seen(views: tuple[View, ...], gain: float) -> Scan:
        noise = 0.3 * random.normal(size=200)
        losses = base - gain + noise - noise.mean()
        return replace(scan("a", losses, losses + 1), candidate=Candidate(("a",), (), views))

    weights = np.ones(200)
    crop, whole, both = (View.CROP,), (View.WHOLE,), (View.CROP, View.WHOLE)

    def chosen(*scans: Scan) -> tuple[View, ...]:
        return choose(scans, weights, prefers_cheap=False).candidate.views

    assert chosen(seen(crop, 0.0), seen(whole, 0.3), seen(both, 0.305)) == whole
    assert chosen(seen(crop, 0.0), seen(whole, 0.3), seen(both, 0.6)) == both
    assert chosen(seen(crop, 0.3), seen(whole, 0.0), seen(both, 0.305)) == crop
    # With taps to choose from as well, what is cheapest is preferred among all.
    assert choose([seen(crop, 0.3), seen(whole, 0.305)], weights).candidate.views == crop


def test_without_held_out_examples_the_first_view_is_chosen() -> None:
    unvalidated = np.full(3, np.nan)
    scans = [
        replace(scan("a", unvalidated, unvalidated), candidate=Candidate(("a", "b"), (), views))
        for views in ((View.CROP,), (View.WHOLE,), (View.CROP, View.WHOLE))
    ]
    assert chosen_of(*scans).candidate.views == (View.CROP,)
