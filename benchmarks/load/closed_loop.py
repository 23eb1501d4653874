"""Callers that send photos as fast as they are answered, whatever it is that answers, and the process that they are in.

Uses the standard library alone, as it also runs in the rivals' environments: the load on all contenders is the same.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from benchmarks.load.workers import commands, tell

Call = Callable[[bytes], Awaitable[Any]]
"""Sends a photo, and returns once the answer is there and was looked at."""

Calls = tuple[int, float, list[float]]
"""How many images were answered, in how many seconds, and the seconds of each call."""

_START_TIMEOUT_S = 300.0


async def one_by_one(call: Call, images: Iterator[bytes], callers: int, seconds: float) -> Calls:
    """Have callers send an image each, wait for its answer, and so on for a while."""
    latencies: list[float] = []
    started = time.perf_counter()

    async def caller() -> None:
        while (now := time.perf_counter()) < started + seconds:
            await call(next(images))
            latencies.append(time.perf_counter() - now)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return len(latencies), time.perf_counter() - started, latencies


async def until(ready: Callable[[], Awaitable[bool]]) -> None:
    """Return once a server is ready; raises TimeoutError where that takes minutes."""
    async with asyncio.timeout(_START_TIMEOUT_S):
        while not await ready():  # noqa: ASYNC110 (another process has no event to wait for)
            await asyncio.sleep(0.2)


async def answer_commands(
    call: Call,
    vectors: Callable[[bytes], Awaitable[Sequence[float]]],
    photos: Sequence[bytes],
    streams: Callable[[int, float], Awaitable[Calls]] | None = None,
    **ready: object,
) -> None:
    """Be a process of callers (see `benchmarks.load.workers`), which first says that it is ready.

    `vectors` returns the vectors of a photo, one behind the other; `streams` has some callers send over a stream each.
    """
    images = itertools.cycle(photos)
    tell(**ready)
    asked = commands()
    # Read in a thread, so that connections are looked after in the meantime.
    while (command := await asyncio.to_thread(next, asked, None)) is not None:
        if "vectors" in command:
            tell(vectors=[list(await vectors(photo)) for photo in photos[: command["vectors"]]])
            continue
        cpu_s = time.process_time()
        if command["stream"]:
            assert streams is not None
            count, elapsed, latencies = await streams(command["callers"], command["seconds"])
        else:
            count, elapsed, latencies = await one_by_one(call, images, command["callers"], command["seconds"])
        cpu_s = time.process_time() - cpu_s
        tell(images=count, seconds=elapsed, latencies_s=latencies, callers_cpu_s=cpu_s)
