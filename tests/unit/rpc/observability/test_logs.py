"""Log records as JSON."""

import json
import logging
import re
import sys

import pytest

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


FORGED = "2026-01-01 00:00:00,000 ERROR   lastlayer: all is lost"
EVIL = f"x\r\n{FORGED}\x1b[2J\x7f\x9b31m\x85\u2028\u202e\ud800"
RAW = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800]")


def evil_record() -> logging.LogRecord:
    try:
        raise ValueError(EVIL)
    except ValueError:
        record = logging.LogRecord(EVIL, logging.ERROR, __file__, 1, "no model `%s`", (EVIL,), sys.exc_info())
    record.stack_info = EVIL
    return record


def test_no_field_of_a_record_can_forge_another_in_the_console() -> None:
    first, *others = ConsoleFormatter().format(evil_record()).split("\n")
    assert "no model `x\\r\\n2026-01-01" in first
    assert others
    assert all(line.startswith("  | ") for line in others)
    assert not RAW.search("".join([first, *others]))
    assert any("ValueError: x" in line for line in others)


@pytest.mark.parametrize("character", [*map(chr, (*range(0x20), *range(0x7F, 0xA0))), "\u2028", "\u2029", "\u202e"])
def test_no_control_character_is_in_a_line_of_json_and_none_is_lost(character: str) -> None:
    record = logging.LogRecord(f"a{character}b", logging.ERROR, __file__, 1, "no model `%s`", (character,), None)
    line = JsonFormatter().format(record)
    assert not RAW.search(line)
    assert "\n" not in line
    assert json.loads(line)["message"] == f"no model `{character}`"
    assert json.loads(line)["logger"] == f"a{character}b"


def test_words_of_all_scripts_stay_as_they_are() -> None:
    words = "Größe 猫 कुत्ता 👩‍🔬"
    record = logging.LogRecord("x", logging.INFO, __file__, 1, words, (), None)
    assert ConsoleFormatter().format(record).endswith(f"x: {words}")
    assert words in JsonFormatter().format(record)
