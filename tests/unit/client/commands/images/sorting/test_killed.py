"""A sorting or an undoing that was killed at any step loses nothing, goes on, and is taken back."""

import sys

import pytest

from tests.programs import run
from tests.unit.client.commands.images.sorting import killed


@pytest.mark.parametrize(
    "disk", ["links", *(pytest.param(disk, marks=pytest.mark.long) for disk in ("another_device", "no_links"))]
)
def test_killed_at_any_step(disk: str) -> None:
    printed = run([sys.executable, "-m", killed.__name__, disk])
    lines = [line.split() for line in printed.splitlines()]
    assert [line[:2] for line in lines] == [["copy", "sort"], ["copy", "undo"], ["move", "sort"], ["move", "undo"]]
    assert all(int(line[2]) > 20 for line in lines)
