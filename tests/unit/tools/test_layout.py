"""The house: folders that can be taken in at a glance, and an installed name that collides with nothing."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = sorted(ROOT.glob("[!.]*/lastlayer"))
MAX_ENTRIES = 12
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
ALLOWED_ABOVE = {
    # The three sources, and the four stubs that protoc makes of each.
    "protos/lastlayer/v1",
}


def folders() -> list[Path]:
    """The folders of our packages that hold code."""
    found = [folder for package in PACKAGES for folder in (package, *package.rglob("*"))]
    return [folder for folder in found if folder.is_dir() and is_ours(folder)]


def is_ours(entry: Path) -> bool:
    """Whether it is more than what an import, or a folder that an earlier commit had, left behind."""
    if entry.is_dir():
        return entry.name != "__pycache__" and any(is_ours(inner) for inner in entry.iterdir())
    return True


def entries(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if is_ours(entry))


def test_no_folder_has_more_entries_than_can_be_taken_in_at_a_glance() -> None:
    assert len(folders()) > 30
    crowded = {
        folder.relative_to(ROOT).as_posix(): entries(folder)
        for folder in folders()
        if len(entries(folder)) > MAX_ENTRIES
    }
    assert crowded.keys() == ALLOWED_ABOVE


def test_every_folder_is_a_package_but_lastlayer_which_several_folders_share() -> None:
    for folder in folders():
        code = any(name.endswith(".py") for name in entries(folder))  # the demonstration's tables need no package
        assert ("__init__.py" in entries(folder)) == (code and folder not in PACKAGES), folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    [path] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    return Path(path)


def test_the_only_top_level_name_of_the_wheel_is_lastlayer(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"lastlayer", f"lastlayer-{VERSION}.dist-info"}
    assert {name.split("/")[1] for name in names if name.startswith("lastlayer/")} == {
        name for package in PACKAGES for name in entries(package)
    }
    assert not [name for name in names if {"benchmarks", "tests", "tools"} & set(name.split("/"))]


@pytest.fixture
def own_project(tmp_path: Path) -> Path:
    """A folder of a user whose own modules have the names of our folders, and cannot be mistaken for them."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("benchmarks", "classifier", "classifier_svc", "client", "featurizer", "tests", "tools", "v1"):
        (folder / f"{name}.py").write_text("raise AssertionError('the own module of the user was imported')\n")
    for name in ("protos", "rpc"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise AssertionError('the own package of the user was imported')\n")
    return folder


PROGRAM = """
from lastlayer.client import Client
import lastlayer.classifier.server, lastlayer.featurizer.config
print(Client.__module__, lastlayer.client.__file__)
"""


def run(folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_client_is_imported_beside_modules_of_the_user_with_the_names_of_our_folders(own_project: Path) -> None:
    assert run(own_project).startswith("lastlayer.client.api ")


def test_so_it_is_where_the_wheel_is_installed(own_project: Path, wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    assert (
        run(own_project, PYTHONPATH=str(installed)) == f"lastlayer.client.api {installed}/lastlayer/client/__init__.py"
    )
