"""Looks known vulnerabilities up of all that lock files name: `python tools/audit.py LOCK_FILE...` (needs pip-audit).

Says so, loudly, where the databases of vulnerabilities cannot be reached, and then finds nothing there.
"""

import json
import subprocess
import sys
from typing import Any, NamedTuple


def main(lock_files: list[str]) -> int:
    """Return 1 where one of them names a version with a known vulnerability, and else 0."""
    vulnerable: set[str] = set()
    skipped: set[str] = set()
    audited = 0
    for file in lock_files:
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format=json", "-r", file],
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            report = json.loads(done.stdout)
        except ValueError:
            reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            sys.stderr.write(f"NOT AUDITED: {file}: {reason}\n")
            continue
        found = read(report)
        vulnerable.update(found.vulnerable)
        skipped.update(found.skipped)
        audited += found.audited
    for sentence in sorted(vulnerable):
        sys.stderr.write(f"{sentence}\n")
    if skipped:
        names = ", ".join(sorted(skipped))
        sys.stderr.write(f"NOT AUDITED, as the database of vulnerabilities does not answer for them: {names}\n")
    sys.stdout.write(f"{audited} entries audited, {len(vulnerable)} known vulnerabilities\n")
    return 1 if vulnerable else 0


class Findings(NamedTuple):
    """What a report of pip-audit says."""

    vulnerable: list[str]
    """A sentence for each known vulnerability."""
    skipped: list[str]
    """The names of what could not be looked up."""
    audited: int
    """How many packages could."""


def read(report: dict[str, Any]) -> Findings:
    """Return what a report of pip-audit, its JSON, says."""
    vulnerable = [
        f"{package['name']} {package['version']} has {entry['id']}, fixed in"
        f" {', '.join(entry['fix_versions']) or 'no version yet'}"
        for package in report["dependencies"]
        for entry in package.get("vulns", ())
    ]
    skipped = [package["name"] for package in report["dependencies"] if "skip_reason" in package]
    return Findings(vulnerable, skipped, len(report["dependencies"]) - len(skipped))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
