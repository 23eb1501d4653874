"""Text from the world, made safe for a line of a log, of a terminal or of a page."""

import unicodedata
from typing import Final

_JOINERS: Final = "\u200c\u200d"
"""Invisible, but parts of words and emoji."""


def escape(text: str) -> str:
    """Return the text on one line: what would end it, control a terminal or hide is written as in `\\n` or `\\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _is_harmless(character) else _escaped(character) for character in text)


def _is_harmless(character: str) -> bool:
    category = unicodedata.category(character)
    return character in _JOINERS or not (category.startswith("C") or category in ("Zl", "Zp"))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
