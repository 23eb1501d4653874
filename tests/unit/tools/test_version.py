"""The version stands in pyproject.toml alone, and what it brings in CHANGELOG.md."""

import re
import tomllib
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]


@pytest.mark.parametrize("name", PROJECT["scripts"])
def test_every_command_tells_it(name: str) -> None:
    module, _, function = PROJECT["scripts"][name].partition(":")
    result = CliRunner().invoke(getattr(import_module(module), function), ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"{name} {version('lastlayer')}\n")


def test_the_changes_begin_with_it_or_with_what_is_not_released() -> None:
    titles = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [title for title in titles if re.match(r"\d", title)]
    assert released[0].split()[0] == VERSION
    assert titles.index(released[0]) in (1, 2)


def test_no_other_file_of_the_packages_has_it() -> None:
    sources = [path for package in ROOT.glob("[!.]*/lastlayer") for path in package.rglob("*.py")]
    assert len(sources) > 100
    assert [path for path in sources if VERSION in path.read_text(encoding="utf-8")] == []
