from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

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


@pytest.fixture
def run(server: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line against the fake, in this process."""
    monkeypatch.setenv("LASTLAYER_SERVER", server)

    def run_main(*arguments: object, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)

    return run_main


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
