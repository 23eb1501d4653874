"""examples/go, with Debian's Go and its packages of the modules, as the proxy for Go's modules need not be there."""

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.examples.conftest import World, answer
from tests.markdown import ROOT
from tests.programs import CommandError, can_use_debian, debian_packages, run

GO = "usr/lib/go-1.24"
PACKAGES = (
    "golang-1.24-go",
    "golang-1.24-src",
    "golang-github-golang-protobuf-1-5-dev",
    "golang-golang-x-net-dev",
    "golang-golang-x-sys-dev",
    "golang-golang-x-text-dev",
    "golang-google-genproto-dev",
    "golang-google-grpc-dev",
    "golang-google-protobuf-dev",
    "protoc-gen-go",
    "protoc-gen-go-grpc",
)
PYTHON = ROOT / ".venv-protos/bin/python"  # which has protoc


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Path]:
    """The files of the packages, half a gigabyte, which is not left behind."""
    if not can_use_debian() or platform.machine() != "x86_64" or not PYTHON.exists():
        pytest.skip("NOT RUN: examples/go needs Go out of Debian's packages, and the protoc that `make test` installs")
    try:
        found = debian_packages(PACKAGES, tmp_path / "debian")
    except CommandError as error:
        pytest.skip(f"NOT RUN: Debian's packages of Go cannot be had: {error}")
    yield found
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.long
def test_it_predicts(world: World, copied: Path, files: Path, tmp_path: Path) -> None:
    # Where Go looks for a program whose modules are folders.
    folder = tmp_path / "path/src/example.com/lastlayer/predict"
    folder.parent.mkdir(parents=True)
    (copied / "go").rename(folder)
    protoc = tmp_path / "bin/protoc"
    protoc.parent.mkdir()
    protoc.write_text(f'#!/bin/sh\nexec "{PYTHON}" -m grpc_tools.protoc "$@"\n')
    protoc.chmod(0o755)
    environment = {
        "PATH": os.pathsep.join(
            (str(protoc.parent), str(files / "usr/bin"), str(files / GO / "bin"), os.environ["PATH"])
        ),
        "PROTOS": str(ROOT / "protos"),
        "GOROOT": str(files / GO),
        "GOPATH": os.pathsep.join((str(tmp_path / "path"), str(files / "usr/share/gocode"))),
        "GOCACHE": str(tmp_path / "cache"),
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
    }
    run(["sh", "generate.sh", str(ROOT / ".venv-protos/googleapis")], environment, cwd=folder)
    run(["go", "vet", "."], environment, cwd=folder, timeout_s=900)
    run(["go", "build", "-o", "predict", "."], environment, cwd=folder, timeout_s=900)
    program = str(folder / "predict")
    label, score = answer([program, world.pair.classifier, str(world.new)], folder)
    assert (label, score > 0.5) == ("blue", True)
    bad = run([program, world.pair.classifier, "go.mod"], cwd=folder, check=False)
    assert bad.startswith("go.mod: ")
    missing = run([program, world.pair.classifier, str(world.new), "none"], cwd=folder, check=False)
    assert "There is no model `none`." in missing
