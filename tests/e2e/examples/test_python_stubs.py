"""examples/python-stubs, in the environment that has the packages that it names, and no `lastlayer`."""

from pathlib import Path

import pytest

from tests.e2e.examples.conftest import World, answer
from tests.markdown import ROOT
from tests.programs import run

PYTHON = ROOT / ".venv-protos/bin/python"


@pytest.mark.long
def test_it_predicts(world: World, copied: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("NOT RUN: stubs are generated in .venv-protos, which `make test` makes")
    folder = copied / "python-stubs"
    run(["sh", "generate.sh"], {"PYTHON": str(PYTHON)}, cwd=folder)
    clean = {"PYTHONPATH": ""}
    label, score = answer([str(PYTHON), "predict.py", world.pair.classifier, str(world.new)], folder, **clean)
    assert (label, score > 0.5) == ("blue", True)
    bad = run([str(PYTHON), "predict.py", world.pair.classifier, "README.md"], clean, cwd=folder, check=False)
    assert bad.startswith("README.md: ")
    there = run([str(PYTHON), "-c", "import lastlayer.v1 as v1; print(v1.__path__)"], clean, cwd=folder)
    assert str(folder) in there
    assert str(ROOT / "protos") not in there
