"""The services as processes of this machine: started, waited for, stopped.

State lies under `$LASTLAYER_HOME` (default `~/.lastlayer`): weights in `weights/`, the store in `store/`, logs and
process ids in `run/`.
"""

import contextlib
import http.client
import importlib.util
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc

from lastlayer.rpc.probe import is_serving

SCRIPTS: Final = Path(sys.executable).parent
MODULES: Final = {
    "featurizer": "lastlayer.featurizer",
    "classifier-svc": "lastlayer.classifier",
    "studio": "lastlayer.studio",
}
"""What Python runs for each of the services."""

STOP_TIMEOUT_S: Final = 30.0
"""How long a service may take to stop: longer than the grace period that it gives to calls in flight."""


class ServiceError(Exception):
    """A service did not start or stop. Its text is one sentence for the user."""


def home() -> Path:
    """Return the folder that holds all state."""
    return Path(os.environ.get("LASTLAYER_HOME") or Path.home() / ".lastlayer")


_PORTS: Final = range(20000, 32000)
"""Below those that systems give to outgoing connections, which could else take a port before its service does."""


def free_port() -> int:
    """Return a port of the loopback interface that nobody uses at the moment; raises OSError where there is none."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was used a moment ago is free
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"No port from {_PORTS.start} to {_PORTS.stop - 1} is free.")


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

    @property
    def started(self) -> subprocess.Popen[bytes]:
        """The process; raises `ServiceError` before it is started."""
        if self.process is None:
            raise ServiceError(f"{self.script} has not been started.")
        return self.process

    def start(self) -> None:
        """Start the process; it is not awaited."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", MODULES[self.script], "serve"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def is_serving(self, health: str = "") -> bool:
        """Return whether it says within a second that it serves; `health` names a part of it."""
        return is_serving(self.address, health, timeout_s=1, credentials=self.credentials)

    def wait_until_serving(self, timeout_s: float) -> None:
        """Return once health says SERVING; raises `ServiceError` with the end of the log where it does not."""
        deadline = time.monotonic() + timeout_s
        while not self.is_serving():
            status = self.started.poll()
            if status is not None or time.monotonic() > deadline:
                fate = "is not serving yet" if status is None else f"ended with status {status}"
                raise ServiceError(f"{self.script} {fate}; the end of {self.log} says:\n{_end_of(self.log)}")
            time.sleep(0.1)

    def stop(self) -> int:
        """Stop the process, unless it has ended, and return its exit status; kill it where it takes too long."""
        if self.started.poll() is None:
            self.started.terminate()
        try:
            return self.started.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Kill the process (SIGKILL) and return its exit status."""
        self.started.kill()
        return self.started.wait()


class WebService(Service):
    """A service that is called by HTTP."""

    def is_serving(self, health: str = "") -> bool:  # noqa: ARG002 - it has no parts
        """Return whether it says within a second that it serves."""
        connection = http.client.HTTPConnection(self.address, timeout=1)
        try:
            connection.request("GET", "/healthz", headers={"Host": "localhost"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


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
    """Run both services on free ports while the block lasts.

    Each may take `timeout_s` to start; their health is asked with `credentials`. Raises `ServiceError`.
    """
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


def from_environment() -> tuple[Service, ...]:
    """Return the services as the environment says, none started: the featurizer, the classifier, then the studio.

    The studio is left out where what it needs is not installed.
    """
    classifier_address = os.environ.get("CLASSIFIER_ADDRESS") or "127.0.0.1:50052"
    pair = services(
        home(),
        featurizer_address=os.environ.get("FEATURIZER_ADDRESS") or "127.0.0.1:50051",
        classifier_address=classifier_address,
    )
    if importlib.util.find_spec("fastapi") is None:
        return pair
    address = os.environ.get("STUDIO_ADDRESS") or "127.0.0.1:8080"
    environment = {"STUDIO_ADDRESS": address, "STUDIO_CLASSIFIER": classifier_address}
    return (*pair, WebService("studio", address, home() / "run" / "studio.log", environment))


def fetch_weights() -> None:
    """Fetch the weights of the network that is to be served, with progress; raises `ServiceError`."""
    backbone = os.environ.get("LASTLAYER_BACKBONE") or "auto"
    if subprocess.run([SCRIPTS / "featurizer", "fetch", backbone], check=False).returncode:
        raise ServiceError(f"The weights of `{backbone}` cannot be had; the lines above say why.")
