"""Logging of the services: one line a record on standard error, for people or as JSON for collectors."""

import datetime
import json
import logging
from typing import Literal


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: `time` (UTC, ISO 8601), `level`, `logger`, `message` and, where there is
    one, `exception`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        entry = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def setup_logging(level: str, style: Literal["console", "json"]) -> None:
    """Log records of `level` and above to standard error, ours and the libraries'."""
    handler = logging.StreamHandler()
    if style == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
