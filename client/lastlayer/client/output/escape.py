"""Names and labels from the world, made safe to show."""

import unicodedata

_JOINERS = "\u200c\u200d"  # invisible, but parts of words and emoji


def shown(text: str) -> str:
    """Return the text with what would control the terminal, or hide, written as an escape such as `\\x1b`."""
    return "".join(character if _harmless(character) else _escaped(character) for character in text)


def _harmless(character: str) -> bool:
    category = unicodedata.category(character)
    return character in _JOINERS or not (category.startswith("C") or category in ("Zl", "Zp"))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
