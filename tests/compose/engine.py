"""A container engine to test with: the one that can be reached, or else one that is installed and run for the tests.

For the latter this must be root on a Debian machine: its packages are installed, and a daemon runs with all of its data
in a temporary folder.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.compose.packet_filter import packet_filter_kept
from tests.programs import CommandError, can_use_debian, debian_package, install, run

_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 60.0
_PACKAGES: Final = ("docker.io", "docker-compose", "iptables")


class NoEngineError(Exception):
    """There is no engine, and none can be started here. Its text says why."""


@dataclass(frozen=True)
class Engine:
    """An engine, and the commands of Compose that work with it."""

    environment: dict[str, str]
    """What its clients need in their environment."""
    composes: Sequence[tuple[str, ...]]
    """`docker compose` (version 2) and `docker-compose` (1.29): those that there are, the newer one first."""
    own: bool
    """Whether it runs for the tests alone."""
    folder: Path = field(default_factory=Path)
    """A temporary folder that lasts as long as the engine is used."""

    def docker(self, *arguments: str, check: bool = True, timeout_s: float = 300) -> str:
        """Run a command of docker and return what it printed, standard error included."""
        return run(["docker", *arguments], self.environment, check=check, timeout_s=timeout_s)


@contextlib.contextmanager
def engine() -> Iterator[Engine]:
    """Yield an engine; one that had to be started is stopped, and its data removed. Raises `NoEngineError`."""
    with tempfile.TemporaryDirectory(prefix="lastlayer-engine-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if _answers({}):
            composes = _composes({})
            if not composes:
                raise NoEngineError("there is an engine, but neither `docker compose` nor `docker-compose`")
            yield Engine({}, composes, own=False, folder=folder)
            return
        if not can_use_debian():
            raise NoEngineError("no container engine answers, and only root on a Debian machine can start one")
        try:
            install(_PACKAGES)
        except (CommandError, subprocess.TimeoutExpired) as error:
            raise NoEngineError(f"the packages of an engine cannot be installed: {error}") from error
        environment = {
            "DOCKER_HOST": f"unix://{folder / 'docker.sock'}",
            "DOCKER_CONFIG": str(folder / "client"),
            # The client of some machines is newer than their builder.
            "DOCKER_BUILDKIT": "0",
            "COMPOSE_DOCKER_CLI_BUILD": "0",
        }
        _add_compose_2(folder)
        with packet_filter_kept(), _daemon(folder, environment):
            yield Engine(environment, _composes(environment), own=True, folder=folder)


def _answers(environment: dict[str, str]) -> bool:
    if shutil.which("docker") is None:
        return False
    with contextlib.suppress(CommandError, subprocess.TimeoutExpired):
        run(["docker", "version"], environment, timeout_s=20)
        return True
    return False


def _composes(environment: dict[str, str]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for command in (("docker", "compose"), ("docker-compose",)):
        with contextlib.suppress(CommandError, FileNotFoundError):
            run([*command, "version"], environment)
            found.append(command)
    return found


def _add_compose_2(folder: Path) -> None:
    """Add Compose 2 out of a later Debian where the machine's own has 1.29 alone; without, its tests are skipped."""
    if "2." in run(["docker-compose", "version", "--short"], check=False):
        return
    with contextlib.suppress(CommandError):
        package = debian_package("docker-compose", folder)
        plugins = folder / "client" / "cli-plugins"
        plugins.mkdir(parents=True)
        shutil.copy(package / "usr/libexec/docker/cli-plugins/docker-compose", plugins)


@contextlib.contextmanager
def _daemon(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    bridge_was_there = Path("/sys/class/net/docker0").exists()
    log = folder / "dockerd.log"
    command = [
        *("dockerd", "--host", environment["DOCKER_HOST"], "--pidfile", str(folder / "dockerd.pid")),
        *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
    ]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _answers(environment):
            if process.poll() is not None or time.monotonic() > deadline:
                end = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise NoEngineError(f"dockerd does not start; the end of its log:\n{end}")
            time.sleep(0.2)
        yield
    finally:
        _stop(process, environment)
        run(["umount", str(folder / "data")], check=False)  # which the daemon mounts upon itself
        if not bridge_was_there:
            run(["ip", "link", "delete", "docker0"], check=False)


def _stop(process: "subprocess.Popen[bytes]", environment: dict[str, str]) -> None:
    with contextlib.suppress(CommandError, subprocess.TimeoutExpired):
        containers = run(["docker", "ps", "--quiet", "--all"], environment, timeout_s=30).split()
        if containers:
            run(["docker", "rm", "--force", *containers], environment)
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its containerd is of the same group
        process.wait()
