"""The end of a command's process: quick, and all is done that is to be done."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

LEAVE = "import atexit, os, sys, threading; from lastlayer.client.commands.interface.leaving import leave\n"


def run(program: str, stdout: int | IO[str] = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
    """Run a program of Python, whose output is buffered, as it is where nothing else is said."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", LEAVE + program]
    return subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=60, env=environment
    )


def test_output_is_whole_and_handlers_are_run_before_it_ends() -> None:
    done = run(
        "atexit.register(print, 'first'); atexit.register(print, 'second')\n"
        "print('x' * 1_000_000); print('wrong', end='', file=sys.stderr); leave(3); print('never')"
    )
    assert (done.returncode, done.stderr) == (3, "wrong")
    assert done.stdout == f"{'x' * 1_000_000}\nsecond\nfirst\n"


def test_nothing_is_taken_apart() -> None:
    program = "class Loud:\n    def __del__(self): print('taken apart')\nloud = Loud()\n"
    assert run(f"{program}leave(0)").stdout == ""
    assert run(f"{program}sys.exit(0)").stdout == "taken apart\n", "which shows that the above can fail"


def test_threads_that_are_to_be_awaited_are() -> None:
    done = run(
        "import time\n"
        "thread = threading.Thread(target=lambda: (time.sleep(0.2), print('done')))\n"
        "thread.start(); leave(3); sys.exit(3)"
    )
    assert (done.returncode, done.stdout) == (3, "done\n")


def test_threads_that_are_not_are_not() -> None:
    done = run("threading.Thread(target=threading.Event().wait, daemon=True).start(); leave(3); print('never')")
    assert (done.returncode, done.stdout) == (3, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_output_that_cannot_be_written_is_told_as_ever() -> None:
    with Path("/dev/full").open("w") as full:
        left = run("atexit.register(print, 'x', file=sys.stderr); print('lost'); leave(3); sys.exit(3)", stdout=full)
        exited = run("atexit.register(print, 'x', file=sys.stderr); print('lost'); sys.exit(3)", stdout=full)
    assert left.returncode == exited.returncode == 120
    assert left.stderr == exited.stderr
    assert left.stderr.startswith("x\n")


@pytest.mark.skipif(os.name != "posix", reason="streams are closed as shells of POSIX do")
@pytest.mark.parametrize("stream", [1, 2])
def test_closed_streams(stream: int) -> None:
    command = [sys.executable, "-c", f"{LEAVE}leave(3)"]
    line = f'"$@" {stream}>&-'
    assert subprocess.run(["sh", "-c", line, "sh", *command], check=False).returncode == 3
