"""Names of folders and files that are safe on Linux, macOS and Windows, whatever a class is called."""

import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import Final

UNKNOWN: Final = "unknown"
"""The folder of the photos that the model rejects."""

_MAX_BYTES: Final = 255
"""The longest name of a file or folder that usual file systems have."""
_FOLDER_BYTES: Final = 200
"""The longest name that a folder gets: paths have bounds, too."""
_FORBIDDEN: Final = frozenset('/\\:*?"<>|')
_JOINERS: Final = "\u200c\u200d"
"""Invisible, but parts of words and emoji."""
_RESERVED: Final = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3])(\..*)?", re.IGNORECASE
)
"""What Windows takes for devices, with or without an extension."""


def folder_name(label: str) -> str:
    """Return a name for the folder of a class, in NFC, at most 200 bytes, that has no meaning of its own anywhere.

    >>> folder_name("cats/dogs"), folder_name(".."), folder_name("con")
    ('cats_dogs', '__', '_con')
    """
    name = unicodedata.normalize("NFC", label)
    name = "".join("_" if _is_forbidden(character) else character for character in name).strip(" ")
    # Windows drops dots and blanks at the end; a dot at the beginning hides, or is a folder that there is already.
    kept = name.rstrip(". ")
    name = kept + "_" * len(name[len(kept) :].rstrip(" "))
    begun = name.lstrip(".")
    name = "_" * (len(name) - len(begun)) + begun
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    name = name.encode("utf-8")[:_FOLDER_BYTES].decode("utf-8", "ignore").rstrip(". ")
    return name or "_"


def _is_forbidden(character: str) -> bool:
    if character in _JOINERS:
        return False
    category = unicodedata.category(character)
    return character in _FORBIDDEN or category.startswith("C") or category in ("Zl", "Zp")


def fold(name: str) -> str:
    """Return what names have in common that are one name on some file system: of macOS and Windows, letter case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def name_folders(
    labels: Iterable[str],
    *,
    given: Mapping[str | None, str],
    folders: Iterable[str] = (),
    taken: Collection[str] = (),
) -> dict[str | None, str]:
    """Return the name of each class's folder, and as that of None the one of the photos that are rejected.

    No two of them are one name on any file system. `given` are the names that classes had before, which they keep.
    `folders` are the names of folders that are there; a class gets the one that is called like it. `taken` are the
    names of what else is there.
    """
    names = dict(given)
    used = {fold(name) for name in (*names.values(), *taken)}
    there = {fold(name): name for name in folders}
    for label in (None, *labels):
        if label in names:
            continue
        wanted = UNKNOWN if label is None else folder_name(label)
        number, name = 1, wanted
        while fold(name) in used:
            number += 1
            name = f"{wanted}-{number}"
        used.add(fold(name))
        names[label] = there.get(fold(name), name)
    return names


def numbered(name: str, number: int) -> str:
    """Return the name of the file that is the `number`th of its name, from 1; at most 255 bytes.

    >>> numbered("IMG_1.jpg", 1), numbered("IMG_1.jpg", 2)
    ('IMG_1.jpg', 'IMG_1-2.jpg')
    """
    if number == 1:
        return name
    stem, extension = os.path.splitext(name)  # noqa: PTH122 - a name, and no path
    end = f"-{number}{extension}"
    while stem and len(os.fsencode(stem + end)) > _MAX_BYTES:
        stem = stem[:-1]
    return stem + end
