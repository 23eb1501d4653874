"""The table that the long tests of faults end with: fault, rounds, lost, recovered in."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lastlayer.local.services import Service, running_services
from lastlayer.testing.tiny_backbone import write_tiny_backbone
from tests.faults.photos import Photo, make_photos

Record = Callable[..., None]

_rows: list[tuple[str, ...]] = []


@pytest.fixture(scope="session")
def record() -> Record:
    """Take a row of the table: the fault, how many rounds, what was lost, and the seconds that each took to recover."""

    def take(fault: str, rounds: int, lost: str, recovered_s: Sequence[float] = ()) -> None:
        times = sorted(recovered_s)
        took = f"{times[len(times) // 2]:.1f} s, at most {times[-1]:.1f} s" if times else ""
        _rows.append((fault, str(rounds), lost, took))

    return take


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    return make_photos(tmp_path_factory.mktemp("photos"), each=200)


@pytest.fixture
def pair(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    """Both services, with a network that is loaded in a moment."""
    backbone = write_tiny_backbone(tmp_path_factory.mktemp("backbone"))
    environment = {"LASTLAYER_BACKBONE": str(backbone), "LASTLAYER_HOME": str(tmp_path / "home")}
    with running_services(tmp_path / "state", environment=environment) as found:
        yield found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _rows:
        return
    terminalreporter.section("faults")
    head = ("fault", "rounds", "lost", "recovered in (median)")
    widths = [max(len(row[column]) for row in (head, *_rows)) for column in range(len(head))]
    for row in (head, *_rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line(line.rstrip())
