"""The project under Compose: its commands, and what the engine says of its containers."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.compose.engine import Engine
from tests.programs import CommandError, run

ROOT = Path(__file__).resolve().parents[2]
POLL_S = 0.5


@dataclass(frozen=True)
class Project:
    """The Compose files with one version of Compose, under a project name of their own."""

    engine: Engine
    command: Sequence[str]
    environment: dict[str, str]
    """The variables that the Compose files take."""
    files: Sequence[str] = ("docker-compose.yml",)
    name: str = "lastlayer-test"

    def compose(self, *arguments: str, check: bool = True, timeout_s: float = 600) -> str:
        """Run a command of Compose and return what it printed."""
        files = [argument for file in self.files for argument in ("--file", file)]
        return run(
            [*self.command, "--project-name", self.name, *files, *arguments],
            {**self.engine.environment, **self.environment},
            check=check,
            timeout_s=timeout_s,
            cwd=ROOT,
        )

    def client(self, *arguments: str) -> str:
        """Run the client's container, and return what it printed."""
        return self.compose("run", "--rm", "-T", "client", *arguments)

    def version(self) -> str:
        """Return the version of Compose."""
        return f"Compose {run([*self.command, 'version', '--short'], self.engine.environment).strip()}"

    def containers(self, service: str) -> list[str]:
        """Return the ids of a service's containers, by their number."""
        labels = {"project": self.name, "service": service, "oneoff": "False"}
        filters = [f"--filter=label=com.docker.compose.{key}={value}" for key, value in labels.items()]
        ids = self.engine.docker("ps", "--all", "--quiet", *filters).split()
        found = [self.inspect(container) for container in ids]
        found.sort(key=lambda container: int(container["Config"]["Labels"]["com.docker.compose.container-number"]))
        return [container["Id"] for container in found]

    def inspect(self, container: str) -> dict[str, Any]:
        """Return all that the engine knows of a container."""
        found: dict[str, Any] = json.loads(self.engine.docker("inspect", container))[0]
        return found

    def wait_until_healthy(self, service: str, count: int = 1, timeout_s: float = 900) -> None:
        """Return once `count` containers of a service are healthy; fails with their logs where they are not."""
        deadline = time.monotonic() + timeout_s
        while True:
            states = [self.health(container) for container in self.containers(service)]
            if states == ["healthy"] * count:
                return
            if "unhealthy" in states or time.monotonic() > deadline:
                raise CommandError(f"{service} is {states or 'not there'}, not healthy:\n{self.logs(service)}")
            time.sleep(POLL_S)

    def health(self, container: str) -> str:
        """Return what the health check of a container says: `starting`, `healthy`, `unhealthy`; or `stopped`."""
        state = self.inspect(container)["State"]
        return str(state["Health"]["Status"]) if state["Running"] else "stopped"

    def logs(self, service: str, lines: int = 40) -> str:
        """Return the end of a service's log."""
        return self.compose("logs", "--no-color", f"--tail={lines}", service, check=False)

    def remove(self) -> None:
        """Remove the project's containers, networks and volumes."""
        self.compose("--profile", "client", "down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)
