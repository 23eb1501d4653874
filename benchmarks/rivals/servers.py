"""What users would pick instead: how each is started and called, each in an environment of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.processes import Usage, family, usage_of_family
from benchmarks.load.workers import Worker, WorkerError, worker
from lastlayer.local.services import free_port

_ROOT = Path(__file__).parents[2]
_STOP_TIMEOUT_S = 10.0
_BATCH = 16


class RivalError(Exception):
    """A rival is not installed or does not start. Its text is for the user."""


@dataclass(frozen=True)
class Rival:
    """A server, and what is started for it."""

    name: str
    python: Path
    """The interpreter of its environment."""
    server: Sequence[object]
    """The command."""
    calls: str
    """The module of its callers."""
    address: str
    variables: Mapping[str, str]
    """Of the server's environment."""
    loads: Sequence[int] = (1, 16)
    """The numbers of callers that it is measured with."""


@dataclass(frozen=True)
class Running:
    """A rival that serves."""

    name: str
    """With its version."""
    tensorflow: str
    """The version of TensorFlow that it runs."""
    pid: int
    """Of the process that started what else belongs to it."""
    callers: Worker
    loads: Sequence[int]

    def usage(self) -> Usage:
        """Return what its processes have used."""
        return usage_of_family(self.pid)


def rivals(description: Path, scratch: Path) -> list[Rival]:
    """Return the rivals, for a backbone that `benchmarks.measured.backbone_file` has described.

    Raises RivalError where one is not installed.
    """
    # BentoML learns how long to wait for more requests, and forgets it within minutes: after 16 callers a lone one
    # waits for 140 ms. Each of two has one number of callers only.
    bentoml = [_bentoml(description, scratch / f"bentoml-{load}", load) for load in (1, 16)]
    return [_mlserver(description, scratch / "mlserver"), *bentoml, _plain(description)]


def _mlserver(description: Path, folder: Path) -> Rival:
    python = _python("mlserver")
    folder.mkdir()
    port = free_port()
    server = {
        "host": "127.0.0.1",
        "grpc_port": port,
        "http_port": free_port(),
        "parallel_workers": 0,  # in the server's own process: with one of its own, photos are sent on to it
        "debug": False,
        "metrics_endpoint": None,
    }
    model = {
        "name": "network",
        "implementation": "benchmarks.rivals.mlserver.runtime.Runtime",
        "parameters": {"uri": str(description)},
        "max_batch_size": _BATCH,
        "max_batch_time": 0.001,
    }
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return Rival(
        "MLServer",
        python,
        [python.with_name("mlserver"), "start", folder],
        "benchmarks.rivals.mlserver.calls",
        f"127.0.0.1:{port}",
        {},
    )


def _bentoml(description: Path, folder: Path, load: int) -> Rival:
    python = _python("bentoml")
    folder.mkdir()
    port = free_port()
    service = "benchmarks.rivals.bentoml.service:Featurizer"
    return Rival(
        "BentoML",
        python,
        [python.with_name("bentoml"), "serve", service, "--host", "127.0.0.1", "--port", port],
        "benchmarks.rivals.bentoml.calls",
        f"127.0.0.1:{port}",
        {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(folder), "BACKBONE": str(description)},
        loads=[load],
    )


def _plain(description: Path) -> Rival:
    address = f"127.0.0.1:{free_port()}"
    python = Path(sys.executable)
    server = [python, "-m", "benchmarks.rivals.plain", address, description]
    return Rival("plain grpcio", python, server, "benchmarks.load.calls", address, {})


def _python(name: str) -> Path:
    python = _ROOT / f".venv-{name}" / "bin" / "python"
    if not python.exists():
        raise RivalError(f"`{python}` does not exist; `make rivals` installs the rivals.")
    return python


@contextmanager
def running(rival: Rival, photos: Path, scratch: Path) -> Iterator[Running]:
    """Run a rival and its callers while the block lasts. Raises RivalError where it does not start."""
    log = scratch / f"{rival.name}-{rival.address}.log"
    # Both find the package `benchmarks` there, wherever they run.
    path = {"PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))}
    variables = {**path, "TF_CPP_MIN_LOG_LEVEL": "3", **rival.variables}
    with (
        _running(rival.server, variables, scratch, log) as pid,
        worker([rival.python, "-m", rival.calls, rival.address, photos], path) as callers,
    ):
        try:
            ready = callers.answer()
        except WorkerError as error:
            end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise RivalError(f"{rival.name} does not answer: {error} The end of its log:\n{end}") from error
        version, tensorflow = ready["versions"]
        yield Running(f"{rival.name} {version}", tensorflow, pid, callers, rival.loads)


@contextmanager
def _running(command: Sequence[object], variables: Mapping[str, str], folder: Path, log: Path) -> Iterator[int]:
    """Run a command while the block lasts; then end it, and what it has started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables},
            cwd=folder,
            start_new_session=True,  # Ctrl-C is for this process, which ends the others
        )
    try:
        yield process.pid
    finally:
        left = family(process.pid)
        process.terminate()
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while (left := [member for member in left if member.is_alive()]) and time.monotonic() < deadline:
            process.poll()
            time.sleep(0.1)
        for member in left:
            with suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGKILL)
        process.wait()
