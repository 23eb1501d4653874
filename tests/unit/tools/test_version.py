"""The version stands in pyproject.toml alone, and what it brings in CHANGELOG.md."""

import re
import tomllib
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from tools import tags

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


@pytest.mark.parametrize("file", tags.files(), ids=lambda file: file.name)
def test_images_are_tagged_with_it(file: Path) -> None:
    """`make docs` writes it; other images have tags of their own, and none is `latest`, said or unsaid."""
    text = file.read_text(encoding="utf-8")
    assert tags.set_tags(text, VERSION) == text
    images = re.findall(r"^\s*image: (\S+)", text, re.MULTILINE) + re.findall(r"newTag: (\S+)", text)
    assert [image for image in images if "latest" in image or not re.search(r"\d", image)] == []


def test_an_old_or_missing_tag_is_replaced() -> None:
    old = "image: lastlayer-client\nimage: lastlayer-x-gpu:0.1.0\nimage: postgres:17\n    newTag: latest\n"
    new = "image: lastlayer-client:9.8.7\nimage: lastlayer-x-gpu:9.8.7\nimage: postgres:17\n    newTag: 9.8.7\n"
    assert tags.set_tags(old, "9.8.7") == new


def test_no_other_file_of_the_packages_has_it() -> None:
    sources = [path for package in ROOT.glob("[!.]*/lastlayer") for path in package.rglob("*.py")]
    assert len(sources) > 100
    assert [path for path in sources if VERSION in path.read_text(encoding="utf-8")] == []
