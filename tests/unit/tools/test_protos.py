"""`make protos-check` fails on what it is there to find. It runs in a copy of the contract."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = ROOT / ".venv-protos"

needs_environment = pytest.mark.skipif(
    not (ENVIRONMENT / "installed").exists(), reason="buf is not installed: run `make .venv-protos/installed`"
)


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """A copy of all that the target reads; the folder of the sources in it."""
    for file in ("Makefile", "buf.yaml"):
        shutil.copy(ROOT / file, tmp_path)
    shutil.copytree(ROOT / "protos", tmp_path / "protos", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".venv-protos").mkdir()
    for part in ("bin", "googleapis", "installed", "lib", "pyvenv.cfg"):
        (tmp_path / ".venv-protos" / part).symlink_to(ENVIRONMENT / part)
    return tmp_path / "protos/lastlayer/v1"


def check(contract: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", "--old-file", ".venv-protos/installed", "protos-check"],
        cwd=contract.parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )


def replace(file: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, file.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1
    file.write_text(text)


@needs_environment
def test_the_contract_as_it_is_passes(contract: Path) -> None:
    done = check(contract)
    assert done.returncode == 0, done.stdout


@needs_environment
def test_a_missing_comment_fails(contract: Path) -> None:
    replace(contract / "types.proto", r"(?:^ +//.*\n)+( +bytes content = 2;)", r"\1")
    done = check(contract)
    assert done.returncode != 0
    assert 'Field "content" should have a non-empty comment' in done.stdout


@needs_environment
def test_a_name_that_is_not_in_the_style_fails(contract: Path) -> None:
    replace(contract / "types.proto", r"^message ", "// An addition.\nmessage lower_case {}\n\n// Another.\nmessage ")
    done = check(contract)
    assert done.returncode != 0
    assert 'Message name "lower_case" should be PascalCase' in done.stdout


@needs_environment
@pytest.mark.parametrize(
    ("pattern", "replacement", "problem"),
    [
        (r"^ +bytes content = 2;\n", "", 'field "2" with name "content" on message "Image" was deleted'),
        (r"bytes content = 2;", "bytes content = 99;", 'field "2" with name "content" on message "Image" was deleted'),
        (r"bytes content = 2;", "string content = 2;", 'Field "2" with name "content" on message "Image" changed type'),
    ],
    ids=["removed", "renumbered", "retyped"],
)
def test_a_broken_field_fails(contract: Path, pattern: str, replacement: str, problem: str) -> None:
    replace(contract / "types.proto", pattern, replacement)
    done = check(contract)
    assert done.returncode != 0
    assert problem in done.stdout


@needs_environment
def test_a_removed_method_fails(contract: Path) -> None:
    replace(contract / "featurizer.proto", r"^ +rpc GetBackbone\(.*\n", "")
    done = check(contract)
    assert done.returncode != 0
    assert 'RPC "GetBackbone" on service "Featurizer" was deleted' in done.stdout


@needs_environment
def test_an_addition_is_no_break_but_makes_what_is_generated_stale(contract: Path) -> None:
    replace(contract / "types.proto", r"( +bytes content = 2;)", r"\1\n  // An addition.\n  string extra = 99;")
    done = check(contract)
    assert done.returncode != 0
    for name in ("lastlayer/v1/types_pb2.py", "lastlayer/v1/types_pb2.pyi", "baseline.binpb"):
        assert f"fresh/{name} and protos/{name} differ" in done.stdout
    assert "run `make protos`" in done.stdout


@needs_environment
def test_a_stub_that_is_stale_or_left_over_fails(contract: Path) -> None:
    with (contract / "types_pb2.py").open("a") as stub:
        stub.write("# edited\n")
    (contract / "gone_pb2.py").write_text("")
    done = check(contract)
    assert done.returncode != 0
    assert "types_pb2.py differ" in done.stdout
    assert "gone_pb2.py" in done.stdout


def test_the_stubs_were_made_by_a_generator_of_protobuf_6() -> None:
    """Runtimes load stubs of their own major version and of the one before: these load with 6 and with 7."""
    stubs = sorted((ROOT / "protos/lastlayer").glob("*/*_pb2.py"))
    assert len(stubs) == 4
    for stub in stubs:
        assert re.search(r"^# Protobuf Python Version: 6\.", stub.read_text(), re.MULTILINE)
