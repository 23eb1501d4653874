"""The search: the one-standard-error preference, scans along the path, and what many examples change."""

import numpy as np
import pytest

from classifier_svc.head import softmax, unit_length
from classifier_svc.ridge import fit_ridge
from classifier_svc.rotation import rotate
from classifier_svc.search import L2_PATH, SEARCH_EXAMPLES, Candidate, Scan, Search, choose

PATH = (1.0, 0.1)


def scan(tap: str, *losses: np.ndarray) -> Scan:
    return Scan(Candidate((tap,), ()), PATH, np.stack(losses))


def examples(count: int, dimension: int, classes: int, *, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    truth = np.arange(count) % classes
    centres = random.normal(size=(classes, dimension))
    return (centres[truth] + noise * random.normal(size=(count, dimension))).astype(np.float32), truth


def candidate(tap: str, *features: np.ndarray) -> Candidate:
    return Candidate((tap,), tuple(rotate(unit_length(values)) for values in features))


def test_the_least_log_loss_is_chosen() -> None:
    high, low = np.full(40, 0.9), np.full(40, 0.2)
    choice = choose([scan("a", high, high), scan("b", high, low), scan("c", high, high)])
    assert (choice.candidate.taps, choice.l2) == (("b",), 0.1)


def test_a_cheaper_candidate_wins_within_one_standard_error() -> None:
    random = np.random.default_rng(2)
    least = random.random(100)
    noise = random.normal(size=100)
    noise -= noise.mean()
    error = noise.std(ddof=1) / 10
    for excess, chosen in ((0.9 * error, "cheap"), (1.1 * error, "dear")):
        scans = [scan("cheap", least + noise + excess, least + 5), scan("dear", least + 5, least)]
        assert choose(scans).candidate.taps == (chosen,)


def test_with_few_examples_there_is_no_preference() -> None:
    few = np.array([0.1, 0.5, 0.3, 0.7])
    noise = np.array([1.0, -1.0, 1.0, -0.9])
    assert choose([scan("cheap", few + noise, few + 5), scan("dear", few + 5, few)]).candidate.taps == ("dear",)


def test_only_counted_and_validated_examples_decide() -> None:
    ones, zeros = np.ones(40), np.zeros(40)
    half = np.arange(40) < 20
    never = np.where(np.arange(40) == 0, np.nan, 1.0)
    scans = [scan("a", never * np.where(half, 0, 2), ones * 9), scan("b", never * np.where(half, 1, 0), zeros + 9)]
    assert choose(scans, half).candidate.taps == ("a",)
    assert choose(scans, ~half).candidate.taps == ("b",)
    assert choose(scans).candidate.taps == ("b",)


def test_a_scan_holds_the_losses_of_regressions_that_never_saw_the_example() -> None:
    features, truth = examples(24, 6, 3)
    scanned = Search(truth, 3, lambda: None).scan(candidate("tap", features), np.arange(24), (0.1,), seed=1)
    assert scanned.path == (0.1,)
    # With 10 folds of 24 examples, each is held out with one or two others; alone it fares about as it does there.
    unit = unit_length(features).astype(np.float64)
    alone = np.empty(24)
    for row in range(24):
        others = np.flatnonzero(np.arange(24) != row)
        solution = fit_ridge(unit[others], truth[others], 3, np.ones((23, 1)), 0.1, tolerance=1e-6)[:, 0]
        alone[row] = -np.log(softmax(unit[[row]] @ solution[:-1] + solution[-1])[0, truth[row]])
    assert scanned.losses[0] == pytest.approx(alone, abs=0.5)
    assert scanned.losses[0].mean() == pytest.approx(alone.mean(), abs=0.1)


def test_the_only_example_of_a_class_is_never_validated() -> None:
    features, truth = examples(13, 6, 3)
    truth[-1] = 3
    scanned = Search(truth, 4, lambda: None).scan(candidate("tap", features), np.arange(13), PATH, seed=1)
    assert np.flatnonzero(np.isnan(scanned.losses[0])).tolist() == [12]
    assert np.isfinite(scanned.losses[:, :12]).all()


def test_a_path_ends_where_it_only_gets_worse() -> None:
    features, truth = examples(120, 40, 3, noise=30.0)
    scanned = Search(truth, 3, lambda: None).scan(candidate("tap", features), np.arange(120), L2_PATH, seed=1)
    assert len(scanned.path) < len(L2_PATH)
    assert scanned.losses.mean(1).argmin() < len(scanned.path) - 2


def test_of_many_examples_a_sample_chooses_what_is_tried_on_all() -> None:
    features, truth = examples(SEARCH_EXAMPLES + 300, 8, 2)
    random = np.random.default_rng(6)
    noise = [random.normal(size=features.shape).astype(np.float32) for _ in range(3)]
    candidates = [candidate(f"noise {n}", values) for n, values in enumerate(noise)] + [candidate("good", features)]
    told: list[float] = []
    scans = Search(truth, 2, lambda: None).scan_all(candidates, np.arange(len(truth)), seed=1, tell=told.append)
    assert len(scans) == 3
    assert all(scanned.losses.shape == (len(scanned.path), len(truth)) for scanned in scans)
    assert all(len(scanned.path) <= 3 for scanned in scans)
    assert choose(scans).candidate.taps == ("good",)
    assert told == sorted(told)
    assert told[-1] == 1


def test_taps_side_by_side_are_restored_to_weights_on_their_vectors() -> None:
    one, truth = examples(30, 7, 3)
    two, _ = examples(30, 50, 3)
    both = candidate("both", one, two)
    values = both.values(np.arange(30), np.float64)
    solution = fit_ridge(values, truth, 3, np.ones((30, 1)), 0.1, tolerance=1e-8)[:, 0]
    weights, biases = both.restore(solution)
    side_by_side = np.hstack([unit_length(one), unit_length(two)])
    assert weights.shape == (57, 3)
    assert side_by_side @ weights + biases == pytest.approx(values @ solution[:-1] + solution[-1], abs=1e-5)
    direct = fit_ridge(side_by_side.astype(np.float64), truth, 3, np.ones((30, 1)), 0.1, tolerance=1e-8)[:, 0]
    assert weights == pytest.approx(direct[:-1], abs=1e-4)
