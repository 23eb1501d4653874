"""Bytes that threads share: taken, given back, and waited for in turn."""

import threading
import time

import pytest

from lastlayer.featurizer.pipeline.budget import ByteBudget

LONG_S = 30.0


def test_bytes_come_back_after_a_failure() -> None:
    budget = ByteBudget(10)
    for _ in range(3):
        with pytest.raises(KeyError), budget.held(10):
            raise KeyError
    with budget.held(4), budget.held(6):
        pass


def test_who_wants_more_than_there_is_gets_all_of_it() -> None:
    with ByteBudget(10).held(1_000):
        pass


def test_who_does_not_fit_waits_and_who_comes_later_waits_behind() -> None:
    budget = ByteBudget(10)
    order: list[str] = []
    done = threading.Event()

    def take(name: str, size: int) -> None:
        with budget.held(size):
            order.append(name)
            if name == "large":
                assert done.wait(LONG_S)

    with budget.held(5):
        large = threading.Thread(target=take, args=("large", 8))
        large.start()
        while len(budget._waiting) < 1:
            time.sleep(0.001)
        small = threading.Thread(target=take, args=("small", 5))
        small.start()
        while len(budget._waiting) < 2:
            time.sleep(0.001)
        assert order == []  # though the small one would fit
    while not order:
        time.sleep(0.001)
    done.set()
    large.join(LONG_S)
    small.join(LONG_S)
    assert order == ["large", "small"]
