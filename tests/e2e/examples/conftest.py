"""Services with a model, which the programs in `examples/` talk to."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lastlayer.testing import Services, services
from tests.e2e.test_processes import write_photos
from tests.markdown import ROOT
from tests.programs import run

EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class World:
    """What the examples are run with."""

    pair: Services
    """They have the model `default`."""
    photos: Path
    """A sub-folder for each class; all photos of `blue` are blue, and so on."""
    new: Path
    """A photo that is blue."""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("examples")
    write_photos(folder / "photos", each=6)
    new = folder / "new.jpg"
    (folder / "photos/blue/000.jpg").rename(new)
    with services() as pair, pair.client() as client:
        client.add_examples(folder / "photos")
        client.train()
        yield World(pair, folder / "photos", new)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The examples beside the contract, as in a clone, but without what they install and generate."""
    generated = shutil.ignore_patterns("node_modules", "lastlayer", "__pycache__", "photos")
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=generated)
    (tmp_path / "protos").symlink_to(ROOT / "protos")
    return tmp_path / "examples"


def answer(command: list[str], folder: Path, **environment: str) -> tuple[str, float]:
    """Run an example that prints a label and its probability; return both."""
    label, score = run(command, environment, cwd=folder).split()
    return label, float(score)
