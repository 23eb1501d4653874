"""`deploy/pin-base-image.sh`, with a stand-in for docker that says what a registry would."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "deploy" / "pin-base-image.sh"
DIGEST = "python@sha256:" + "a" * 64


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the script."""
    folder = tmp_path / "project"
    (folder / "deploy").mkdir(parents=True)
    shutil.copy(SCRIPT, folder / "deploy")
    return folder


def pin(project: Path, *, pulled: bool = True, digest: str = DIGEST) -> "subprocess.CompletedProcess[str]":
    tools = project / "bin"
    tools.mkdir(exist_ok=True)
    docker = tools / "docker"
    docker.write_text(f'#!/bin/sh\ncase $1 in pull) exit {0 if pulled else 1};; image) echo "{digest}";; esac\n')
    docker.chmod(0o755)
    return subprocess.run(
        ["sh", str(project / "deploy" / SCRIPT.name)],
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_digest_is_written_and_other_lines_stay(project: Path) -> None:
    (project / ".env").write_text("LASTLAYER_PORT=50099\nPYTHON_IMAGE=an-older-one\n")
    done = pin(project)
    assert done.returncode == 0, done.stderr
    assert (project / ".env").read_text() == f"LASTLAYER_PORT=50099\nPYTHON_IMAGE={DIGEST}\n"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"pulled": False}, "cannot be pulled"), ({"digest": "no value"}, "has no digest")],
)
def test_nothing_is_written_where_there_is_no_digest(project: Path, wrong: dict[str, object], sentence: str) -> None:
    (project / ".env").write_text("PYTHON_IMAGE=an-older-one\n")
    done = pin(project, **wrong)  # type: ignore[arg-type]
    assert done.returncode == 1
    assert sentence in done.stderr
    assert (project / ".env").read_text() == "PYTHON_IMAGE=an-older-one\n"


def test_images_take_their_base_from_there() -> None:
    root = SCRIPT.parents[1]
    compose = (root / "docker-compose.yml").read_text()
    assert "${PYTHON_IMAGE:-python:3.11-slim-bookworm}" in compose
    for file in (root / "deploy").glob("*.Dockerfile"):
        text = file.read_text()
        assert text.count("FROM ${PYTHON_IMAGE}") == 2
        assert "--no-build-isolation" in text
        assert "hatchling" not in text  # it comes from the lock file, by its hash
