"""How many processors this process may use, by its affinity and its container's quota."""

import math
import os
from pathlib import Path


def available_processors(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the number of processors, at least 1; a quota of one and a half counts as two.

    TensorFlow looks at the affinity alone, and in a container with a quota starts too many threads. `cgroup` is where
    the control groups (version 2 or 1) of this process are mounted.
    """
    # macOS has no affinity.
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, math.ceil(_quota(cgroup) or affinity)))


def _quota(cgroup: Path) -> float | None:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not (quota.isdigit() and period.isdigit() and int(period)):  # "max" and -1 mean none
        return None
    return int(quota) / int(period)
