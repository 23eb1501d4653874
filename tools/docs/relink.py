"""Leads the links of pages to where the site has what they name in the repository."""

import posixpath
import re
from typing import Final

REPOSITORY: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "benchmarks/README.md": "project/benchmarks.md",
    "deploy/README.md": "project/deploy.md",
    "deploy/ray/README.md": "project/ray.md",
    "protos/README.md": "project/protos.md",
}
"""Pages of the repository outside of `docs/`, and where the site has them."""

_FENCED: Final = re.compile(r"(^ *```.*?^ *```)", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"(!?)\[([^\[\]]*)\]\(([^)\s]+)\)")
_SOURCES: Final = {path: source for source, path in REPOSITORY.items()}


def relink(markdown: str, path: str) -> str:
    """Return the text of a page with its links as the site has them; `path` is where that has the page.

    What the site does not have, such as a file of code, is named without a link.

    >>> relink("See [How-to](docs/how-to/studio.md#x) and [the licence](LICENSE).", "index.md")
    'See [How-to](how-to/studio.md#x) and the licence.'
    """
    parts = _FENCED.split(markdown)
    parts[::2] = [_LINK.sub(lambda link: _moved(link, path), part) for part in parts[::2]]
    return "".join(parts)


def _moved(link: re.Match[str], path: str) -> str:
    image, text, address = link.groups()
    if re.match(r"[a-z]+:|#", address):
        return link[0]
    target, mark, anchor = address.partition("#")
    source = _SOURCES.get(path, f"docs/{path}")
    named = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    found = REPOSITORY.get(named) or (named.removeprefix("docs/") if named.startswith("docs/") else None)
    if found is None:
        return text
    return f"{image}[{text}]({posixpath.relpath(found, posixpath.dirname(path) or '.')}{mark}{anchor})"
