"""The choice: the one-standard-error preference, the prior of penalties, further views."""

from dataclasses import replace

import numpy as np
import pytest

from lastlayer.classifier.training.search.candidates import Candidate
from lastlayer.classifier.training.search.scans import Choice, Scan, choose, mean_and_error
from lastlayer.rpc.vectors import View

PATH = (1.0, 0.1)


def scan(tap: str, *losses: np.ndarray) -> Scan:
    return Scan(Candidate((tap,), ()), PATH, np.stack(losses)[:, None])


def chosen_of(*scans: Scan) -> Choice:
    return choose(scans, np.ones(scans[0].losses.shape[2]))


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
