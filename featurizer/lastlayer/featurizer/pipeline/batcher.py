"""Gathers items of many callers into batches for a worker that is busy most of the time.

Knows neither images nor gRPC. No batch waits to be filled: the next one is cut when the worker is free, so that a
lone caller waits for nobody, and the busier it is the larger the batches become. Once a full batch waits it begins
beside the one that runs: of a single batch the processors are never quite busy, as its layers end at different times
on each of them. What is alone need not even change threads (see `Batcher.run_alone`).
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from lastlayer.rpc.errors import DeadlinePassedError, NotReadyError

_MAX_CONCURRENT: Final = 2
"""The most batches that run at once."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class _Entry(Generic[Item, Result]):
    item: Item
    deadline: float | None
    result: asyncio.Future[Result]


class Batcher(Generic[Item, Result]):
    """Runs items in batches in threads of its own, one batch at a time, or two where there is much to do.

    It does not bound how many items wait: who submits has been admitted (see `pipeline.admission`).
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Result]], *, max_items: int) -> None:
        """`run` takes items and returns one result each, in order; it is called in two threads.

        At most `max_items` run at once, at most half of them (rounded up) in a batch. To be made where a loop runs.
        """
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._max_items = max_items
        self._batch_items = -(-max_items // _MAX_CONCURRENT)
        self._queue: deque[_Entry[Item, Result]] = deque()
        self._stopping = False
        self._busy = 0
        """How many batches run now."""
        self._running_items = 0
        """How many items are in them."""
        self._beginning = threading.Lock()
        """Held by who looks at whether there is room, and takes it."""
        self._ended = asyncio.Event()
        """Set each time that a batch has run."""
        self._answering: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(_MAX_CONCURRENT, thread_name_prefix="graph")

    async def submit(self, item: Item, *, deadline: float | None = None) -> Result:
        """Return the item's result.

        An item whose caller is cancelled, or whose `deadline` (of `time.monotonic()`) passes, while it waits is never
        run. Raises DeadlinePassedError, NotReadyError once stopped, or what `run` raises for this item.
        """
        if self._stopping:
            raise NotReadyError("The service is stopping; try again in a moment.")
        entry: _Entry[Item, Result] = _Entry(item, deadline, self._loop.create_future())
        self._queue.append(entry)
        # Soon, and not now, so that what comes together goes together.
        self._loop.call_soon(self._begin)
        return await entry.result

    def run_alone(self, item: Item) -> Result | None:
        """Run an item in the calling thread, which is not the loop's, and return its result.

        Returns None, and does nothing, where something runs or waits already: then it is to be submitted. Raises what
        `run` raises.
        """
        with self._beginning:
            if self._busy or self._queue:
                return None
            self._busy += 1
            self._running_items += 1
        try:
            [result] = self._run([item])
            return result
        finally:
            self._loop.call_soon_threadsafe(self._end, 1)

    async def stop(self) -> None:
        """Run what waits, refuse what comes, and end the threads. Safe to call twice."""
        self._stopping = True
        self._begin()
        while self._busy:
            self._ended.clear()
            await self._ended.wait()
        while self._answering:
            await asyncio.wait(self._answering)
        self._threads.shutdown()

    def _begin(self) -> None:
        """Begin batches as long as there are items and room for one more."""
        with self._beginning:
            while self._queue and self._has_room():
                if batch := self._cut():
                    self._busy += 1
                    self._running_items += len(batch)
                    task = asyncio.create_task(self._answer(batch))
                    self._answering.add(task)
                    task.add_done_callback(self._answering.discard)

    def _end(self, items: int) -> None:
        """Take note that a batch of so many items has run, and begin the next."""
        with self._beginning:
            self._busy -= 1
            self._running_items -= items
        self._ended.set()
        self._begin()

    def _has_room(self) -> bool:
        if not self._busy:
            return True
        if self._busy == _MAX_CONCURRENT or not self._room():
            return False
        return sum(not entry.result.done() for entry in self._queue) >= self._room()

    def _room(self) -> int:
        """Return how many items the next batch may have."""
        return min(self._batch_items, self._max_items - self._running_items)

    def _cut(self) -> list[_Entry[Item, Result]]:
        """Take the oldest items off the queue, leaving out those that nobody waits for any more."""
        batch: list[_Entry[Item, Result]] = []
        room = self._room()
        while self._queue and len(batch) < room:
            entry = self._queue.popleft()
            if entry.result.done():  # the caller was cancelled
                continue
            if entry.deadline is not None and entry.deadline <= time.monotonic():
                entry.result.set_exception(DeadlinePassedError("The deadline passed before the work was begun."))
                continue
            batch.append(entry)
        return batch

    async def _answer(self, batch: list[_Entry[Item, Result]]) -> None:
        outcomes = await self._outcomes(batch)
        # The next batch begins first, as answering takes a while.
        self._end(len(batch))
        for entry, outcome in zip(batch, outcomes, strict=True):
            # A caller that was cancelled while its batch ran has cancelled its future.
            with contextlib.suppress(asyncio.InvalidStateError):
                if isinstance(outcome, Exception):
                    entry.result.set_exception(outcome)
                else:
                    entry.result.set_result(outcome)

    async def _outcomes(self, batch: list[_Entry[Item, Result]]) -> list[Result | Exception]:
        """Run a batch and return for each item its result, or why there is none."""
        try:
            results = await self._loop.run_in_executor(self._threads, self._run, [entry.item for entry in batch])
            return [result for _, result in zip(batch, results, strict=True)]
        except Exception as error:
            if len(batch) == 1:
                return [error]
            outcomes: list[Result | Exception] = []
            # One item may have spoiled the batch: its mates get their answers all the same.
            for entry in batch:
                outcomes += [error] if entry.result.done() else await self._outcomes([entry])
            return outcomes
