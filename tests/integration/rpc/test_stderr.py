"""With logs as JSON every line of standard error is a record, whoever writes it; in processes of their own."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_START = """
import logging, os, subprocess, sys
from lastlayer.rpc.observability.logs import setup_logging
setup_logging("{level}", "{style}")
logging.getLogger("ours").error("first")
"""


def start(level: str = "INFO", style: str = "json") -> str:
    """Return the start of a program, which sets up logging and logs a record."""
    return _START.format(level=level, style=style)


def told(program: str, *, status: int = 0, level: str = "INFO", cwd: Path | None = None) -> list[tuple[str, str, str]]:
    """Return level, logger and message of what a program writes after logging was set up; every line must be JSON."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", start(level) + program],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
        cwd=cwd,
    )
    assert done.returncode == status, done.stderr
    first, *records = map(json.loads, done.stderr.splitlines())
    assert first["message"] == "first"
    return [(record["level"], record["logger"], record["message"]) for record in records]


def test_lines_of_native_code_are_records() -> None:
    program = r'os.write(2, b"I0000 00:00:1.5 7 a.cc:1] one\nplain\n\nE0000 00:00:1.5 7 a.cc:1] no end of line \xff")'
    assert told(program) == [
        ("INFO", "stderr", "a.cc:1] one"),
        ("WARNING", "stderr", "plain"),
        ("ERROR", "stderr", "a.cc:1] no end of line \ufffd"),
    ]


def test_so_are_those_of_child_processes_and_of_python_itself() -> None:
    program = """
subprocess.run(["sh", "-c", "echo of a child >&2"], check=True)
print("printed", file=sys.stderr)
raise SystemExit("Error: this ends it")
"""
    assert told(program, status=1) == [
        ("WARNING", "stderr", "of a child"),
        ("WARNING", "stderr", "printed"),
        ("ERROR", "stderr", "Error: this ends it"),
    ]


def test_an_exception_that_ends_the_process_is_told_whole() -> None:
    lines = told('raise ValueError("broken")', status=1)
    assert lines[0] == ("WARNING", "stderr", "Traceback (most recent call last):")
    assert lines[-1] == ("ERROR", "stderr", "ValueError: broken")


def test_lines_below_the_level_are_left_out() -> None:
    program = r'os.write(2, b"W0000 00:00:1.5 7 a\nE0000 00:00:1.5 7 b\n")'
    assert told(program, level="ERROR") == [("ERROR", "stderr", "b")]


@pytest.mark.parametrize("holder", ["CDLL", "PyDLL"])
def test_the_last_words_of_a_process_that_is_aborted_are_told(holder: str) -> None:
    # With CDLL the calls are made without Python's lock, with PyDLL within it.
    program = f"""
import ctypes
library = ctypes.{holder}(None)
words = b"F0000 00:00:1.5 7 a.cc:1] Check failed\\n"
library.write(2, words, len(words))
library.abort()
"""
    assert told(program, status=-signal.SIGABRT) == [("CRITICAL", "stderr", "a.cc:1] Check failed")]


def test_modules_in_the_working_folder_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise RuntimeError")
    assert told(r"os.write(2, b'plain\n')", cwd=tmp_path) == [("WARNING", "stderr", "plain")]


def test_many_lines_all_come_in_order() -> None:
    program = "for number in range(5000): os.write(2, b'line %d\\n' % number)"
    assert [message for _, _, message in told(program)] == [f"line {number}" for number in range(5000)]


def test_where_nobody_reads_any_more_the_process_goes_on() -> None:
    program = (
        start()
        + """
sys.stdin.read()
for number in range(1000):
    logging.getLogger("ours").error("nobody reads this")
    os.write(2, b"x" * 1000 + b"\\n")
print("done")
"""
    )
    running = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    assert json.loads(running.stderr.readline())["message"] == "first"
    running.stderr.close()
    running.stderr = None
    out, _ = running.communicate("", timeout=60)
    assert (out, running.returncode) == ("done\n", 0)


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_mistake_in_a_call_of_ours_is_told(style: str) -> None:
    program = start(style=style) + 'logging.getLogger("ours").info("%d", "no number")'
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, check=True, timeout=60)
    assert "TypeError: %d format" in done.stderr
