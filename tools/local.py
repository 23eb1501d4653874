"""Runs both services as processes of this machine: in the background (`up`, `down`), or for as long as a block lasts.

State lies under `$LASTLAYER_HOME` (default `~/.lastlayer`): weights in `weights/`, the store in `store/`, logs and
process ids in `run/`.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from lastlayer.rpc.probe import is_serving

SCRIPTS = Path(sys.executable).parent
STOP_TIMEOUT_S = 30.0
"""How long a service may take to stop: longer than the grace period that it gives to calls in flight."""


class ServiceError(Exception):
    """A service did not start or stop. Its text is one sentence for the user."""


def home() -> Path:
    """Return the folder that holds all state."""
    return Path(os.environ.get("LASTLAYER_HOME") or Path.home() / ".lastlayer")


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass
class Service:
    """One of the services as a process of its own session, its output in a log file."""

    script: str
    address: str
    log: Path
    environment: Mapping[str, str]
    credentials: grpc.ChannelCredentials | None = None
    """What its health is asked with."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the process; it is not awaited."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [SCRIPTS / self.script, "serve"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def wait_until_serving(self, timeout_s: float) -> None:
        """Return once health says SERVING; raises `ServiceError` with the end of the log where it does not."""
        deadline = time.monotonic() + timeout_s
        while not is_serving(self.address, timeout_s=1, credentials=self.credentials):
            assert self.process is not None
            status = self.process.poll()
            if status is not None or time.monotonic() > deadline:
                fate = "is not serving yet" if status is None else f"ended with status {status}"
                raise ServiceError(f"{self.script} {fate}; the end of {self.log} says:\n{_end_of(self.log)}")
            time.sleep(0.1)

    def stop(self) -> int:
        """Stop the process, unless it has ended, and return its exit status; kill it where it takes too long."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Kill the process (SIGKILL) and return its exit status."""
        assert self.process is not None
        self.process.kill()
        return self.process.wait()


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def services(
    state: Path, *, featurizer_address: str, classifier_address: str, environment: Mapping[str, str] | None = None
) -> tuple[Service, Service]:
    """Return the featurizer and the classifier, neither started: store and logs below `state`, weights in `home()`."""
    shared = {"LASTLAYER_HOME": str(home()), **(environment or {})}
    featurizer = Service(
        "featurizer",
        featurizer_address,
        state / "run" / "featurizer.log",
        {**shared, "FEATURIZER_ADDRESS": featurizer_address},
    )
    store = state / "store" / "lastlayer.db"
    store.parent.mkdir(parents=True, exist_ok=True)
    classifier = Service(
        "classifier-svc",
        classifier_address,
        state / "run" / "classifier.log",
        {
            **shared,
            "CLASSIFIER_ADDRESS": classifier_address,
            "CLASSIFIER_FEATURIZER": featurizer_address,
            "CLASSIFIER_STORE_URL": f"sqlite:///{store}",
        },
    )
    return featurizer, classifier


@contextlib.contextmanager
def running_services(
    state: Path,
    *,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 120,
    credentials: grpc.ChannelCredentials | None = None,
) -> Iterator[tuple[Service, Service]]:
    """Run both services on free ports while the block lasts; `timeout_s` is how long each may take to start;
    their health is asked with `credentials`."""
    pair = services(
        state,
        featurizer_address=f"127.0.0.1:{free_port()}",
        classifier_address=f"127.0.0.1:{free_port()}",
        environment=environment,
    )
    with contextlib.ExitStack() as stack:
        for service in pair:
            service.credentials = credentials
            service.start()
            stack.callback(service.stop)
        for service in pair:
            service.wait_until_serving(timeout_s)
        yield pair


def _pid_file(service: Service) -> Path:
    return service.log.with_suffix(".pid")


def _running_pid(service: Service) -> int | None:
    """Return the process id of a service that `up` started, if it still runs and is what it was."""
    try:
        pid = int(_pid_file(service).read_text())
    except (FileNotFoundError, ValueError):
        return None
    shown = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return pid if f"{service.script} serve" in shown.stdout else None


def up(pair: tuple[Service, Service], timeout_s: float) -> None:
    """Start what does not run yet, and return once both serve."""
    for service in pair:
        if _running_pid(service) is None:
            service.start()
            assert service.process is not None
            _pid_file(service).write_text(str(service.process.pid))
    for service in pair:
        if service.process is not None:
            service.wait_until_serving(timeout_s)
        print(f"{service.script} serves at {service.address}; its log is {service.log}")


def down(pair: tuple[Service, Service]) -> None:
    """Stop what `up` started: the classifier first, as it calls the featurizer."""
    for service in reversed(pair):
        pid = _running_pid(service)
        if pid is None:
            print(f"{service.script} does not run")
        else:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while _running_pid(service) is not None:
                if time.monotonic() > deadline:
                    raise ServiceError(f"{service.script} (process {pid}) does not stop; see {service.log}.")
                time.sleep(0.1)
            print(f"{service.script} stopped")
        _pid_file(service).unlink(missing_ok=True)


def main() -> int:
    """Run `up` or `down`; the exit status is 0 where it worked."""
    parser = argparse.ArgumentParser(description="Run both services in the background.")
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--timeout", type=float, default=600, help="seconds that each service may take to start")
    arguments = parser.parse_args()
    pair = services(
        home(),
        featurizer_address=os.environ.get("FEATURIZER_ADDRESS", "127.0.0.1:50051"),
        classifier_address=os.environ.get("CLASSIFIER_ADDRESS", "127.0.0.1:50052"),
    )
    try:
        if arguments.action == "up":
            up(pair, arguments.timeout)
        else:
            down(pair)
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
