"""What protos/README.md shows is run, with the packages that it names; `tests/e2e/examples` runs whole programs."""

import re
from pathlib import Path

import pytest

from tests.programs import run

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "protos" / "README.md").read_text(encoding="utf-8")


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
