"""What a process gives back of its memory."""

import contextlib
import ctypes


def give_back_free_memory() -> None:
    """Give the system what is free on the heap, such as what loading a network or training a head has used."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
