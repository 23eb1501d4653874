"""Gathers items of many callers into batches for one worker that is busy most of the time.

Knows neither images nor gRPC. No batch waits to be filled: the next one is cut when the worker is free, so that a
lone caller waits for nobody, and the busier it is the larger the batches become.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from rpc.errors import DeadlinePassedError, NotReadyError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class _Entry(Generic[Item, Result]):
    item: Item
    deadline: float | None
    result: asyncio.Future[Result]


class Batcher(Generic[Item, Result]):
    """Runs items in batches, one batch at a time, in a thread of its own.

    It does not bound how many items wait: who submits has been admitted (see `featurizer.admission`).
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Result]], *, max_items: int) -> None:
        """`run` takes 1 to `max_items` items and returns one result each, in order."""
        self._run = run
        self._max_items = max_items
        self._queue: deque[_Entry[Item, Result]] = deque()
        self._arrived = asyncio.Event()
        self._stopping = False
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="graph")

    async def submit(self, item: Item, *, deadline: float | None = None) -> Result:
        """Return the item's result.

        An item whose caller is cancelled, or whose `deadline` (of `time.monotonic()`) passes, while it waits is never
        run. Raises DeadlinePassedError, NotReadyError once stopped, or what `run` raises for this item.
        """
        if self._stopping:
            raise NotReadyError("The service is stopping; try again in a moment.")
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        entry: _Entry[Item, Result] = _Entry(item, deadline, asyncio.get_running_loop().create_future())
        self._queue.append(entry)
        self._arrived.set()
        return await entry.result

    async def stop(self) -> None:
        """Run what waits, refuse what comes, and end the thread. Safe to call twice."""
        self._stopping = True
        self._arrived.set()
        if self._worker is not None:
            await self._worker
        self._thread.shutdown()

    async def _work(self) -> None:
        while self._queue or not self._stopping:
            if batch := self._cut():
                await self._run_batch(batch)
            elif not self._stopping:
                self._arrived.clear()
                await self._arrived.wait()

    def _cut(self) -> list[_Entry[Item, Result]]:
        """Take the oldest items off the queue, leaving out those that nobody waits for any more."""
        batch: list[_Entry[Item, Result]] = []
        while self._queue and len(batch) < self._max_items:
            entry = self._queue.popleft()
            if entry.result.done():  # the caller was cancelled
                continue
            if entry.deadline is not None and entry.deadline <= time.monotonic():
                entry.result.set_exception(DeadlinePassedError("The deadline passed before the work was begun."))
                continue
            batch.append(entry)
        return batch

    async def _run_batch(self, batch: list[_Entry[Item, Result]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(self._thread, self._run, [entry.item for entry in batch])
            answers = list(zip(batch, results, strict=True))
        except Exception as error:
            if len(batch) == 1:
                _finish(batch[0].result, error=error)
                return
            # One item may have spoiled the batch: its mates get their answers all the same.
            for entry in batch:
                if not entry.result.done():
                    await self._run_batch([entry])
            return
        for entry, result in answers:
            _finish(entry.result, result)


def _finish(future: "asyncio.Future[Result]", result: Result | None = None, error: Exception | None = None) -> None:
    # A caller that was cancelled while its batch ran has cancelled its future.
    with contextlib.suppress(asyncio.InvalidStateError):
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]
