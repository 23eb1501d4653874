"""Programs of the system for tests: running them, and getting them out of Debian's packages."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

AS_IN_A_TERMINAL: Final = (
    sys.executable,
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])",
)
"""Put before a command: Ctrl-C ends it, even where the tests run in the background of a script, which ignores it.

Popen's `preexec_fn` would do so, too, but hangs now and then where threads of gRPC live in this process.
"""

WAIT_S: Final = 120.0
"""How long what happens in a moment may take on a busy machine."""


class CommandError(AssertionError):
    """A command failed. Its text has the command and the end of what it printed."""


def run(
    command: Sequence[str],
    environment: dict[str, str] | None = None,
    *,
    check: bool = True,
    timeout_s: float = 300,
    cwd: Path | None = None,
    given: str = "",
) -> str:
    """Run a command and return what it printed, standard error included; raises `CommandError` where it fails.

    `given` is its standard input.
    """
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        cwd=cwd,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
    )
    if check and done.returncode:
        end = "\n".join(done.stdout.splitlines()[-40:])
        raise CommandError(f"`{' '.join(command)}` ended with status {done.returncode}:\n{end}")
    return done.stdout


def until(condition: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    """Return once the condition holds; raises AssertionError where it does not come to."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def can_use_debian() -> bool:
    """Return whether packages can be installed and looked into: as root on a Debian machine."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> None:
    """Install packages of this Debian; their services are not started."""
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    policy = Path("/usr/sbin/policy-rc.d")  # asked before a package starts a service; 101 is no
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        run(["apt-get", "update", "-qq"], environment, timeout_s=600)
        run(["apt-get", "install", "-qq", "-y", *packages], environment, timeout_s=600)
    finally:
        if ours:
            policy.unlink()


def debian_package(name: str, folder: Path, suite: str = "trixie") -> Path:
    """Return a folder below `folder` with the files of a package of another Debian; nothing is installed."""
    return debian_packages([name], folder / f"debian-{name}", suite)


def debian_packages(names: Sequence[str], state: Path, suite: str = "trixie") -> Path:
    """Return a folder below `state` with the files of packages of another Debian, without those that they depend on."""
    (state / "lists").mkdir(parents=True)
    (state / "cache").mkdir()
    sources = state / "sources.list"
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    sources.write_text(f"deb [signed-by={keys}] http://deb.debian.org/debian {suite} main\n")
    options = [
        *("-qq", "-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-"),
        *("-o", f"Dir::State::lists={state / 'lists'}", "-o", f"Dir::Cache={state / 'cache'}"),
        *("-o", "APT::Sandbox::User=root"),
    ]
    run(["apt-get", *options, "update"], timeout_s=600)
    run(["apt-get", *options, "download", *names], cwd=state, timeout_s=600)
    for file in state.glob("*.deb"):
        run(["dpkg-deb", "--extract", str(file), str(state / "files")])
    return state / "files"
