"""Makes log records of lines that were written to standard error past logging.

`python -m lastlayer.rpc.observability.stderr LEVEL` reads such lines and writes the records of LEVEL and above as JSON.
It is a process of its own (see `lastlayer.rpc.observability.logs.redirect_stderr`), so that it still tells the last
words of a process that a library in C++ has aborted: a thread would end with it.
"""

import contextlib
import logging
import os
import re
import signal
import sys
from typing import Final

from lastlayer.rpc.observability.logs import JsonFormatter

_MAX_LINE_BYTES: Final = 64 * 1024
"""Longer lines become several records."""

# The prefixes of absl (https://abseil.io/docs/cpp/guides/logging) and of older parts of TensorFlow.
_PREFIXES: Final = (
    re.compile(r"([IWEF])\d{4} \d\d:\d\d:\S+ +\d+ (.+)"),
    re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: ([IWEF]) (.+)"),
)
_LEVELS: Final = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR, "F": logging.CRITICAL}


def parse_line(text: str) -> tuple[int, str]:
    """Return the level of a line that somebody else has written, and the line without what tells level and time."""
    for prefix in _PREFIXES:
        if match := prefix.fullmatch(text):
            return _LEVELS[match[1]], match[2]
    # Commands end with `Error: …`, and exceptions with `…Error: …`.
    return (logging.ERROR if re.match(r"[\w.]*Error\b", text) else logging.WARNING), text


def main() -> None:
    """Read lines from standard input until its end, and write their records to standard error."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with the process whose lines it reads
    least = logging.getLevelNamesMapping()[sys.argv[1]]
    formatter = JsonFormatter()
    with os.fdopen(0, "rb") as lines:
        while line := lines.readline(_MAX_LINE_BYTES):
            level, message = parse_line(line.decode(errors="replace").rstrip())
            if message and level >= least:
                record = logging.LogRecord("stderr", level, "", 0, message, None, None)
                with contextlib.suppress(OSError):  # nobody reads any more; who writes must not wait for that
                    os.write(2, f"{formatter.format(record)}\n".encode(errors="replace"))


if __name__ == "__main__":
    main()
