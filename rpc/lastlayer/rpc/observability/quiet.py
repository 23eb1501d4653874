"""Keeps what libraries of C++ say to nobody in particular off a command's standard error."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Final

_IDLE: Final = re.compile(rb"I\d{4} |INFO: |WARNING: All log messages before absl::InitializeLog\(\)")
"""How the lines of absl and of TensorFlow Lite begin that tell of no fault."""


@contextlib.contextmanager
def native_lines_held() -> Iterator[None]:
    """Hold what is written to the descriptor 2 while the block lasts; then let pass what tells of a fault.

    What Python writes to `sys.stderr` comes through at once. It is for commands, while TensorFlow is loaded: some
    of its lines are written whatever its settings say.
    """
    stream = sys.stderr
    if not _is_descriptor_2(stream):  # somebody reads it elsewhere
        yield
        return
    stream.flush()
    with tempfile.TemporaryFile() as held, os.fdopen(os.dup(2), "w", buffering=1) as real:
        os.dup2(held.fileno(), 2)
        sys.stderr = real
        try:
            yield
        finally:
            real.flush()
            os.dup2(real.fileno(), 2)
            sys.stderr = stream
            held.seek(0)
            for line in held:
                if not _IDLE.match(line):
                    os.write(2, line)


def _is_descriptor_2(stream: object) -> bool:
    try:
        return bool(stream.fileno() == 2)  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False
