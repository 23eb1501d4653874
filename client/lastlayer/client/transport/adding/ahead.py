"""Makes the next thing while the one before is used."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield what `items` yields, or raise what it raises; one more is made in a thread meanwhile.

    The thread ends when the generator ends or is closed, once it has made what it is at. Nobody waits for it: it may be
    at a file far away.

    Example:
        list(read_ahead([1, 2])) == [1, 2]
    """
    wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
    made: queue.SimpleQueue[tuple[list[Item], BaseException | None]] = queue.SimpleQueue()

    def make() -> None:
        source = iter(items)
        while wanted.get():
            try:
                made.put(([next(source)], None))
            except StopIteration:
                made.put(([], None))
            except BaseException as error:  # it is raised where the item was wanted
                made.put(([], error))

    threading.Thread(target=make, name="read-ahead", daemon=True).start()
    try:
        wanted.put(True)
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if not item:
                return
            wanted.put(True)
            yield item.pop()
    finally:
        wanted.put(False)
