"""Intervals: by the book, and how often they hold what is true."""

import numpy as np
import pytest

from lastlayer.classifier.evaluation.intervals import Interval, inflate, log_loss_interval, wilson_interval
from lastlayer.classifier.evaluation.metrics import evaluate
from lastlayer.classifier.training.recipes import Recipe, TapFeatures
from lastlayer.classifier.training.trainer import train

_GRID = np.linspace(0.5, 1, 100_002)[1:-1]
TRUE_LOSS = float(-(_GRID * np.log(_GRID) + (1 - _GRID) * np.log(1 - _GRID)).mean())
"""The mean entropy of two classes of which the first has a probability from 0.5 to 1."""

LOSSES = np.random.default_rng(3).exponential(size=180)


def interval_of(losses: np.ndarray, inflation: float = 1.0) -> Interval:
    interval = log_loss_interval(losses, inflation)
    assert interval is not None
    return interval


def test_wilsons_interval_by_the_book() -> None:
    # 81 of 263: Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson_interval(29, 29) == pytest.approx((0.8830, 1), abs=5e-5)
    assert wilson_interval(0, 0) is None


def test_the_intervals_hold_the_numbers_and_shrink_with_examples() -> None:
    random = np.random.default_rng(3)
    widths = []
    for examples in (30, 3000):
        probabilities, y = random.dirichlet(np.full(4, 0.3), examples), random.integers(4, size=examples)
        metrics = evaluate(probabilities, y, list("abcd"))
        for value, interval in (
            (metrics.micro_accuracy, metrics.micro_accuracy_interval),
            (metrics.log_loss, metrics.log_loss_interval),
        ):
            assert interval is not None
            assert interval[0] < value < interval[1]
        assert metrics.log_loss_interval is not None
        widths.append(np.ptp(metrics.log_loss_interval))
    assert widths[1] < widths[0] / 5


def test_one_loss_has_no_interval() -> None:
    assert log_loss_interval(np.array([0.1])) is None


def test_an_interval_of_a_log_loss_is_as_wide_to_both_sides_on_a_logarithmic_scale() -> None:
    lower, upper = interval_of(LOSSES)
    assert LOSSES.mean() / lower == pytest.approx(upper / LOSSES.mean())
    error = LOSSES.std(ddof=1) / np.sqrt(len(LOSSES)) / LOSSES.mean()
    assert np.log(upper / LOSSES.mean()) == pytest.approx(1.95996 * error, rel=1e-5)


def test_intervals_of_a_cross_validation_are_those_of_fewer_examples() -> None:
    assert wilson_interval(90, 180, 1.8) == pytest.approx(wilson_interval(50, 100))
    plain, wider = interval_of(LOSSES), interval_of(LOSSES, 2.5)
    # What is in excess of 1 counts twice: four times the variance.
    assert np.log(wider[1] / LOSSES.mean()) == pytest.approx(2 * np.log(plain[1] / LOSSES.mean()))


def test_the_fewer_examples_a_class_has_the_wider_are_intervals() -> None:
    inflations = [inflate(np.arange(5 * each) % 5) for each in (3, 15, 99)]
    assert inflations == pytest.approx([2.1, 1.55, 1.22])
    # Of classes that have no example, as when they are too small to be held out, there is nothing to count.
    assert inflate(np.array([0, 0, 3, 3])) == inflate(np.array([0, 0, 1, 1]))
    assert inflate(np.zeros(0, np.intp)) == 1


def test_the_interval_of_a_log_loss_holds_it_in_95_of_100() -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        best = random.uniform(0.5, 1, 60)
        y = (random.random(60) > best).astype(np.intp)
        interval = evaluate(np.stack([best, 1 - best], 1), y, ["a", "b"]).log_loss_interval
        assert interval is not None
        held += interval[0] <= TRUE_LOSS <= interval[1]
    assert held / 400 == pytest.approx(0.95, abs=0.03)


@pytest.mark.long
def test_intervals_of_trainings_hold_what_the_head_does_on_new_examples() -> None:
    """On drawn features, as a rectifier makes them; `benchmarks/quality.py` counts on images."""
    random = np.random.default_rng(1)
    centres, directions = random.normal(size=(5, 16)), random.normal(size=(16, 128)) / 4
    draws, held = 100, np.zeros(2)
    for _ in range(draws):
        y = np.arange(25 + 1500) % 5
        latent = (centres[y] + 1.5 * random.normal(size=(len(y), 16))) @ directions
        features = np.maximum(latent + 0.2 * random.normal(size=latent.shape), 0).astype(np.float32)
        own, new = slice(0, 25), slice(25, None)
        trained = train(
            [TapFeatures("tap", False, features[own])],
            [str(label) for label in y[own]],
            Recipe.AUTO,
            progress=lambda _message, _share: None,
            cancelled=lambda: False,
        )
        true = evaluate(trained.head.score({"tap": features[new]})[0], y[new], trained.head.classes)
        told = trained.cross_validation
        assert told is not None
        assert told.micro_accuracy_interval is not None
        assert told.log_loss_interval is not None
        held += [
            told.micro_accuracy_interval[0] <= true.micro_accuracy <= told.micro_accuracy_interval[1],
            told.log_loss_interval[0] <= true.log_loss <= told.log_loss_interval[1],
        ]
    assert (held / draws >= 0.92).all()
    assert (held / draws <= 0.99).all()
