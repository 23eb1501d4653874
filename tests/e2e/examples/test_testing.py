"""examples/testing, by a pytest of its own."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from tests.programs import run


@pytest.mark.long
def test_its_tests_pass(copied: Path) -> None:
    # Where this environment was installed before the entry point was there.
    known = {point.value for point in importlib.metadata.entry_points(group="pytest11")}
    plugin = "lastlayer.testing.pytest_plugin"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error"]
    command += [] if plugin in known else ["-p", plugin]
    assert "2 passed" in run(command, {"PYTEST_ADDOPTS": ""}, cwd=copied / "testing")
