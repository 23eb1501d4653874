"""Processes that are told what to measure, one after the other: a line of JSON in, a line of JSON out.

Each waits between its turns, so that several can be measured round by round while none disturbs another. Uses the
standard library alone, as it also runs where our packages are not installed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


class WorkerError(Exception):
    """A process ended where it should have answered."""


class Worker:
    """The side that asks."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def ask(self, **command: object) -> dict[str, Any]:
        """Send a command and return its answer. Raises WorkerError where the process has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{json.dumps(command)}\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Return the next answer, such as that the process is ready. Raises WorkerError where it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self) -> WorkerError:
        command = self._process.args
        shown = " ".join(map(str, command)) if isinstance(command, list) else str(command)
        return WorkerError(f"`{shown}` ended with status {self._process.wait()}; what it said is above.")


@contextmanager
def worker(command: Sequence[object], environment: Mapping[str, str] | None = None) -> Iterator[Worker]:
    """Run such a process while the block lasts, with some variables beside this process's own."""
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
        start_new_session=True,  # Ctrl-C is for who asks, and who asks ends the others
    )
    with process:  # closes its standard input, upon which it ends, and waits
        try:
            yield Worker(process)
        except BaseException:
            process.terminate()
            raise


def tell(**answer: object) -> None:
    """Answer, on the side that is asked."""
    print(json.dumps(answer), flush=True)


def commands() -> Iterator[dict[str, Any]]:
    """Yield what is asked for, until nobody is there any more to ask."""
    for line in sys.stdin:
        yield json.loads(line)
