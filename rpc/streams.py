"""Bidirectional streams with a few requests in work at once: bounded memory, and a caller that does not read is not read."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TypeVar

Request = TypeVar("Request")
Response = TypeVar("Response")


async def answer_as_finished(
    requests: AsyncIterable[Request], answer: Callable[[Request], Awaitable[Response]], *, in_flight: int
) -> AsyncIterator[Response]:
    """Yield the answer of each request as soon as it is there, at most `in_flight` of them in work."""
    source = aiter(requests)
    reading: asyncio.Future[Request] | None = asyncio.ensure_future(_next(source))
    working: set[asyncio.Future[Response]] = set()
    try:
        while reading is not None or working:
            waiting: set[asyncio.Future[Request] | asyncio.Future[Response]] = set(working)
            if reading is not None and len(working) < in_flight:
                waiting.add(reading)
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in working if task.done()]:
                working.remove(task)
                yield task.result()
            if reading is not None and reading.done() and len(working) < in_flight:
                try:
                    request = reading.result()
                except StopAsyncIteration:
                    reading = None
                else:
                    working.add(asyncio.ensure_future(answer(request)))
                    reading = asyncio.ensure_future(_next(source))
    finally:
        await _abandon([*working, *([reading] if reading is not None else [])])


async def answer_in_order(
    requests: AsyncIterable[Request], answer: Callable[[Request], Awaitable[Response]], *, in_flight: int
) -> AsyncIterator[Response]:
    """Yield the answers in the order of the requests, up to `in_flight` of them in work at once."""
    source = aiter(requests)
    reading: asyncio.Future[Request] | None = asyncio.ensure_future(_next(source))
    working: deque[asyncio.Future[Response]] = deque()
    try:
        while reading is not None or working:
            waiting: set[asyncio.Future[Request] | asyncio.Future[Response]] = set()
            if working:
                waiting.add(working[0])
            if reading is not None and len(working) < in_flight:
                waiting.add(reading)
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            while working and working[0].done():
                yield working.popleft().result()
            if reading is not None and reading.done() and len(working) < in_flight:
                try:
                    request = reading.result()
                except StopAsyncIteration:
                    reading = None
                else:
                    working.append(asyncio.ensure_future(answer(request)))
                    reading = asyncio.ensure_future(_next(source))
    finally:
        await _abandon([*working, *([reading] if reading is not None else [])])


async def _next(source: AsyncIterator[Request]) -> Request:
    return await anext(source)


async def _abandon(tasks: "list[asyncio.Future[Request] | asyncio.Future[Response]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
