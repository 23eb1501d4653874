"""The lane of predictions, with a clock of its own."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from lastlayer.studio.web.lane import Lane

FAST, SLOW = 0.03, 0.06


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lane(clock: Clock) -> Lane:
    return Lane(clock, clock.sleep)


def run(work: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(work())


async def tabs(lane: Lane, clock: Clock, number: int, each: int, duration: float, kind: str = "predict") -> float:
    """Predict in some tabs at once; return the share of the time that the lane was taken."""
    begun = clock()

    async def tab() -> None:
        for _ in range(each):
            async with lane.turn(kind):
                await clock.sleep(duration)

    await asyncio.gather(*(tab() for _ in range(number)))
    return number * each * duration / (clock() - begun)


def test_turns_are_taken_one_after_the_other(lane: Lane, clock: Clock) -> None:
    async def work() -> None:
        assert await tabs(lane, clock, 20, 10, FAST) == pytest.approx(1)
        assert lane.pause == 0

    run(work)


def test_it_makes_way_for_others_and_comes_back(lane: Lane, clock: Clock) -> None:
    async def work() -> None:
        await tabs(lane, clock, 20, 10, FAST)
        await tabs(lane, clock, 20, 2, SLOW)  # somebody else has come
        assert await tabs(lane, clock, 20, 10, SLOW) < 0.2
        assert lane.pause == pytest.approx(12 * FAST, rel=0.1)
        await tabs(lane, clock, 20, 3, FAST)  # and gone
        assert await tabs(lane, clock, 20, 10, FAST) == pytest.approx(1, rel=0.01)

    run(work)


def test_who_is_alone_never_waits(lane: Lane, clock: Clock) -> None:
    async def work() -> None:
        await tabs(lane, clock, 1, 20, FAST)
        assert await tabs(lane, clock, 1, 50, SLOW) == pytest.approx(1)

    run(work)


def test_what_takes_longer_by_nature_is_no_sign_of_others(lane: Lane, clock: Clock) -> None:
    async def work() -> None:
        await tabs(lane, clock, 5, 10, FAST, "predict")
        await tabs(lane, clock, 5, 10, SLOW, "explain")
        assert lane.pause == 0

    run(work)


def test_a_hiccup_is_no_sign_of_others(lane: Lane, clock: Clock) -> None:
    async def work() -> None:
        await tabs(lane, clock, 5, 10, FAST)
        await tabs(lane, clock, 2, 1, 10 * FAST)
        assert lane.pause == 0

    run(work)


def test_who_fails_or_goes_away_leaves_the_lane(lane: Lane, clock: Clock) -> None:
    async def work() -> None:
        with pytest.raises(ValueError, match="broken"):
            async with lane.turn("predict"):
                raise ValueError("broken")

        async def stay() -> None:
            async with lane.turn("predict"):
                await asyncio.Event().wait()

        inside, waiting = asyncio.create_task(stay()), asyncio.create_task(stay())
        await asyncio.sleep(0)
        waiting.cancel()
        inside.cancel()
        await asyncio.gather(inside, waiting, return_exceptions=True)
        assert await tabs(lane, clock, 3, 3, FAST) == pytest.approx(1)

    run(work)
