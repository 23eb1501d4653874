"""Which pages there are, in the order in which they are shown: in the navigation of the site and in `llms.txt`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from tools import ROOT

TITLES: Final = {
    "tutorial": "Tutorial",
    "how-to": "How-to",
    "how-to/clients": "Call it",
    "how-to/improve": "Use and improve a model",
    "how-to/operate": "Run it for others",
    "how-to/examples": "Examples",
    "reference": "Reference",
    "reference/commands": "Commands",
    "reference/grpc": "The contract",
    "explanation": "Explanation",
    "project": "Project",
}
"""The folders with the titles of their sections, in order; others come after them, under their names."""

FIRST: Final = (
    "index.md",
    "tutorial/demo.md",
    "how-to/improve/curate.md",
    "how-to/studio.md",
    "how-to/clients/python.md",
    "how-to/clients/http.md",
    "how-to/clients/grpc.md",
    "how-to/operate/containers.md",
    "how-to/operate/kubernetes.md",
    "reference/settings.md",
    "reference/errors.md",
    "reference/limits.md",
    "reference/commands/README.md",
    "reference/commands/lastlayer.md",
    "reference/commands/client.md",
    "reference/grpc/README.md",
    "explanation/design.md",
    "explanation/training.md",
    "explanation/calibration.md",
    "explanation/rejection.md",
    "project/changelog.md",
)
"""Pages that come first in their folders, in this order; others follow by their names."""


@dataclass
class Section:
    """A folder of pages."""

    path: str
    """From the folder of all pages; empty for that itself."""
    pages: list[str] = field(default_factory=list)
    sections: list["Section"] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The title, as the navigation shows it."""
        return TITLES.get(self.path) or PurePosixPath(self.path).name.replace("-", " ").capitalize()

    def walk(self) -> Iterator["Section"]:
        """Return this section and all below it, in order."""
        yield self
        for section in self.sections:
            yield from section.walk()


def arrange(paths: Iterable[str]) -> Section:
    """Return pages, by their paths such as `how-to/studio.md`, in their sections, in order."""
    top = Section("")
    for path in sorted(paths, key=_rank):
        section = top
        for folder in reversed(PurePosixPath(path).parents[:-1]):
            found = next((below for below in section.sections if below.path == folder.as_posix()), None)
            if found is None:
                found = Section(folder.as_posix())
                section.sections.append(found)
            section = found
        section.pages.append(path)
    for section in top.walk():
        section.sections.sort(key=lambda below: _index(below.path, tuple(TITLES)))
    return top


def written() -> list[str]:
    """Return the pages in `docs/`, by their paths in it."""
    return [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]


def title_of(markdown: str) -> str:
    """Return the heading of a page, without marks; raises ValueError where it has none."""
    found = re.search(r"^# (.+?)(?: \{ #.* \})?$", markdown, re.MULTILINE)
    if found is None:
        raise ValueError(f"A page has no heading: {markdown[:60]!r}")
    return found[1].replace("`", "")


def summary_of(markdown: str) -> str:
    """Return the first sentence of the text of a page, without links; empty where it begins with something else."""
    body = re.sub(r"<!--.*?-->|^```.*?^```|^!\[.*?$|^\*.*\*$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    paragraphs = [part.strip() for part in body.split("\n\n")]
    text = next((part for part in paragraphs if part and not re.match(r"[#|>\-]|\d+\.", part)), "")
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(text.split()))
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0].rstrip(":.") + "." if text else ""


def _rank(path: str) -> tuple[int, str]:
    return _index(path, FIRST), path


def _index(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)
