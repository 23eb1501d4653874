"""Checks a site as it was built: that each link leads somewhere, and that no page asks another host for anything."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

_LOADED: Final = {
    ("audio", "src"),
    ("iframe", "src"),
    ("img", "src"),
    ("link", "href"),
    ("script", "src"),
    ("source", "src"),
    ("video", "src"),
}
"""What a browser fetches by itself, unlike a link, which a reader follows."""


@dataclass
class Found:
    """What was found in a site."""

    pages: int = 0
    links: int = 0
    """Links and files within the site that were looked for, with their anchors."""
    mistakes: list[str] = field(default_factory=list)
    """A sentence for each link that leads nowhere, and for each request to another host."""


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.anchors = {"", "top"}
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag names, and what it refers to."""
        for name, value in attrs:
            if not value:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif (tag, name) in _LOADED:
                self.loaded.append(value)
            elif name in ("href", "src"):
                self.links.append(value)


def check(site: Path) -> Found:
    """Return what is wrong in all pages of a site in a folder."""
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    found = Found(pages=len(pages))
    for path, page in pages.items():
        shown = path.relative_to(site).as_posix()
        for address in (*page.links, *page.loaded):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if address in page.loaded and parts.scheme != "data":
                    found.mistakes.append(f"{shown} asks another host for {address}.")
                continue
            found.links += 1
            target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            if target.is_dir():
                found.mistakes.append(
                    f"{shown} links to {address}, a folder, which does not open from the file system."
                )
            elif not target.exists():
                found.mistakes.append(f"{shown} links to {address}, which is not there.")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.mistakes.append(f"{shown} links to {address}, and that page has no such anchor.")
    found.mistakes += _foreign_styles(site)
    return found


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def _foreign_styles(site: Path) -> Iterator[str]:
    for path in sorted(site.rglob("*.css")):
        for address in re.findall(r"url\([\"']?((?:https?:)?//[^)\"']+)", path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site).as_posix()} asks another host for {address}."
