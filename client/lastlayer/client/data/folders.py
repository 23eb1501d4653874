"""Finds the images in a folder with one sub-folder a class."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lastlayer.client.errors import DataError

_TRAIN_NAMES: Final = frozenset({"train", "training"})
_HELD_OUT_NAMES: Final = frozenset({"test", "testing", "val", "valid", "validation", "holdout"})

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".heic", ".heif", ".gif", ".tif", ".tiff", ".bmp", ".dib"}
)
"""The ends of the names of image files, in lower case."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder holds."""

    classes: tuple[tuple[str, tuple[Path, ...]], ...]
    """Each sub-folder's name with its images, both sorted; images in deeper folders belong to the class."""
    skipped: tuple[Path, ...]
    """Files that are no images or in no sub-folder; hidden ones are not counted."""
    loose: tuple[Path, ...] = ()
    """Those of `skipped` that are images in the folder itself."""


def find_images(root: Path) -> Found:
    """Return the images below `root`. Links are followed, but no folder is entered from within itself.

    Raises `DataError` where a folder cannot be read.
    """
    classes = []
    folders, files = _list(root)
    skipped = [root / file.name for file in files]
    loose = tuple(root / file.name for file in files if _is_image(file))
    for folder in folders:
        images: list[Path] = []
        _collect(root / folder.name, images, skipped, inside=(_identity(root),))
        classes.append((folder.name, tuple(images)))
    return Found(tuple(classes), tuple(skipped), loose)


def find_all_images(root: Path) -> Found:
    """Return all images below `root` as those of one class without a name; raises `DataError` as `find_images`."""
    images: list[Path] = []
    skipped: list[Path] = []
    _collect(root, images, skipped, inside=())
    return Found((("", tuple(images)),), tuple(skipped))


def find_splits(root: Path) -> tuple[str, ...]:
    """Return the sub-folders that part a data set, as `train` and `test` do, those to train on first; else nothing.

    A single one of these names may be a class, such as a train beside a car. Raises `DataError` as `find_images`.
    """
    return order_splits(folder.name for folder in _list(root)[0])


def order_splits(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that part a data set, as `train` and `test` do, those to train on first; else nothing."""
    known = list(names)
    train = [name for name in known if name.lower() in _TRAIN_NAMES]
    held_out = [name for name in known if name.lower() in _HELD_OUT_NAMES]
    return (*train, *held_out) if train and held_out else ()


def is_image_name(name: str) -> bool:
    """Return whether a file's name ends as those of images do."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - a hundred thousand files are common


def _collect(folder: Path, images: list[Path], skipped: list[Path], inside: tuple[tuple[int, int], ...]) -> None:
    identity = _identity(folder)
    if identity in inside:
        return
    folders, files = _list(folder)
    for file in files:
        (images if _is_image(file) else skipped).append(folder / file.name)
    for deeper in folders:
        _collect(folder / deeper.name, images, skipped, (*inside, identity))


def _is_image(file: os.DirEntry[str]) -> bool:
    # A broken link counts as an image, so that it is reported; a pipe would never end.
    return is_image_name(file.name) and (file.is_file() or file.is_symlink())


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
