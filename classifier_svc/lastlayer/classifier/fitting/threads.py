"""Keeps what computes for long to one thread, so that the service goes on answering meanwhile."""

import contextlib
import threading
from collections.abc import Iterator

from threadpoolctl import OpenBLASController, threadpool_limits

_lock = threading.Lock()
_inside = 0
_blas: threadpool_limits | None = None


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Have BLAS and OpenMP compute in the calling thread alone while the block lasts.

    The limit of BLAS is one for the whole process: it is set back when the last block is left, whichever thread that is
    in. With a limit of its own each thread would set back what it found, which may be the limit of another.
    """
    global _inside, _blas
    with _lock:
        with _in_control():  # in each block, as libraries may have been loaded since the first was entered
            limited = threadpool_limits(1, user_api="blas")
        _blas = _blas or limited
        _inside += 1
    try:
        with threadpool_limits(1, user_api="openmp"):  # which each thread has for itself
            yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _blas is not None:
                with _in_control():
                    _blas.restore_original_limits()
                _blas = None


@contextlib.contextmanager
def _in_control() -> Iterator[None]:
    """Have this thread change the limit of BLAS: threadpoolctl ignores all threads but the first one that did, which
    keeps them apart. Here a lock does.
    """
    OpenBLASController.clear_controlling_thread(force=True)
    try:
        yield
    finally:
        OpenBLASController.clear_controlling_thread(force=True)
