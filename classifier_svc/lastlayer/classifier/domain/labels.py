"""Labels in one form: what looks the same is the same."""

import unicodedata
from collections.abc import Sequence


def normalize_label(label: str) -> str:
    """Return a label in Unicode's composed form (NFC), without the white space around it.

    `á` may be one character, or an `a` with an accent of its own, as file names from macOS have it. Both are one class:

    >>> normalize_label(" a\u0301 ") == "\u00e1"
    True
    """
    return unicodedata.normalize("NFC", label.strip())


def normalize_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the classes of a head that may have been trained before labels were normalised.

    Where two of them differ in their form alone, all stay as they are: a head's classes are all different.
    """
    normal = tuple(unicodedata.normalize("NFC", label) for label in classes)
    return normal if len(set(normal)) == len(classes) else tuple(classes)
