"""One prediction after the other, however many tabs have their cameras on, and out of the way of other callers.

The featurizer is shared with callers of gRPC. A lane learns how long a prediction takes at best, as LEDBAT (RFC 6817)
does for transfers in the background. Where others wait behind a prediction and it takes clearly longer, somebody else
is at work: the lane then leaves growing pauses. They shrink as soon as predictions are as fast as before.
"""

import asyncio
import contextlib
import statistics
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from typing import Final

_RECENT: Final = 7
"""How many durations the typical one is the median of, so that one hiccup is no caller."""
_SLOWER: Final = 1.4
"""How many times the best duration the typical one is from which on somebody else is at work."""
_MAX_PAUSE: Final = 12.0
"""The longest pause, in typical durations: the lane then takes less than a tenth of the time."""
_FORGET: Final = 1.0002
"""What the best duration grows by with each prediction, so that a service that has become slower is learned anew."""


class Lane:
    """Lets one caller in at a time; its pauses are in seconds."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`clock` and `sleep` count in seconds."""
        self._clock = clock
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._free_at = 0.0
        self._durations: dict[Hashable, _Durations] = defaultdict(_Durations)
        self.pause = 0.0
        """How long the lane is left empty after a prediction, in seconds, where others wait."""

    @contextlib.asynccontextmanager
    async def turn(self, kind: Hashable) -> AsyncIterator[None]:
        """Wait for a turn, and leave the lane when the block ends; turns of one `kind` take about equally long."""
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1
        try:
            if (left := self._free_at - self._clock()) > 0:
                await self._sleep(left)
            begun = self._clock()
            yield
            self._learn(kind, self._clock() - begun)
        finally:
            self._lock.release()

    def _learn(self, kind: Hashable, duration: float) -> None:
        typical, best = self._durations[kind].add(duration)
        if typical > _SLOWER * best:
            self.pause = min(max(1.5 * self.pause, best), _MAX_PAUSE * best)
        else:
            self.pause *= 0.9
        self._free_at = self._clock() + self.pause if self._waiting else 0.0


class _Durations:
    """How long turns of one kind take."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._best = float("inf")

    def add(self, duration: float) -> tuple[float, float]:
        """Return the typical and the best duration, in seconds, which are the same for the first ones."""
        self._recent.append(duration)
        typical = statistics.median(self._recent)
        if len(self._recent) == _RECENT:
            self._best = min(self._best * _FORGET, typical)
        return typical, min(self._best, typical)
