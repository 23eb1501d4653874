"""Reading ahead: order, faults, one thing more than is used, and an end that leaves nothing behind."""

import threading
from collections.abc import Iterator

import pytest

from lastlayer.client.transport.adding.ahead import read_ahead

WAIT_S = 30


def test_all_come_in_their_order() -> None:
    assert list(read_ahead(iter(range(100)))) == list(range(100))
    assert list(read_ahead([None])) == [None]
    assert list(read_ahead([])) == []


def test_what_the_source_raises_is_raised_after_what_it_made() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    items = read_ahead(source())
    assert next(items) == 1
    with pytest.raises(KeyError, match="broken"):
        next(items)
    assert list(items) == []


def test_one_more_is_made_while_one_is_used_and_none_after_the_end() -> None:
    made = [threading.Event() for _ in range(4)]
    threads = []

    def source() -> Iterator[int]:
        threads.append(threading.current_thread())
        for number, event in enumerate(made):
            event.set()
            yield number

    items = read_ahead(source())
    assert not threads, "nothing is made before it is asked for"
    assert next(items) == 0
    assert made[1].wait(WAIT_S)
    assert not made[2].is_set()
    items.close()  # type: ignore[attr-defined]
    threads[0].join(WAIT_S)
    assert not threads[0].is_alive()
    assert not made[2].is_set()
