import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tools import slim


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of Python's that has symbols: kiwisolver's, which needs nothing else."""
    spec = find_spec("kiwisolver._cext")
    assert spec is not None
    assert spec.origin is not None
    return Path(shutil.copy(spec.origin, tmp_path))


def test_a_library_without_its_symbols_still_works(library: Path) -> None:
    before = library.stat()
    slim.drop_symbols(library)
    assert library.stat().st_size < before.st_size / 2
    assert library.stat().st_mode == before.st_mode
    program = (
        "import _cext; x = _cext.Variable('x'); solver = _cext.Solver(); solver.addConstraint(x == 3);"
        "solver.updateVariables(); print(x.value())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=library.parent, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("3.0\n", "")
    size = library.stat().st_size
    slim.drop_symbols(library)
    assert library.stat().st_size == size


def test_a_hard_link_keeps_its_content(library: Path, tmp_path: Path) -> None:
    content = library.read_bytes()
    cached = tmp_path / "cached"
    os.link(library, cached)
    slim.drop_symbols(library)
    assert cached.read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"\x7fELF\x01\x01" + bytes(200), b"\xcf\xfa\xed\xfe" + bytes(200), b"words"]
)
def test_what_is_no_library_of_linux_stays_as_it_is(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "some.so"
    file.write_bytes(content)
    slim.drop_symbols(file)
    assert file.read_bytes() == content


def test_what_nothing_runs_is_removed(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site-packages"
    unused = [
        "clang/native/libclang.so",
        "numpy/_core/tests/test_array.py",
        "numpy/tests/tests/more.py",
        "openvino/libs/libopenvino_intel_gpu_plugin.so",
        "openvino/libs/libopenvino_paddle_frontend.so.2641",
        "tensorflow/include/tensorflow/core/graph.h",
    ]
    used = [
        "numpy/_core/numeric.py",
        "openvino/libs/libopenvino_intel_cpu_plugin.so",
        "openvino/libs/libopenvino_tensorflow_frontend.so.2641",
        "tensorflow/python/framework/ops.py",
    ]
    for name in (*unused, *used):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(name)
    large = site / "tensorflow/libtensorflow_cc.so.2"
    shutil.copy(library, large)
    slim.main(site)
    kept = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    assert kept == {*used, "tensorflow/libtensorflow_cc.so.2"}
    assert large.stat().st_size < library.stat().st_size
    assert capsys.readouterr().out.startswith(f"{site}: ")
