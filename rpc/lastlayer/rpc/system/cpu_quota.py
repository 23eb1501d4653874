"""How many processors this process may use, by its affinity and its container's quota."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_limit: int | None = None


def limit_processors(count: int) -> None:
    """Have this process use at most so many processors, whatever else there are; before TensorFlow is configured."""
    global _limit
    _limit = count


def available_processors(cgroup: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Return the number of processors, at least 1; a quota of one and a half counts as two.

    TensorFlow looks at the affinity alone, and in a container with a quota starts too many threads. `cgroup` is where
    the control groups (version 2 or 1) are mounted, `membership` the file that says in which this process is: in a
    container with a view of its own at the root, elsewhere, as under systemd, below it.
    """
    # macOS has no affinity.
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for folder in _folders(cgroup, membership) if (quota := _quota(folder)) is not None]
    quotas += [quota for quota in [_quota_of_version_1(cgroup)] if quota is not None]
    found = max(1, min(affinity, math.ceil(min(quotas, default=affinity))))
    return found if _limit is None else min(found, _limit)


def _folders(cgroup: Path, membership: Path) -> Iterator[Path]:
    """Yield the folder of this process's control group of version 2, and those above it: the least quota holds."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    own = next((line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")), "")
    if ".." not in own.split("/"):  # a group outside of the container's view
        for part in (Path(own), *Path(own).parents):
            if part != Path():
                yield cgroup / part
    yield cgroup


def _quota(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return _share(quota, period)


def _quota_of_version_1(cgroup: Path) -> float | None:
    try:
        quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
        period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
    except OSError:
        return None
    return _share(quota, period)


def _share(quota: str, period: str) -> float | None:
    if not (quota.isdigit() and period.isdigit() and int(period)):  # "max" and -1 mean none
        return None
    return int(quota) / int(period)
