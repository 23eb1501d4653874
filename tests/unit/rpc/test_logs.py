"""Log records as JSON."""

import json
import logging
import sys

from rpc.logs import JsonFormatter


def test_a_record_is_one_json_object_on_one_line() -> None:
    record = logging.LogRecord("featurizer.server", logging.INFO, __file__, 1, "serving %s\nat %d", ("é", 7), None)
    line = JsonFormatter().format(record)
    entry = json.loads(line)
    assert "\n" not in line
    assert entry["time"].endswith("+00:00")
    assert {key: entry[key] for key in ("level", "logger", "message")} == {
        "level": "INFO",
        "logger": "featurizer.server",
        "message": "serving é\nat 7",
    }


def test_an_exception_is_kept() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    assert "ValueError: broken" in json.loads(JsonFormatter().format(record))["exception"]
