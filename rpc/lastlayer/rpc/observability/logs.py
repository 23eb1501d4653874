"""Logging of the services: one line a record on standard error, for people or as JSON for collectors.

Lines that belong to a request have its id. What callers choose, such as a name or a label, stands in many records, so
that nothing of a record can end its line or control a terminal.
"""

import atexit
import contextlib
import datetime
import json
import logging
import os
import re
import subprocess
import sys
from types import TracebackType
from typing import Final, Literal, TextIO, TypeAlias

from lastlayer.rpc.observability import request_ids
from lastlayer.rpc.observability.escape import escape

_ExceptionInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_LEFT_BY_JSON: Final = re.compile("[\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
"""What would control a terminal or end a line, and that `json.dumps` leaves as it is."""

_DRAIN_S: Final = 5.0
"""How long the end of the process waits until what was written last is told."""


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: `time` (UTC, ISO 8601), `level`, `logger`, `message` and, where there is
    one, `request_id` and `exception`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        entry = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if known := request_ids.current.get():
            entry["request_id"] = known
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return _LEFT_BY_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(entry, ensure_ascii=False))


class ConsoleFormatter(logging.Formatter):
    """Formats a record for people, with the request's id in brackets where there is one.

    The lines of an exception follow, each behind a bar: what an exception quotes cannot pass for a record.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the record's line, without an exception."""
        line = escape(super().formatMessage(record))
        known = request_ids.current.get()
        return f"{line} [{known}]" if known else line

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - logging's name
        """Return the lines of an exception."""
        return _behind_bars(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        """Return the lines of a stack."""
        return _behind_bars(super().formatStack(stack_info))


def _behind_bars(text: str) -> str:
    return "\n".join(f"  | {escape(line)}" for line in text.splitlines())


def setup_logging(level: str, style: Literal["console", "json"]) -> None:
    """Log records of `level` and above to standard error, ours and the libraries'. To be called once.

    As JSON every line of standard error is a record, also those that are written past logging: by libraries in C++, by
    child processes, or where an exception ends the process. Their records have the logger `stderr`.
    """
    if style == "json":
        handler = logging.StreamHandler(redirect_stderr(level))
        handler.setFormatter(JsonFormatter())
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(ConsoleFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def redirect_stderr(level: str) -> TextIO:
    """Have what is written to standard error from now on made records of `level` and above, by a process of its own.

    Returns a stream that still leads where standard error led. That process ends when this one does; what was written
    last is told before.
    """
    stream = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
    reading, writing = os.pipe()
    # -P: modules in the working folder must not stand in for those of Python.
    command = [sys.executable, "-P", "-m", "lastlayer.rpc.observability.stderr", level]
    # In a session of its own, as Ctrl-C is for us.
    reader = subprocess.Popen(command, stdin=reading, stdout=subprocess.DEVNULL, start_new_session=True)
    sys.stderr.flush()
    os.dup2(writing, 2)
    os.close(reading)
    os.close(writing)

    def restore() -> None:
        sys.stderr.flush()
        os.dup2(stream.fileno(), 2)  # closes the pipe, which ends the reader
        with contextlib.suppress(subprocess.TimeoutExpired):  # a child of ours may hold the pipe, and outlive us
            reader.wait(_DRAIN_S)

    atexit.register(restore)
    return stream
