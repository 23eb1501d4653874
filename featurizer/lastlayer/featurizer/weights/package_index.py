"""Fetches a wheel from the package index with pip, so that the user's index, proxy and certificates are respected."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from lastlayer.featurizer.backbones.hashed_file import hash_file
from lastlayer.featurizer.errors import FetchError
from lastlayer.featurizer.weights.download import Progress, explain_write_errors, land

_PROGRESS: Final = re.compile(r"Progress (\d+) of (\d+)")
_GOT: Final = re.compile(r"Got\s+([0-9a-f]{64})$")


def fetch_wheel(requirement: str, checksum: str, folder: Path, progress: Progress) -> Path:
    """Return the path of the wheel of a pinned requirement in `folder`, fetched unless it is there already.

    `checksum` is its `sha256:…`; pip itself refuses a file with another. No code of the package is run. Raises
    FetchError.
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
            _run_pip(requirement, checksum, scratch, pinned, progress)
            wheels = list(scratch.glob("*.whl"))
            if len(wheels) != 1:
                raise FetchError(f"The package index has no wheel of {requirement}.")
            land(wheels[0], target, checksum, requirement)
    return target


def _run_pip(requirement: str, checksum: str, folder: Path, pinned: Path, progress: Progress) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-deps"),
        *("--only-binary", ":all:", "--timeout", "10", "--retries", "1", "--progress-bar", "raw"),
        *("--dest", str(folder), "--require-hashes", "--requirement", str(pinned)),
    ]
    said: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=folder,
    ) as pip:
        assert pip.stdout is not None  # noqa: S101 - it was asked for
        try:
            for line in pip.stdout:
                if match := _PROGRESS.match(line):
                    progress(requirement, int(match[1]), int(match[2]))
                else:
                    said.append(line.strip())
        except BaseException:
            pip.kill()  # otherwise it would be waited for
            raise
    if pip.returncode:
        raise FetchError(f"pip could not fetch {requirement}: {_reason(said, checksum)}.")


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
