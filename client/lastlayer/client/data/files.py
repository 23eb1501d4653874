"""Opens the files that users name, which may be pipes, without waiting for what never comes."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

_FIRST_BYTES: Final = 65536


@contextlib.contextmanager
def open_file(path: Path) -> Iterator[tuple[bytes, BinaryIO]]:
    """Open a file; yield the bytes that were read of it already, and the file with all others.

    Raises `OSError`, also where the file is a pipe that nobody has open for writing: `open` would wait for a writer,
    perhaps for ever. A pipe with a writer, such as a shell's `<(command)`, is read as usual. Raises `ValueError` where
    the path has a null character.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        begun = _begin_pipe(descriptor) if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else b""
        if hasattr(os, "O_NONBLOCK"):
            os.set_blocking(descriptor, True)
        yield begun, file


def _begin_pipe(descriptor: int) -> bytes:
    """Return what is in a pipe already; raises `OSError` where it is empty and has no writer."""
    try:
        begun = os.read(descriptor, _FIRST_BYTES)
    except BlockingIOError:  # its writer has written nothing yet
        return b""
    if not begun:
        raise OSError(errno.EPIPE, "nobody writes to this pipe")
    return begun
