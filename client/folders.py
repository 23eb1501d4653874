"""Finds the images in a folder with one sub-folder a class."""

import os
from dataclasses import dataclass
from pathlib import Path

from client.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".dib"})
"""The ends of the names of image files, in lower case."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder holds."""

    classes: tuple[tuple[str, tuple[Path, ...]], ...]
    """Each sub-folder's name with its images, both sorted; images in deeper folders belong to the class."""
    skipped: tuple[Path, ...]
    """Files that are no images or in no sub-folder; hidden ones are not counted."""


def find_images(root: Path) -> Found:
    """Return the images below `root`. Links are followed, but no folder is entered from within itself.

    Raises `DataError` where a folder cannot be read.
    """
    classes = []
    folders, skipped = _list(root)
    for folder in folders:
        images: list[Path] = []
        _collect(folder, images, skipped, inside=(_identity(root),))
        classes.append((folder.name, tuple(images)))
    return Found(tuple(classes), tuple(skipped))


def _collect(folder: Path, images: list[Path], skipped: list[Path], inside: tuple[tuple[int, int], ...]) -> None:
    identity = _identity(folder)
    if identity in inside:
        return
    folders, files = _list(folder)
    for file in files:
        # A broken link counts as an image, so that it is reported; a pipe would never end.
        is_image = file.suffix.lower() in SUFFIXES and (file.is_file() or file.is_symlink())
        (images if is_image else skipped).append(file)
    for deeper in folders:
        _collect(deeper, images, skipped, (*inside, identity))


def _list(folder: Path) -> tuple[list[Path], list[Path]]:
    try:
        entries = sorted(entry.name for entry in os.scandir(folder))
    except OSError as error:
        raise DataError([f"The folder `{folder}` cannot be read: {error.strerror}."]) from error
    paths = [folder / name for name in entries if not name.startswith(".")]
    return [path for path in paths if path.is_dir()], [path for path in paths if not path.is_dir()]


def _identity(folder: Path) -> tuple[int, int]:
    state = folder.stat()
    return state.st_dev, state.st_ino
