"""Waits for what cannot be interrupted, such as a read from the network, in a way that can be given up."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

Result = TypeVar("Result")

POLL_S: Final = 0.1
"""How often a watcher is called."""


def run_watched(work: Callable[[], Result], wait: Callable[[], None], *, timeout_s: float) -> Result:
    """Return what `work` returns, or raise what it raises; it runs in a thread that a process does not wait for.

    Meanwhile `wait` is called many times a second: what it raises gives the work up. Raises TimeoutError where that
    takes longer than `timeout_s`.
    """
    answer: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put((work(), None))
        except BaseException as error:
            answer.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    end = time.monotonic() + timeout_s
    while True:
        try:
            result, error = answer.get(timeout=max(0.0, min(POLL_S, end - time.monotonic())))
        except queue.Empty:
            if time.monotonic() >= end:
                raise TimeoutError(f"no answer within {timeout_s:g} seconds") from None
            wait()
            continue
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # there is one where there is no error
