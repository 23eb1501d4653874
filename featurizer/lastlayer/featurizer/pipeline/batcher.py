"""Gathers items of many callers into batches for a worker that is busy most of the time.

Knows neither images nor gRPC. No batch waits to be filled: the next one is cut when the worker is free, so that a
lone caller waits for nobody, and the busier it is the larger the batches become. Further batches begin beside the one
that runs, as of a single one the processors are never quite busy: once they are full, or once nothing more is on its
way. What is alone does not even change threads.

Items come from threads and run in threads: the event loop, which has enough to do, only hands out the answers, those of
a batch together.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from lastlayer.rpc.errors import DeadlinePassedError, NotReadyError

_MAX_CONCURRENT: Final = 3
"""The most batches that run at once. Two keep the processors busy. The third is ready when one of them ends: Python may
take milliseconds to begin another.
"""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Entry(Generic[Item, Result]):
    item: Item
    deadline: float | None
    result: "asyncio.Future[Result]"


class Batcher(Generic[Item, Result]):
    """Runs items in batches in threads of its own, one batch at a time, or up to three where there is much to do.

    It does not bound how many items wait: who submits has been admitted (see `pipeline.admission`).
    """

    def __init__(self, run: Callable[[Sequence[Item], bool], Sequence[Result]], *, max_items: int) -> None:
        """`run` takes items, and whether no others are here or on their way; it returns one result each, in order. It
        is called in three threads.

        At most `max_items` run at once, at most a third of them (rounded up) in a batch. To be made where a loop runs.
        """
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._max_items = max_items
        self._batch_items = -(-max_items // _MAX_CONCURRENT)
        self._changed = threading.Condition()
        """Held by who reads or changes what follows; waited for by threads that have nothing to do."""
        self._queue: deque[_Entry[Item, Result]] = deque()
        self._coming = 0
        """How many items are on their way."""
        self._stopping = False
        self._busy = 0
        """How many batches run now."""
        self._running_items = 0
        """How many items are in them."""
        self._threads = [
            threading.Thread(target=self._work, name=f"graph_{number}", daemon=True)
            for number in range(_MAX_CONCURRENT)
        ]
        for thread in self._threads:
            thread.start()

    def expect(self, items: int) -> None:
        """Take note that items are on their way: each is to be submitted, or told of by `forget`."""
        with self._changed:
            self._coming += items

    def forget(self, items: int) -> None:
        """Take note that items that were expected do not come."""
        with self._changed:
            self._coming -= items
            self._call()

    def submit(
        self, items: Sequence[Item], results: "Sequence[asyncio.Future[Result]]", *, deadline: float | None = None
    ) -> None:
        """Have items run that were expected, together if there is room; `results` are futures of the loop, one each.

        To be called in a thread, and not in the loop's: an item that is alone, with no others here or on their way,
        runs in it. An item whose future is cancelled, or whose `deadline` (of `time.monotonic()`) passes, while it
        waits is never run. Futures get DeadlinePassedError, or what `run` raises for their item. Raises NotReadyError
        once stopped.
        """
        with self._changed:
            if self._stopping:
                raise NotReadyError("The service is stopping; try again in a moment.")
            self._coming -= len(items)
            self._queue.extend(_Entry(item, deadline, result) for item, result in zip(items, results, strict=True))
            if self._busy or self._coming or len(self._queue) > 1:
                self._call()
                return
            batch = self._cut()
        if batch:
            self._run_batch(batch, alone=True)
            with self._changed:
                self._call()

    async def stop(self) -> None:
        """Run what waits, refuse what comes, and end the threads. Safe to call twice."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()
        with self._changed:
            self._changed.wait_for(lambda: not self._busy)  # something may run alone

    def _work(self) -> None:
        while following := self._next():
            batch, alone = following
            self._run_batch(batch, alone=alone)
            del batch, following  # what is in them would stay in memory until there is another one

    def _next(self) -> tuple[list[_Entry[Item, Result]], bool] | None:
        """Return the next batch, once there is something to run and room for it, and whether it is alone.

        Returns None once all has run and nothing comes any more.
        """
        with self._changed:
            while True:
                if self._has_room():
                    if batch := self._cut():
                        alone = self._busy == 1 and not self._queue and not self._coming
                        self._call()
                        return batch, alone
                elif self._stopping and not self._queue:
                    return None
                else:
                    self._changed.wait()

    def _run_batch(self, batch: list[_Entry[Item, Result]], *, alone: bool) -> None:
        """Run a batch that has its room, give that back, and have the loop hand out the answers."""
        outcomes: list[Result | Exception] = []
        try:
            outcomes = self._outcomes(batch, alone=alone)
        finally:
            # Before the answers: who comes upon these is to find the room free.
            with self._changed:
                self._busy -= 1
                self._running_items -= len(batch)
                if self._stopping:
                    self._changed.notify_all()
        self._loop.call_soon_threadsafe(_answer, batch, outcomes)

    def _call(self) -> None:
        """Call one of the threads if there is something to do for it."""
        if self._has_room():
            self._changed.notify()

    def _has_room(self) -> bool:
        """Return whether a batch of what waits may begin."""
        if not self._queue or self._busy == _MAX_CONCURRENT or not self._room():
            return False
        return not self._busy or not self._coming or len(self._queue) >= self._room()

    def _room(self) -> int:
        """Return how many items the next batch may have."""
        return min(self._batch_items, self._max_items - self._running_items)

    def _cut(self) -> list[_Entry[Item, Result]]:
        """Take the oldest items off the queue, and the room that they need, but for those that nobody waits for any
        more.
        """
        batch: list[_Entry[Item, Result]] = []
        room = self._room()
        while self._queue and len(batch) < room:
            entry = self._queue.popleft()
            if entry.result.done():  # the caller was cancelled
                continue
            if entry.deadline is not None and entry.deadline <= time.monotonic():
                late = DeadlinePassedError("The deadline passed before the work was begun.")
                self._loop.call_soon_threadsafe(_answer, [entry], [late])
                continue
            batch.append(entry)
        if batch:
            self._busy += 1
            self._running_items += len(batch)
        return batch

    def _outcomes(self, batch: list[_Entry[Item, Result]], *, alone: bool) -> list[Result | Exception]:
        """Run a batch and return for each item its result, or why there is none."""
        try:
            results = self._run([entry.item for entry in batch], alone)
            return [result for _, result in zip(batch, results, strict=True)]
        except Exception as error:
            if len(batch) == 1:
                return [error]
            outcomes: list[Result | Exception] = []
            # One item may have spoiled the batch: its mates get their answers all the same.
            for entry in batch:
                outcomes += [error] if entry.result.done() else self._outcomes([entry], alone=alone)
            return outcomes


def _answer(batch: Sequence[_Entry[Item, Result]], outcomes: Sequence[Result | Exception]) -> None:
    """Hand items their outcomes, in the loop."""
    for entry, outcome in zip(batch, outcomes, strict=True):
        if entry.result.done():  # a caller that was cancelled while its batch ran has cancelled its future
            continue
        if isinstance(outcome, Exception):
            entry.result.set_exception(outcome)
        else:
            entry.result.set_result(outcome)
