"""examples/node, with the packages that it names, from nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.examples.conftest import World, answer
from tests.programs import run


@pytest.mark.long
def test_it_predicts(world: World, copied: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("NOT RUN: examples/node needs node and npm, which are not installed")
    folder = copied / "node"
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if installed.returncode:
        pytest.skip(f"NOT RUN: npm cannot install what examples/node names: {installed.stderr[-300:]}")
    label, score = answer([node, "predict.js", world.pair.classifier, str(world.new)], folder)
    assert (label, score > 0.5) == ("blue", True)
    missing = run([node, "predict.js", world.pair.classifier, str(world.new), "none"], cwd=folder, check=False)
    assert missing == "There is no model `none`. There are: default.\n"
    bad = run([node, "predict.js", world.pair.classifier, "package.json"], cwd=folder, check=False)
    assert bad.startswith("package.json: ")
