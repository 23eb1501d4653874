"""Threads for what blocks: a few for each kind of work, so that one kind never waits for another."""

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Workers:
    """A few threads for one kind of work; what finds none free waits its turn."""

    def __init__(self, name: str, threads: int) -> None:
        """`name` is what the threads are called, such as in a debugger. They are started when they are needed."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(
        self, work: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Return what `work` returns, called in one of the threads with the caller's context variables."""
        call = functools.partial(contextvars.copy_context().run, work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def close(self) -> None:
        """Drop what waits, and wait for what runs."""
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)
