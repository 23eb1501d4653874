"""The engine and the project of the container tests, and the table that they end with."""

import contextlib
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lastlayer.local.services import free_port
from tests.compose.base_image import BASE, provide_base_image
from tests.compose.engine import Engine, NoEngineError, engine
from tests.compose.photos import Photos, provide_photos
from tests.compose.project import Project

_rows: list[tuple[str, float, str]] = []
_untested: list[str] = []
_SHOWN_SETUP_S = 1.0


@pytest.fixture(scope="session")
def container_engine() -> Iterator[Engine]:
    """An engine that has the base image."""
    try:
        with engine() as found:
            how = provide_base_image(found)
            try:
                yield found
            finally:
                if how == "stand-in" and not found.own:  # others would take it for the real one
                    found.docker("rmi", "--force", BASE)
    except NoEngineError as error:
        _untested.append(f"NO CONTAINER WAS TESTED: {error}.")
        pytest.skip(_untested[0])


@pytest.fixture(scope="session")
def photos() -> Iterator[Photos]:
    with tempfile.TemporaryDirectory(prefix="lastlayer-photos-") as name:
        yield provide_photos(Path(name))


@pytest.fixture(scope="session")
def settings(photos: Photos) -> dict[str, str]:
    """What the Compose files are told: a free port, the photos, the network and its mirror."""
    mirror = {"LASTLAYER_MIRROR": str(photos.mirror)} if photos.mirror else {}
    return {
        "LASTLAYER_BACKBONE": photos.backbone,
        "LASTLAYER_DATA": str(photos.folder),
        "LASTLAYER_FEATURIZER_PORT": f"{(first := free_ports(3))}-{first + 2}",
        "LASTLAYER_PORT": str(free_port()),
        "LASTLAYER_STUDIO_PORT": str(free_port()),
        **mirror,
    }


def free_ports(count: int) -> int:
    """Return the first of so many free ports in a row."""
    while True:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            first = free_port()
            for port in range(first, first + count):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first


@pytest.fixture(scope="session")
def project(container_engine: Engine, settings: dict[str, str]) -> Iterator[Project]:
    """The project under the newest Compose that there is; removed at the end."""
    project = Project(container_engine, container_engine.composes[0], settings)
    project.remove()  # what a run that was killed may have left
    yield project
    project.remove()


@pytest.fixture(scope="session")
def server(settings: dict[str, str]) -> str:
    """The classifier as this machine reaches it."""
    return f"127.0.0.1:{settings['LASTLAYER_PORT']}"


@pytest.fixture(scope="session")
def page(settings: dict[str, str]) -> str:
    """The studio as this machine reaches it."""
    return f"http://127.0.0.1:{settings['LASTLAYER_STUDIO_PORT']}"


def pytest_configure() -> None:
    # So that the engine is stopped and all is cleaned up as well where the run is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    name = item.name.removeprefix("test_").replace("_", " ")
    notes = dict(report.user_properties).get("result", "")
    is_step = item.path.name != "test_overlays.py"
    if (report.when == "call" and is_step) or report.outcome != "passed":
        _rows.append((name, report.duration, f"{report.outcome.upper()} {notes}".strip()))
    elif report.when == "setup" and report.duration > _SHOWN_SETUP_S:
        _rows.append((f"({name}: what it needs)", report.duration, ""))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _untested:
        terminalreporter.section(_untested[0], red=True, bold=True)
        return
    if not _rows:
        return
    terminalreporter.section("steps")
    width = max(len(name) for name, _, _ in _rows)
    terminalreporter.write_line(f"{'step':{width}}  seconds  result")
    for name, seconds, result in _rows:
        terminalreporter.write_line(f"{name:{width}}  {seconds:7.1f}  {result}")
