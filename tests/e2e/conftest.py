"""Real processes of both services, and the client's command, in folders of the test's own."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lastlayer.local.services import SCRIPTS, Service, running_services
from tests.tiny_backbone import write_tiny_backbone

RunClient = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture
def tiny_services(tmp_path: Path, tiny_backbone: Path) -> Iterator[tuple[Service, Service]]:
    """Both services, with a network that is loaded in a moment."""
    environment = {"LASTLAYER_BACKBONE": str(tiny_backbone), "LASTLAYER_HOME": str(tmp_path / "home")}
    with running_services(tmp_path / "state", environment=environment) as pair:
        yield pair


def client_command(server: str, *arguments: str) -> dict[str, Any]:
    """Return what `subprocess` needs to run the client."""
    environment = {**os.environ, "LASTLAYER_SERVER": server}
    return {"args": [SCRIPTS / "client", *arguments], "env": environment, "text": True}


def run_client(server: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(**client_command(server, *arguments), capture_output=True, check=False, timeout=300)


def json_lines(finished: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]
