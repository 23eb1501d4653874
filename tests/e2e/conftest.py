"""Real processes of both services, and the client's command, in folders of the test's own."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lastlayer.local.services import SCRIPTS, Service, free_port, running_services, services
from tests.shared import SHARED

RunClient = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def featurizer(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Iterator[Service]:
    """A featurizer with a network that is loaded in a moment, for all tests that leave it alone.

    It keeps nothing of what it is asked; to start one takes longer than most tests do.
    """
    folder = tmp_path_factory.mktemp("featurizer")
    environment = {"LASTLAYER_BACKBONE": str(tiny_backbone), "LASTLAYER_HOME": str(folder / "home")}
    shared, _ = services(
        folder, featurizer_address=f"127.0.0.1:{free_port()}", classifier_address="", environment=environment
    )
    shared.start()
    try:
        shared.wait_until_serving(120)
        yield shared
    finally:
        shared.stop()


@pytest.fixture(scope="session")
def googlenet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a classifier with GoogLeNet; each test has models and datasets of its own."""
    folder = tmp_path_factory.mktemp("googlenet")
    environment = {
        "LASTLAYER_BACKBONE": "googlenet",
        "LASTLAYER_MIRROR": str(SHARED / "models"),
        "LASTLAYER_HOME": str(folder / "home"),
    }
    with running_services(folder, environment=environment) as (_, classifier):
        yield classifier.address


def new_classifier(featurizer: Service, state: Path, **settings: str) -> Service:
    """Return a classifier, not started, with a store of its own below `state`; `settings` go into its environment."""
    _, classifier = services(
        state,
        featurizer_address=featurizer.address,
        classifier_address=f"127.0.0.1:{free_port()}",
        environment={"LASTLAYER_HOME": str(state / "home"), **settings},
    )
    return classifier


@contextmanager
def running_classifier(featurizer: Service, state: Path, **settings: str) -> Iterator[Service]:
    """Run what `new_classifier` returns."""
    classifier = new_classifier(featurizer, state, **settings)
    classifier.start()
    try:
        classifier.wait_until_serving(120)
        yield classifier
    finally:
        classifier.stop()


@pytest.fixture
def classifier(featurizer: Service, tmp_path: Path) -> Iterator[Service]:
    """A classifier of the test's own, beside the shared featurizer."""
    with running_classifier(featurizer, tmp_path / "state") as running:
        yield running


@pytest.fixture
def own_services(tmp_path: Path, tiny_backbone: Path) -> Iterator[tuple[Service, Service]]:
    """Both services, which nobody else uses: the test may stop them."""
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
