"""Fetches a wheel from the package index with pip, so that the user's index, proxy and certificates are respected."""

import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lastlayer.featurizer.backbones.hashed_file import hash_file
from lastlayer.featurizer.errors import FetchError
from lastlayer.featurizer.weights.background import POLL_S
from lastlayer.featurizer.weights.download import DEFAULT_LIMITS, Progress, explain_write_errors, land, too_large
from lastlayer.rpc.observability.escape import escape

_PROGRESS: Final = re.compile(r"Progress (\d+) of (\d+)")

_SILENCE_S: Final = 120.0
"""How long pip may say nothing: it waits for each read alone, so that an index that sends a byte at a time holds it."""

_TOTAL_S: Final = 2 * 60 * 60.0
"""How long it may take in all."""

# Its standard input is a pipe from us, at whose end it ends: also where we are killed and can end nothing.
_PIP: Final = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""

_GOT: Final = re.compile(r"Got\s+([0-9a-f]{64})$")


def fetch_wheel(
    requirement: str,
    checksum: str,
    folder: Path,
    progress: Progress,
    *,
    silence_s: float = _SILENCE_S,
    max_bytes: int = DEFAULT_LIMITS.max_bytes,
) -> Path:
    """Return the path of the wheel of a pinned requirement in `folder`, fetched unless it is there already.

    `checksum` is its `sha256:…`; pip itself refuses a file with another. No code of the package is run. It may
    say nothing for `silence_s`, and fetch no more than `max_bytes`. Raises FetchError.
    """
    target = folder / f"{requirement.replace('==', '-')}.whl"
    if target.exists() and hash_file(target).has(checksum):
        return target
    with explain_write_errors(target):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".pip-") as name:
            scratch = Path(name)
            pinned = scratch / "requirements.txt"
            pinned.write_text(f"{requirement} --hash={checksum}\n")

            def watch(what: str, done: int, total: int | None) -> None:
                if max(done, total or 0) > max_bytes:
                    raise too_large(requirement, max_bytes)
                progress(what, done, total)

            _run_pip(requirement, checksum, scratch, pinned, watch, silence_s)
            wheels = list(scratch.glob("*.whl"))
            if len(wheels) != 1:
                raise FetchError(f"The package index has no wheel of {requirement}.")
            land(wheels[0], target, checksum, requirement)
    return target


def _run_pip(requirement: str, checksum: str, folder: Path, pinned: Path, progress: Progress, silence_s: float) -> None:
    command = [
        *(sys.executable, "-P", "-c", _PIP),
        *("download", "--disable-pip-version-check", "--no-input", "--no-deps"),
        *("--only-binary", ":all:", "--timeout", "10", "--retries", "1", "--progress-bar", "raw"),
        *("--dest", str(folder), "--require-hashes", "--requirement", str(pinned)),
    ]
    said: list[str] = []
    done, total = 0, None
    now = heard = started = time.monotonic()
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=folder,
    ) as pip:
        assert pip.stdout is not None  # noqa: S101 - it was asked for
        lines = _read_ahead(pip.stdout)
        try:
            while (line := _next(lines)) is not None:
                now = time.monotonic()
                heard = now if line else heard
                if now - heard > silence_s or now - started > _TOTAL_S:
                    raise FetchError(f"pip could not fetch {requirement}: the package index is too slow.")
                if match := _PROGRESS.match(line):
                    done, total = int(match[1]), int(match[2])
                elif line:
                    said.append(escape(line.strip()))
                progress(requirement, done, total)
        except BaseException:
            pip.kill()  # otherwise it would be waited for
            raise
    if pip.returncode:
        raise FetchError(f"pip could not fetch {requirement}: {_reason(said, checksum)}.")


def _read_ahead(lines: Iterable[str]) -> "queue.SimpleQueue[str | None]":
    """Return what a thread fills with the lines, and with None at their end."""
    read: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def run() -> None:
        for line in lines:
            read.put(line)
        read.put(None)

    threading.Thread(target=run, daemon=True).start()
    return read


def _next(lines: "queue.SimpleQueue[str | None]") -> str | None:
    """Return the next line, "" where there is none yet, or None at the end."""
    try:
        return lines.get(timeout=POLL_S)
    except queue.Empty:
        return ""


def _reason(said: list[str], checksum: str) -> str:
    """Return why pip failed, from what it said."""
    for line in said:
        if got := _GOT.search(line):
            return f"it has the checksum sha256:{got[1]}, but {checksum} is expected; it is not used"
    # Where the index is out of reach pip warns of that, and then says that there is no such package.
    if any("after connection broken by" in line for line in said):
        return "the package index cannot be reached"
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")] or said[-1:]
    return (errors or ["no reason given"])[-1].rstrip(".")
