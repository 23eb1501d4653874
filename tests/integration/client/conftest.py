import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lastlayer.client import Client
from lastlayer.client.__main__ import main
from tests.integration.client.fake_classifier import FakeClassifier, running


@pytest.fixture
def fake() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture
def server(fake: FakeClassifier) -> Iterator[str]:
    with running(fake) as address:
        yield address


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server, timeout_s=20) as connected:
        yield connected


Run = Callable[..., Result]


def objects(result: Result) -> list[dict[str, Any]]:
    """Return what a command printed for programs: an object a line."""
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def run(server: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line against the fake, in this process."""
    monkeypatch.setenv("LASTLAYER_SERVER", server)

    def run_main(*arguments: object, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)

    return run_main


class Runner:
    """Runs the command line against a fake of the test's own: in this process, or `outside` in one of its own."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(self, *arguments: object) -> Result:
        return CliRunner().invoke(main, [*map(str, arguments)], env={"LASTLAYER_SERVER": self.address})

    def outside(self, *arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "lastlayer.client", *map(str, arguments)]
        environment = {**os.environ, "LASTLAYER_SERVER": self.address}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 120, **options}
        return subprocess.run(command, text=True, check=False, env=environment, **options)


@pytest.fixture
def make_run() -> Iterator[Callable[[FakeClassifier], Runner]]:
    """Starts fakes, and returns what runs the command line against each."""
    with contextlib.ExitStack() as servers:
        yield lambda fake: Runner(servers.enter_context(running(fake)))


@dataclass(frozen=True)
class Photos:
    """Labelled files in all forms that DATA may have; what the fake sees in them is in their content."""

    folder: Path
    tsv: Path
    csv: Path

    def sources(self) -> list[Path]:
        return [self.folder, self.tsv, self.csv]


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    folder = tmp_path / "photos"
    lines = []
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(2):
            (folder / label / f"{label}{number}.jpg").write_text(f"{label}-{number}")
            lines.append((f"photos/{label}/{label}{number}.jpg", label))
    tsv, csv = tmp_path / "tags.tsv", tmp_path / "tags.csv"
    tsv.write_text("".join(f"{path}\t{label}\n" for path, label in lines))
    csv.write_text("path,label\r\n" + "".join(f'"{path}", "{label}"\r\n' for path, label in lines))
    return Photos(folder, tsv, csv)
