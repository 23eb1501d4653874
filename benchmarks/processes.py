"""What a process has used of this machine, and the machine itself in a line."""

import os
import platform
import re
from pathlib import Path
from typing import NamedTuple

from featurizer.processors import available_processors

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """What a process has used so far, its threads included."""

    cpu_s: float
    resident_mb: float
    """Its memory now, in units of 1e6 bytes."""
    peak_mb: float
    """The most that it had at any time."""


def usage(pid: int) -> Usage:
    """Return what a process of this machine (Linux) has used."""
    folder = Path("/proc") / str(pid)
    # The name, in parentheses, may itself hold blanks; user and system time are the 12th and 13th field after it.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    status = dict(re.findall(r"^(\w+):\s+(\d+) kB$", (folder / "status").read_text(), re.MULTILINE))
    cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return Usage(cpu_s, int(status["VmRSS"]) * 1024 / 1e6, int(status["VmHWM"]) * 1024 / 1e6)


def machine() -> str:
    """Return what this machine (Linux) is."""
    cpu = Path("/proc/cpuinfo").read_text()
    names = re.findall(r"^model name\s*: (.+)$", cpu, re.MULTILINE)
    flags = set(re.findall(r"\b(?:avx2|avx512f|avx512_bf16|amx_bf16)\b", cpu))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{available_processors()} processors ({names[0] if names else platform.machine()}; "
        f"{', '.join(sorted(flags)) or 'no AVX2'}), {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} before the run"
    )
