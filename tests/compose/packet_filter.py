"""Leaves the machine's packet filter as it was: an engine that stops leaves its rules behind."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.programs import run

_PROGRAMS: Final = ("iptables", "ip6tables")
_FORWARDING: Final = Path("/proc/sys/net/ipv4/ip_forward")

Tables = dict[str, list[str]]
"""The lines of each table, without counters: `:CHAIN POLICY` and `-A CHAIN ...`."""


@contextlib.contextmanager
def packet_filter_kept() -> Iterator[None]:
    """Take away, once the block ends, the chains and rules that came meanwhile, and give chains their policies back."""
    forwarding = _FORWARDING.read_text()
    before = {program: read_tables(run([f"{program}-save"])) for program in _PROGRAMS if shutil.which(program)}
    try:
        yield
    finally:
        for program, tables in before.items():
            undo = undoing(tables, read_tables(run([f"{program}-save"])))
            if undo:
                run([f"{program}-restore", "--noflush"], given=undo)
        if _FORWARDING.read_text() != forwarding:
            _FORWARDING.write_text(forwarding)


def read_tables(saved: str) -> Tables:
    """Return what `iptables-save` printed, by table."""
    tables: Tables = {}
    for line in saved.splitlines():
        if line.startswith("*"):
            lines = tables.setdefault(line[1:], [])
        elif line.startswith(":"):
            lines.append(line.rpartition(" ")[0])
        elif line.startswith("-A "):
            lines.append(line)
    return tables


def undoing(before: Tables, after: Tables) -> str:
    """Return what `iptables-restore --noflush` makes `before` out of `after` with, where only additions were made."""
    commands: list[str] = []
    for table, lines in after.items():
        old = before.get(table, [])
        added = [line for line in lines if line not in old]
        rules = [line.replace("-A ", "-D ", 1) for line in added if line.startswith("-A ")]
        chains = [line[1:].split()[0] for line in added if line.endswith(" -")]
        added_policies = {line[1:].split()[0] for line in added if line.startswith(":") and not line.endswith(" -")}
        policies = [line for line in old if line.startswith(":") and line[1:].split()[0] in added_policies]
        if rules or chains or policies:
            removals = [f"-X {chain}" for chain in chains]
            commands += [f"*{table}", *(f"{policy} [0:0]" for policy in policies), *rules, *removals, "COMMIT"]
    return "".join(f"{command}\n" for command in commands)
