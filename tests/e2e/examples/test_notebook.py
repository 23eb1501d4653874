"""examples/notebook, executed as Jupyter does."""

import json
import sys
from pathlib import Path

import pytest

from tests.e2e.examples.conftest import EXAMPLES, World
from tests.programs import run

NOTEBOOK = EXAMPLES / "notebook/train_and_predict.ipynb"


def test_it_is_stored_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 6
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.long
def test_it_runs(world: World, copied: Path) -> None:
    pytest.importorskip("nbclient", reason="NOT RUN: the notebook is executed by nbclient, which is not installed")
    folder = copied / "notebook"
    (folder / "photos").symlink_to(world.photos)
    program = "import sys; from nbclient.cli import main; sys.exit(main())"
    environment = {"LASTLAYER_SERVER": world.pair.classifier}
    run([sys.executable, "-c", program, "--inplace", NOTEBOOK.name], environment, cwd=folder)
    cells = {cell["id"]: cell for cell in json.loads((folder / NOTEBOOK.name).read_text(encoding="utf-8"))["cells"]}
    assert cells["connect"]["outputs"][0]["data"]["text/plain"] == ["'tiny'"]
    assert cells["add"]["outputs"][-1]["data"]["text/plain"] == ["[]"]
    assert cells["train"]["outputs"][-1]["text"][0].startswith("version 1: ")
    assert "blue" in "".join(cells["predict"]["outputs"][0]["data"]["text/html"])
    assert "score of blue" in "".join(cells["frame"]["outputs"][0]["data"]["text/html"])
