"""Bounds how much work is inside at once: no room is said at once, or waited for in turn."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from rpc.errors import OverloadedError


class Admission:
    """A number of places, taken several at a time, in the order of asking."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._free = places
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def taken(self) -> int:
        """The number of places that are taken."""
        return self._places - self._free

    @contextlib.asynccontextmanager
    async def admit(self, places: int, *, wait: bool, retry_after_s: float = 1.0) -> AsyncIterator[None]:
        """Hold some places while the block lasts.

        Where they are not free, waits for them in turn, or raises OverloadedError at once, which tells the caller to
        come again after `retry_after_s` seconds. At most all places can be asked for.
        """
        if self._free >= places and not self._waiting:
            self._free -= places
        elif not wait:
            raise OverloadedError(
                f"The queue is full: {self.taken} of {self._places} places are taken.", retry_after_s=retry_after_s
            )
        else:
            await self._wait(places)
        try:
            yield
        finally:
            self._free += places
            self._hand_on()

    async def _wait(self, places: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((places, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled() or not turn.done():
                self._waiting = deque(entry for entry in self._waiting if entry[1] is not turn)
            else:  # the places came in the moment of the cancellation
                self._free += places
            self._hand_on()
            raise

    def _hand_on(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            places, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._free -= places
                turn.set_result(None)
