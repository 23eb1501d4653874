"""A number of bytes that threads share: who does not fit waits, first come, first served."""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator


class ByteBudget:
    """Memory that threads take and give back."""

    def __init__(self, total: int) -> None:
        self.total = total
        """The bytes that there are."""
        self._free = total
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Hold bytes while the block lasts; waits until they are free. All there are will do for more than that."""
        size = min(size, self.total)
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                # In turn, or what is small would keep what is large waiting for ever.
                self._changed.wait_for(lambda: self._waiting[0] is turn and size <= self._free)
                self._free -= size
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()
