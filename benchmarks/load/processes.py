"""What a process has used of this machine, and the machine itself in a line."""

import os
import platform
import re
from pathlib import Path
from typing import NamedTuple

from lastlayer.rpc.system.cpu_quota import available_processors

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STATE, _PARENT, _USER, _SYSTEM, _STARTED = 0, 1, 11, 12, 19
"""Places in what `_stat` returns."""


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
    fields = _stat(pid)
    status = dict(re.findall(r"^(\w+):\s+(\d+) kB$", (folder / "status").read_text(), re.MULTILINE))
    cpu_s = (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_PER_S
    return Usage(cpu_s, int(status["VmRSS"]) * 1024 / 1e6, int(status["VmHWM"]) * 1024 / 1e6)


class Process(NamedTuple):
    """A process, whose id another one may have later."""

    pid: int
    started: int

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        fields = _stat(self.pid)
        return bool(fields) and fields[_STATE] != "Z" and int(fields[_STARTED]) == self.started


def family(pid: int) -> list[Process]:
    """Return a process (Linux), what it has started, what that has started, and so on."""
    stats = {int(folder.name): _stat(int(folder.name)) for folder in Path("/proc").glob("[0-9]*")}
    found = [pid]
    for parent in found:  # grows meanwhile
        found += [child for child, fields in stats.items() if fields and int(fields[_PARENT]) == parent]
    return [Process(member, int(stats[member][_STARTED])) for member in found if stats.get(member)]


def usage_of_family(pid: int) -> Usage:
    """Return what those processes have used together; the peak is the sum of each one's."""
    used = [usage(member.pid) for member in family(pid)]
    return Usage(sum(one.cpu_s for one in used), sum(one.resident_mb for one in used), sum(one.peak_mb for one in used))


def _stat(pid: int) -> list[str]:
    """Return what `/proc/PID/stat` says after the name, from the state on; nothing where the process has ended."""
    try:
        # The name, in parentheses, may itself hold blanks.
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


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
