"""Leads the links of pages to where the site has what they name in the repository."""

import posixpath
import re
from collections.abc import Mapping
from typing import Final

from tools import ROOT

_PLACES: Final = {"": "project", "examples": "how-to/examples"}
"""Where the site has the pages of a folder at the root: that folder's own place, or `project`."""


def repository() -> dict[str, str]:
    """Return the pages of the repository outside of `docs/`, and where the site has them."""
    found = {"README.md": "index.md"}
    for path in sorted([*ROOT.glob("[A-Z]*.md"), *ROOT.glob("[!.]*/README.md"), *ROOT.glob("[!.]*/*/README.md")]):
        source = path.relative_to(ROOT)
        folder, *inner = source.parent.parts or ("",)
        if folder in ("docs", "tests") or source.as_posix() in found:
            continue
        place = _PLACES.get(folder) or f"project/{folder}"
        found[source.as_posix()] = f"{place}/{inner[0] if inner else source.stem if folder else source.stem.lower()}.md"
    return found


_FENCED: Final = re.compile(r"(^ *```.*?^ *```)", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"(!?)\[([^\[\]]*)\]\(([^)\s]+)\)")


def relink(markdown: str, path: str) -> str:
    """Return the text of a page with its links as the site has them; `path` is where that has the page.

    What the site does not have, such as a file of code, is named without a link.

    >>> relink("See [How-to](docs/how-to/studio.md#x) and [the licence](LICENSE).", "index.md")
    'See [How-to](how-to/studio.md#x) and the licence.'
    """
    places = repository()
    source = next((source for source, place in places.items() if place == path), f"docs/{path}")
    parts = _FENCED.split(markdown)
    parts[::2] = [_LINK.sub(lambda link: _moved(link, source, path, places), part) for part in parts[::2]]
    return "".join(parts)


def _moved(link: re.Match[str], source: str, path: str, places: Mapping[str, str]) -> str:
    image, text, address = link.groups()
    if re.match(r"[a-z]+:|#", address):
        return link[0]
    target, mark, anchor = address.partition("#")
    named = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    found = places.get(named) or (named.removeprefix("docs/") if named.startswith("docs/") else None)
    if found is None:
        return text
    return f"{image}[{text}]({posixpath.relpath(found, posixpath.dirname(path) or '.')}{mark}{anchor})"
