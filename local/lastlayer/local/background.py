"""Runs the services in the background: `up`, `down`, and how they are.

A service is known by the file `run/SERVICE.pid`. It counts as running only while that process is still the service.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from lastlayer.local.services import MODULES, STOP_TIMEOUT_S, Service, ServiceError
from lastlayer.rpc.channel import FEATURES_HEALTH

_POLL_S: Final = 0.2


@dataclass(frozen=True)
class ServiceState:
    """How a service is."""

    name: str
    address: str
    pid: int | None
    """None where it does not run."""
    serving: bool
    log: Path


def up(services: tuple[Service, ...], timeout_s: float, tell: Callable[[str], None]) -> None:
    """Start the featurizer, the classifier and what comes after them unless they run; return once all is served.

    Each may take `timeout_s`. `tell` is given a line for each service. Raises `ServiceError` where a port is taken by
    another program, or where a service does not start; what was started then is stopped again.
    """
    starting = [service for service in services if find_pid(service) is None]
    for service in starting:
        _check_port(service)
    try:
        for service in starting:
            service.start()
            _pid_file(service).write_text(str(service.started.pid))
        for service in services:
            _wait(service, "", timeout_s)
        featurizer, classifier, *_ = services
        _wait(classifier, FEATURES_HEALTH, timeout_s, f"does not reach the featurizer at {featurizer.address}")
    except BaseException:
        for service in reversed(starting):
            if service.process is not None:
                service.stop()
                _pid_file(service).unlink(missing_ok=True)
        raise
    for service in services:
        tell(f"{service.script} serves at {service.address}; its log is {service.log}")


def down(services: tuple[Service, ...], tell: Callable[[str], None]) -> None:
    """Stop what `up` started: those first that call the others. Raises `ServiceError`."""
    for service in reversed(services):
        process = _find(service)
        if process is None:
            tell(f"{service.script} does not run")
        else:
            process.terminate()
            if not _ends(service):
                raise ServiceError(f"{service.script} (process {process.pid}) does not stop; see {service.log}.")
            tell(f"{service.script} stopped")
        _pid_file(service).unlink(missing_ok=True)


def describe(service: Service) -> ServiceState:
    """Return how a service is now."""
    pid = find_pid(service)
    return ServiceState(service.script, service.address, pid, pid is not None and service.is_serving(), service.log)


def find_pid(service: Service) -> int | None:
    """Return the process id of a service that `up` started, None where it does not run any more."""
    process = _find(service)
    return None if process is None else process.pid


def _find(service: Service) -> psutil.Process | None:
    try:
        process = psutil.Process(int(_pid_file(service).read_text()))
        # Process ids are used again: it must be what was started.
        ours = MODULES[service.script] in process.cmdline()
        return process if ours and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, psutil.Error):
        return None


def _ends(service: Service) -> bool:
    # Not psutil's `wait`, which waits for zombies too: nobody may ask for the end of what another program has started.
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while _find(service) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _pid_file(service: Service) -> Path:
    return service.log.with_suffix(".pid")


def _wait(service: Service, health: str, timeout_s: float, trouble: str = "does not serve") -> None:
    deadline = time.monotonic() + timeout_s
    while not service.is_serving(health):
        if service.process is not None and service.process.poll() is not None:
            service.wait_until_serving(0)  # raises, with the end of the log
        if time.monotonic() > deadline:
            raise ServiceError(
                f"{service.script} at {service.address} {trouble} after {timeout_s:g} s; see {service.log}."
            )
        time.sleep(_POLL_S)


def _check_port(service: Service) -> None:
    """Raise `ServiceError` where another program listens at the service's address."""
    host, _, port = service.address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            setting = f"{service.script.removesuffix('-svc').upper()}_ADDRESS"
            raise ServiceError(
                f"{service.script} cannot listen at {service.address}: {_holder(int(port), error)}. "
                f"Stop that program, or set {setting} to another HOST:PORT."
            ) from error


def _holder(port: int, error: OSError) -> str:
    """Return who has a port, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            at = connection.laddr.port if connection.laddr else None
            if connection.status == psutil.CONN_LISTEN and at == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f"process {process.pid} has the port ({' '.join(process.cmdline())[:100]})"
    except psutil.Error:
        pass  # other users' processes are not told, nor anybody's on macOS
    return error.strerror or "the port is taken"
