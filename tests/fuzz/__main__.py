"""Runs the fuzzer: FUZZ_SECONDS (600) and FUZZ_SEED (the time) are taken from the environment."""

import contextlib
import hashlib
import json
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.corpus import corpus
from tests.fuzz.mutations import mutated

MOST_CPU_S = 1.0
"""The processor time that a file may take of the process that decodes: as long others wait for it in a service."""

MOST_MIB = 160
"""The memory that it may take there: what is light, and what Pillow needs beside it."""

MOST_WALL_S = 300.0
"""After that a process counts as stuck, however busy the machine."""

FINDINGS = Path("fuzz-findings")


class Child:
    """The process that decodes; started anew after what ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, content: bytes) -> str:
        """Return how a file ended; begins with `FINDING` where it broke a limit, or the process."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            command = [sys.executable, "-m", "tests.fuzz.child"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        try:
            requests.write(struct.pack("<I", len(content)) + content)
            requests.flush()
        except BrokenPipeError:
            return self._ended()
        ready, _, _ = select.select([answers], [], [], MOST_WALL_S)
        line = answers.readline() if ready else b""
        if not line:
            return self._ended()
        took = json.loads(line)
        outcome: str = took["outcome"]
        if took["cpu_s"] > MOST_CPU_S or took["mib"] > MOST_MIB or outcome.startswith("FAULT"):
            return f"FINDING {outcome}: {took['cpu_s']:.1f} s, {took['mib']:.0f} MiB"
        return outcome

    def _ended(self) -> str:
        assert self._process is not None
        self._process.kill()
        return f"FINDING the process ended with status {self._process.wait()}"

    def close(self) -> None:
        """End the process. Safe to call twice."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            self._process.wait()


def main() -> int:
    """Return how many files have broken a limit."""
    seconds = float(os.environ.get("FUZZ_SECONDS", "600"))
    seed = int(os.environ.get("FUZZ_SEED", str(time.time_ns())))
    print(f"fuzzing for {seconds:.0f} s; the same again: FUZZ_SEED={seed}", flush=True)
    chance, files, child = random.Random(seed), corpus(), Child()
    outcomes: Counter[str] = Counter()
    findings = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        content = mutated(chance, chance.choice(files), files)
        outcome = child.decode(content)
        outcomes[outcome.partition(":")[0]] += 1
        if outcome.startswith("FINDING"):
            findings += 1
            FINDINGS.mkdir(exist_ok=True)
            path = FINDINGS / hashlib.sha256(content).hexdigest()[:16]
            path.write_bytes(content)
            print(f"{path}: {outcome}", flush=True)
    child.close()
    for outcome, times in outcomes.most_common():
        print(f"{times:8} {outcome}")
    return findings


if __name__ == "__main__":
    sys.exit(min(main(), 1))
