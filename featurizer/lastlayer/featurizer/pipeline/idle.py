"""Does something once nothing has been going on for a while."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator


class Idle:
    """Counts what goes on, and acts each time that nothing has for some seconds."""

    def __init__(self, act: Callable[[], None], *, after_s: float) -> None:
        """`act` is called in a thread."""
        self._act = act
        self._after_s = after_s
        self._going_on = 0
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Tell that something goes on while the block lasts."""
        self.stop()
        self._going_on += 1
        try:
            yield
        finally:
            self._going_on -= 1
            if not self._going_on:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._after_s, loop.run_in_executor, None, self._act)

    def stop(self) -> None:
        """Act no more, unless something goes on again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
