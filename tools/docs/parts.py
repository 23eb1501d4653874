"""The parts of pages that are made from the code and kept in the pages.

A generated part stands between `<!-- NAME -->` and `<!-- /NAME -->`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from tools import structure
from tools.docs.reference import tables

Parts = Mapping[str, Callable[[], str]]

PARTS: Final[Mapping[str, Parts]] = {
    "CONTRIBUTING.md": {"structure": structure.draw},
    "docs/reference/commands/README.md": {"commands": tables.commands},
    "docs/reference/errors.md": {"reasons": tables.reasons},
    "docs/reference/backbones.md": {"networks": tables.networks},
    "docs/reference/settings.md": {"settings": tables.settings},
}
"""The generated parts of each page, by its path from the root of the repository."""


def refresh(text: str, parts: Parts) -> str:
    """Return the text with its generated parts made anew; raises ValueError where a part has no place in it."""
    for name, make in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"There is no place for `{name}`.")
        part = make()
        text = pattern.sub(lambda place, part=part: f"{place[1]}\n{part}\n\n{place[2]}", text)  # type: ignore[misc]
    return text
