"""One thread for what computes long, in several threads of ours at once."""

import threading

from threadpoolctl import ThreadpoolController, threadpool_limits

from lastlayer.classifier.fitting.threads import one_thread


def blas_threads() -> set[int]:
    import numpy.linalg  # noqa: F401 - which loads BLAS

    return {pool["num_threads"] for pool in ThreadpoolController().info() if pool["user_api"] == "blas"}


def test_the_limit_lasts_until_the_last_block_is_left_and_is_then_what_it_was() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        entered, leave = threading.Event(), threading.Event()

        def compute() -> None:
            with one_thread():
                entered.set()
                assert leave.wait(60)

        other = threading.Thread(target=compute)
        with one_thread():
            assert blas_threads() == {1}
            other.start()
            assert entered.wait(60)
        assert blas_threads() == {1}
        leave.set()
        other.join()
        assert blas_threads() == before


def test_blocks_may_be_within_each_other() -> None:
    before = blas_threads()
    with one_thread():
        with one_thread():
            pass
        assert blas_threads() == {1}
    assert blas_threads() == before
