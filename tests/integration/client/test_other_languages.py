"""What protos/README.md shows of other languages is run, with the packages that it names, from nothing."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.programs import run

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "protos" / "README.md").read_text(encoding="utf-8")


@pytest.mark.long
def test_a_node_program(server: str, tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("NOT RUN: the Node program of protos/README.md needs node and npm, which are not installed")
    [packages] = re.findall(r"`npm install (@grpc.*?)`", TEXT)
    installed = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if installed.returncode:
        pytest.skip(f"NOT RUN: npm cannot install {packages}: {installed.stderr[-300:]}")
    [program] = re.findall(r"```js\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "predict.js").write_text(program)
    (tmp_path / "protos").symlink_to(ROOT / "protos")
    (tmp_path / "new.jpg").write_text("dog-1")
    assert run([node, "predict.js", server, "new.jpg"], cwd=tmp_path) == "dog 0.7500\n"


def test_stubs_for_python(tmp_path: Path) -> None:
    python = ROOT / ".venv-protos" / "bin" / "python"  # which has the packages
    if not python.exists():
        pytest.skip("NOT RUN: stubs are generated in .venv-protos, which `make test` makes")
    [commands] = re.findall(r"```sh\npip .*?\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "protos").symlink_to(ROOT / "protos")
    run(["sh", "-euc", re.sub(r"\bpython (?=-)", f"{python} ", commands)], cwd=tmp_path)
    assert (tmp_path / "lastlayer" / "v1" / "classifier_pb2_grpc.py").is_file()


def test_google_rpc_status_is_the_one_import_that_needs_a_package() -> None:
    imports = {
        name
        for path in (ROOT / "protos" / "lastlayer" / "v1").glob("*.proto")
        for name in re.findall(r'^import "(.*?)";', path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    others = {name for name in imports if not name.startswith(("google/protobuf/", "lastlayer/"))}
    assert others == {"google/rpc/status.proto"}
