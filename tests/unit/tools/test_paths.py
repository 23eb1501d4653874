"""Every path of this repository that a page names is there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ELSEWHERE = {
    # Made by what the page tells to run.
    "deploy/tls",
    # Google's, in a package for each language: see protos/README.md.
    "google/rpc/status.proto",
}
GONE = "test_" + "gone"  # a name that this file does not hold


def committed() -> set[str]:
    """What the repository holds: its files, and the folders that they are in."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    files = {Path(name) for name in listed if name}
    return {path.as_posix() for file in files for path in (file, *file.parents)}


KNOWN = committed() if (ROOT / ".git").exists() else set()
PAGES = sorted(name for name in KNOWN if name.endswith(".md"))
ROOTS = {name for name in KNOWN if "/" not in name and name != "." and not name.startswith(".")}


def named_paths(text: str) -> set[str]:
    """The paths between backticks: of source files, and of all whose first part is a folder at the root."""
    spans = re.findall(r"`([\w./{},*-]+(?:::\w+)*)`", text)
    return {
        span.rstrip("/")
        for span in spans
        if "/" in span and (span.split("/")[0] in ROOTS or re.search(r"\.(py|proto|sh|toml|md)(::|$)", span))
    }


def links(text: str) -> set[str]:
    return set(re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text))


def exists(named: str, *bases: str) -> bool:
    """Whether a path is there, from the root or below one of the bases, with the tests that are named in it."""
    path, *names = named.split("::")
    if path in ELSEWHERE:
        return True
    if found := re.fullmatch(r"(.*)\{(.*)\}(.*)", path):
        return all(exists(f"{found[1]}{choice}{found[3]}", *bases) for choice in found[2].split(","))
    for base in ("", *bases):
        below = (Path(base) / path).as_posix()
        if "*" in path and any(ROOT.glob(below)):
            return True
        if below in KNOWN:
            return all(re.search(rf"\b{name}\b", (ROOT / below).read_text()) for name in names)
    return False


@pytest.mark.skipif(not KNOWN, reason="this is no clone of the repository")
@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    bases = (Path(page).parent.as_posix(), "tests")
    missing = {named for named in named_paths(text) if not exists(named, *bases)}
    missing |= {link for link in links(text) if not ((ROOT / page).parent / link).exists()}
    assert missing == set()


@pytest.mark.skipif(not KNOWN, reason="this is no clone of the repository")
def test_what_is_not_there_is_found() -> None:
    text = (
        "`tests/unit/`, `docs/gone.md`, `no path`, `a/b`, `docs/{faults,gone}.md`, `protos/lastlayer/v1/*.proto`,"
        " `tests/unit/tools/test_paths.py::test_what_is_not_there_is_found`, `tests/unit/tools/test_paths.py::MISSING`,"
        " [x](docs/x.md#y), [u](https://x)"
    ).replace("MISSING", GONE)
    assert {named for named in named_paths(text) if not exists(named)} == {
        "docs/gone.md",
        "docs/{faults,gone}.md",
        f"tests/unit/tools/test_paths.py::{GONE}",
    }
    assert links(text) == {"docs/x.md"}
