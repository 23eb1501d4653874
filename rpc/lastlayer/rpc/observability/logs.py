"""Logging of the services: one line a record on standard error, for people or as JSON for collectors.

Lines that belong to a request have its id.
"""

import datetime
import json
import logging
from typing import Literal

from lastlayer.rpc.observability import request_ids


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
        return json.dumps(entry, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """Formats a record for people, with the request's id in brackets where there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the record's line, without an exception."""
        line = super().formatMessage(record)
        known = request_ids.current.get()
        return f"{line} [{known}]" if known else line


def setup_logging(level: str, style: Literal["console", "json"]) -> None:
    """Log records of `level` and above to standard error, ours and the libraries'."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if style == "json" else ConsoleFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
