"""How long a call would wait: told by those before it, too long for it is refused at once."""

import asyncio

import pytest

from lastlayer.featurizer.pipeline.waiting import PATIENCE_S, WaitEstimate
from lastlayer.rpc.errors import OverloadedError


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def estimate(clock: Clock) -> WaitEstimate:
    return WaitEstimate(clock=clock)


def measure(estimate: WaitEstimate, clock: Clock, *, inside: int, seconds: float) -> None:
    with estimate.measure(inside):
        clock.now += seconds


def test_nobody_is_refused_before_something_was_measured(estimate: WaitEstimate, clock: Clock) -> None:
    estimate.check(1, before=500, deadline=clock.now + 0.001)
    measure(estimate, clock, inside=1, seconds=60)  # a first call, which tells nothing of a queue
    estimate.check(1, before=500, deadline=clock.now + 0.001)


def test_a_deadline_that_cannot_be_met_is_refused_and_told_when_it_could_be(
    estimate: WaitEstimate, clock: Clock
) -> None:
    measure(estimate, clock, inside=10, seconds=1)
    estimate.check(4, before=16, deadline=clock.now + 2.6)
    with pytest.raises(OverloadedError, match=r"The 16 images that are here already take about 1\.6 s") as caught:
        estimate.check(4, before=16, deadline=clock.now + 2)
    assert caught.value.retry_after_s == pytest.approx(0.5)


def test_a_call_without_a_deadline_has_some_patience(estimate: WaitEstimate, clock: Clock) -> None:
    measure(estimate, clock, inside=10, seconds=1)
    estimate.check(256, before=int(PATIENCE_S * 10), deadline=None)
    with pytest.raises(OverloadedError):
        estimate.check(1, before=int(PATIENCE_S * 10) + 1, deadline=None)


def test_a_deadline_that_has_passed_is_told_as_that_by_others(estimate: WaitEstimate, clock: Clock) -> None:
    measure(estimate, clock, inside=10, seconds=1)
    estimate.check(1, before=100, deadline=clock.now)


def test_a_call_that_is_alone_is_let_in_whatever_was(estimate: WaitEstimate, clock: Clock) -> None:
    measure(estimate, clock, inside=10, seconds=1000)
    estimate.check(256, before=0, deadline=clock.now + 0.1)


def test_a_slow_time_that_is_over_is_soon_forgotten(estimate: WaitEstimate, clock: Clock) -> None:
    measure(estimate, clock, inside=10, seconds=100)
    with pytest.raises(OverloadedError):
        estimate.check(1, before=1, deadline=clock.now + 1)
    for _ in range(10):
        measure(estimate, clock, inside=1, seconds=0.1)  # lone calls suffice
    estimate.check(1, before=1, deadline=clock.now + 1)


def test_those_that_gave_up_waiting_count_where_they_waited_long(estimate: WaitEstimate, clock: Clock) -> None:
    measure(estimate, clock, inside=10, seconds=1)

    def give_up(after_s: float) -> None:
        clock.now += after_s
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError), estimate.measure(10):
        give_up(0.1)
    estimate.check(1, before=9, deadline=clock.now + 1.3)
    with pytest.raises(asyncio.CancelledError), estimate.measure(10):
        give_up(6)
    with pytest.raises(OverloadedError):
        estimate.check(1, before=9, deadline=clock.now + 1.3)
    with pytest.raises(OverloadedError):
        estimate.check(1, before=9, deadline=clock.now + 1.5)


def test_a_call_that_fails_tells_nothing(estimate: WaitEstimate, clock: Clock) -> None:
    def fail() -> None:
        clock.now += 1000
        raise KeyError

    with pytest.raises(KeyError), estimate.measure(100):
        fail()
    estimate.check(1, before=500, deadline=clock.now + 0.1)
