"""Log records as JSON."""

import json
import logging
import sys

from lastlayer.rpc.observability import request_ids
from lastlayer.rpc.observability.logs import ConsoleFormatter, JsonFormatter


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


def test_what_belongs_to_a_request_has_its_id() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "done", (), None)
    token = request_ids.current.set("abc.1")
    try:
        assert json.loads(JsonFormatter().format(record))["request_id"] == "abc.1"
        assert ConsoleFormatter().format(record).endswith("x: done [abc.1]")
    finally:
        request_ids.current.reset(token)
    assert "request_id" not in json.loads(JsonFormatter().format(record))
    assert ConsoleFormatter().format(record).endswith("x: done")
