"""Counts what goes on, and does something once nothing has for a while."""

import asyncio
from collections.abc import Callable


class Activity:
    """Acts each time that nothing has been going on for some seconds. Within a loop."""

    def __init__(self, act: Callable[[], None], *, after_s: float) -> None:
        """`act` is called in a thread. To be made where a loop runs."""
        self._act = act
        self._after_s = after_s
        self._going_on = 0
        self._nothing = asyncio.Event()
        self._nothing.set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, things: int) -> None:
        """Tell that so many things begin."""
        self.stop()
        self._nothing.clear()
        self._going_on += things

    def end(self, things: int) -> None:
        """Tell that so many of them have ended."""
        self._going_on -= things
        if not self._going_on:
            self._nothing.set()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._after_s, loop.run_in_executor, None, self._act)

    async def wait(self) -> None:
        """Return once nothing goes on."""
        await self._nothing.wait()

    def stop(self) -> None:
        """Act no more, unless something begins again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
