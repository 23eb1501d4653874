"""Streams with several requests in work: order, bounds, failures, and an end that leaves nothing behind."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from lastlayer.rpc.server.streams import answer_each, run_ahead


class Answers:
    """Answers each request when it is told to, and records what was begun and what was cancelled."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.cancelled: list[int] = []
        self._gates: dict[int, asyncio.Event] = {}

    def gate(self, request: int) -> asyncio.Event:
        return self._gates.setdefault(request, asyncio.Event())

    async def __call__(self, request: int) -> str:
        self.begun.append(request)
        try:
            await self.gate(request).wait()
        except asyncio.CancelledError:
            self.cancelled.append(request)
            raise
        return f"answer {request}"


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("in_order", [True, False])
async def test_no_more_than_allowed_are_in_work(in_order: bool) -> None:
    answers = Answers()
    stream = answer_each(numbers(5), answers, in_flight=2, in_order=in_order)
    first = asyncio.ensure_future(anext(stream))
    await settled()
    assert answers.begun == [0, 1]
    for number in range(5):
        answers.gate(number).set()
    assert [await first, *[answer async for answer in stream]] == [f"answer {number}" for number in range(5)]


async def test_in_order_a_slow_first_one_is_waited_for() -> None:
    answers = Answers()
    stream = answer_each(numbers(3), answers, in_flight=3, in_order=True)
    first = asyncio.ensure_future(anext(stream))
    await settled()
    answers.gate(2).set()
    answers.gate(1).set()
    await settled()
    assert not first.done()
    answers.gate(0).set()
    assert [await first, await anext(stream), await anext(stream)] == ["answer 0", "answer 1", "answer 2"]


async def test_as_finished_a_slow_one_holds_nobody_up() -> None:
    answers = Answers()
    stream = answer_each(numbers(3), answers, in_flight=3, in_order=False)
    first = asyncio.ensure_future(anext(stream))
    await settled()
    answers.gate(2).set()
    assert await first == "answer 2"
    answers.gate(0).set()
    answers.gate(1).set()
    assert {answer async for answer in stream} == {"answer 0", "answer 1"}


@pytest.mark.parametrize("in_order", [True, False])
async def test_an_end_cancels_what_is_in_work(in_order: bool) -> None:
    answers = Answers()
    stream = answer_each(numbers(5), answers, in_flight=2, in_order=in_order)
    reading = asyncio.ensure_future(anext(stream))
    await settled()
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading
    assert sorted(answers.cancelled) == [0, 1]
    assert answers.begun == [0, 1]


@pytest.mark.parametrize("in_order", [True, False])
async def test_a_failure_ends_the_stream_and_cancels_the_rest(in_order: bool) -> None:
    cancelled = asyncio.Event()

    async def answer(request: int) -> int:
        if request == 0:
            await settled()
            raise ValueError("broken")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return request

    with pytest.raises(ValueError, match="broken"):
        _ = [answer async for answer in answer_each(numbers(3), answer, in_flight=2, in_order=in_order)]
    assert cancelled.is_set()


async def test_no_requests_yield_no_answers() -> None:
    assert [answer async for answer in answer_each(numbers(0), Answers(), in_flight=2, in_order=True)] == []


async def test_the_next_one_is_made_while_one_is_used() -> None:
    made: list[int] = []

    async def source() -> AsyncGenerator[int, None]:
        for number in range(3):
            await asyncio.sleep(0)
            made.append(number)
            yield number

    used = []
    async with contextlib.aclosing(run_ahead(source())) as items:
        async for item in items:
            await settled()
            assert made == list(range(min(item + 2, 3)))
            used.append(item)
    assert used == [0, 1, 2]


async def test_what_breaks_ahead_is_raised_in_its_turn() -> None:
    async def source() -> AsyncGenerator[int, None]:
        yield 1
        raise KeyError("broken")

    async with contextlib.aclosing(run_ahead(source())) as items:
        assert await anext(items) == 1
        await settled()
        with pytest.raises(KeyError, match="broken"):
            await anext(items)


async def test_what_is_left_ahead_is_cancelled_and_closed() -> None:
    answers = Answers()
    answers.gate(0).set()
    async with contextlib.aclosing(run_ahead(answer_each(numbers(5), answers, in_flight=2, in_order=True))) as items:
        assert await anext(items) == "answer 0"
        await settled()
        assert answers.begun == [0, 1, 2]
    assert answers.cancelled == [1, 2]
