"""Bidirectional streams with a few requests in work at once; while the caller does not read, no more are read."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import Any, Final, TypeVar

Request = TypeVar("Request")
Response = TypeVar("Response")

_END: Final = object()


async def answer_each(
    requests: AsyncIterable[Request],
    answer: Callable[[Request], Awaitable[Response]],
    *,
    in_flight: int,
    in_order: bool,
) -> AsyncGenerator[Response, None]:
    """Yield the answer of each request: in the order of the requests, or as soon as each is finished.

    At most `in_flight` requests are in work at once. They are cancelled when the generator is closed: use it with
    `contextlib.aclosing`. Raises what `answer` or `requests` raises.
    """
    source = aiter(requests)

    async def read() -> Any:
        return await anext(source, _END)

    reading: asyncio.Future[Any] | None = asyncio.ensure_future(read())
    working: list[asyncio.Future[Response]] = []
    try:
        while reading is not None or working:
            can_read = reading is not None and len(working) < in_flight
            awaited: list[asyncio.Future[Any]] = [*(working[:1] if in_order else working)]
            await asyncio.wait(
                [*awaited, reading] if can_read and reading is not None else awaited,
                return_when=asyncio.FIRST_COMPLETED,
            )
            finished = itertools.takewhile(_is_done, working) if in_order else filter(_is_done, working)
            for task in list(finished):
                working.remove(task)
                yield task.result()
            if can_read and reading is not None and reading.done():
                request = reading.result()
                reading = None
                if request is not _END:
                    # The answer is begun before the next request is asked for, whose reader may wait for room.
                    working.append(asyncio.ensure_future(answer(request)))
                    reading = asyncio.ensure_future(read())
                del request  # which may be large
    finally:
        left = [*working, *([reading] if reading is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def run_ahead(items: AsyncGenerator[Response, None]) -> AsyncGenerator[Response, None]:
    """Yield what `items` yields; it goes on to the next one while the one before is used, and is closed at the end.

    Use it with `contextlib.aclosing`. Raises what `items` raises.
    """

    async def find_next() -> Any:
        return await anext(items, _END)

    following = asyncio.ensure_future(find_next())
    try:
        while (item := await following) is not _END:
            following = asyncio.ensure_future(find_next())
            yield item
            del item  # which may be large
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await items.aclose()


def _is_done(task: "asyncio.Future[Any]") -> bool:
    return task.done()
