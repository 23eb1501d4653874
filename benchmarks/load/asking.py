"""Asks a classifier for little, again and again, while it does something else: how long others wait for it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lastlayer.client import Client

_PAUSE_S = 0.1
_TIMEOUT_S = 600.0


@contextmanager
def asking(server: str) -> Iterator[list[float]]:
    """Ask for the models again and again while the block lasts; yields how long each answer took, in seconds."""
    taken = [0.0]
    ended = threading.Event()

    def ask() -> None:
        with Client(server, timeout_s=_TIMEOUT_S) as client:
            while not ended.wait(_PAUSE_S):
                before = time.perf_counter()
                list(client.list_models())
                taken.append(time.perf_counter() - before)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield taken
    finally:
        ended.set()
        thread.join()
