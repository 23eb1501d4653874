"""One thread for what computes long, in several threads of ours at once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy.linalg  # noqa: F401 - loads BLAS, so that there is what can be limited
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from lastlayer.classifier.fitting.threads import one_thread


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in ThreadpoolController().info() if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _several_threads() -> Iterator[None]:
    with ThreadPoolExecutor(1) as others, threadpool_limits(2, user_api="blas"):
        # Of threads that have set a limit, one that lives on is no reason to ignore others.
        others.submit(within_a_block, lambda: None).result()
        yield


def within_a_block(do: Callable[[], None]) -> None:
    with one_thread():
        assert blas_threads() == {1}
        do()


def test_the_limit_lasts_until_the_last_block_is_left_and_is_then_what_it_was() -> None:
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        assert leave.wait(60)

    other = threading.Thread(target=within_a_block, args=[stay])
    with one_thread():
        assert blas_threads() == {1}
        other.start()
        assert entered.wait(60)
    assert blas_threads() == {1}
    leave.set()
    other.join()
    assert blas_threads() == {2}


def test_each_thread_can_set_the_limit_after_another() -> None:
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        for executor in (first, second, first):
            executor.submit(within_a_block, lambda: None).result()
            assert blas_threads() == {2}


def test_blocks_may_be_within_each_other() -> None:
    within_a_block(lambda: within_a_block(lambda: None))
    assert blas_threads() == {2}
