"""Finds the images in a folder with one sub-folder a class."""

import os
from dataclasses import dataclass
from pathlib import Path

from lastlayer.client.errors import DataError

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
    folders, files = _list(root)
    skipped = [root / file.name for file in files]
    for folder in folders:
        images: list[Path] = []
        _collect(root / folder.name, images, skipped, inside=(_identity(root),))
        classes.append((folder.name, tuple(images)))
    return Found(tuple(classes), tuple(skipped))


def _collect(folder: Path, images: list[Path], skipped: list[Path], inside: tuple[tuple[int, int], ...]) -> None:
    identity = _identity(folder)
    if identity in inside:
        return
    folders, files = _list(folder)
    for file in files:
        suffix = os.path.splitext(file.name)[1].lower()  # noqa: PTH122 - a hundred thousand files are common
        # A broken link counts as an image, so that it is reported; a pipe would never end.
        is_image = suffix in SUFFIXES and (file.is_file() or file.is_symlink())
        (images if is_image else skipped).append(folder / file.name)
    for deeper in folders:
        _collect(folder / deeper.name, images, skipped, (*inside, identity))


def _list(folder: Path) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """Return the folders and the other entries of a folder, each sorted by name, without the hidden ones."""
    try:
        with os.scandir(folder) as entries:
            visible = sorted(
                (entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name
            )
    except OSError as error:
        raise DataError([f"The folder `{folder}` cannot be read: {error.strerror}."]) from error
    visible.sort(key=lambda entry: entry.name)
    return [entry for entry in visible if entry.is_dir()], [entry for entry in visible if not entry.is_dir()]


def _identity(folder: Path) -> tuple[int, int]:
    state = folder.stat()
    return state.st_dev, state.st_ino
