"""How the C library hands out this process's memory: one heap, which keeps what batches use over and over."""

import ctypes
import platform
from typing import Final

# Of <malloc.h>.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_KEPT_BYTES: Final = 512 * 2**20


def keep_batches_on_heap() -> None:
    """Have all memory come from one heap, which keeps up to 512 MiB that are free.

    By default glibc maps each block above 32 MiB anew, and unmaps it at once: the first layers of a batch of 16 then
    cost thousands of page faults an image, a seventh of all its time. And it makes heaps for threads, of which hardly
    anything is ever given back: 100 MB more at the peak. To be called before there are threads, as those that have a
    heap by then keep it. Does nothing where there is another C library.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, 1)
        library.mallopt(_M_MMAP_THRESHOLD, 2 * _KEPT_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
