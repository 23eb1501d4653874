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


class CommandError(AssertionError):
    """A command failed. Its text has the command and the end of what it printed."""


def run(
    command: Sequence[str],
    environment: dict[str, str] | None = None,
    *,
    check: bool = True,
    timeout_s: float = 300,
    cwd: Path | None = None,
) -> str:
    """Run a command and return what it printed, standard error included; raises `CommandError` where it fails."""
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
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
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise NoEngineError("no container engine answers, and only root on a Debian machine can start one")
        _install(_PACKAGES)
        environment = {
            "DOCKER_HOST": f"unix://{folder / 'docker.sock'}",
            "DOCKER_CONFIG": str(folder / "client"),
            # The client of some machines is newer than their builder.
            "DOCKER_BUILDKIT": "0",
            "COMPOSE_DOCKER_CLI_BUILD": "0",
        }
        _add_compose_2(folder)
        with _daemon(folder, environment):
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


def _install(packages: Sequence[str]) -> None:
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], environment, timeout_s=600)
    run(["apt-get", "install", "-qq", "-y", *packages], environment, timeout_s=600)


def _add_compose_2(folder: Path) -> None:
    """Add Compose 2 out of a later Debian where the machine's own has 1.29 alone; without, its tests are skipped."""
    if "2." in run(["docker-compose", "version", "--short"], check=False):
        return
    with contextlib.suppress(CommandError):
        package = debian_package("docker-compose", folder)
        plugins = folder / "client" / "cli-plugins"
        plugins.mkdir(parents=True)
        shutil.copy(package / "usr/libexec/docker/cli-plugins/docker-compose", plugins)


def debian_package(name: str, folder: Path, suite: str = "trixie") -> Path:
    """Return a folder below `folder` with the files of a package of another Debian; nothing is installed."""
    state = folder / f"debian-{name}"
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
    run(["apt-get", *options, "download", name], cwd=state, timeout_s=600)
    [file] = state.glob("*.deb")
    run(["dpkg-deb", "--extract", str(file), str(state / "files")])
    return state / "files"


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
                raise AssertionError(f"dockerd does not start; the end of its log:\n{end}")
            time.sleep(0.2)
        yield
    finally:
        _stop(process, environment)
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
