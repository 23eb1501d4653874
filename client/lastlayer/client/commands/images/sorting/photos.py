"""The photos in a folder: found without following links, and read so that what is sent is what is sorted."""

import hashlib
import io
import os
import stat
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from lastlayer.client.commands.images.sorting.journal import JOURNAL
from lastlayer.client.data.folders import is_image_name
from lastlayer.client.data.images import read_image
from lastlayer.client.errors import DataError, ImageError

READ_FLAGS: Final = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
"""How files are opened that must be no links, and no pipes that nobody writes to."""


@dataclass
class Scan:
    """What a folder has; all names are paths in it, and hidden files and folders are not counted."""

    root: str
    """The folder itself: absolute, without links."""
    photos: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Files that are no images by their names."""
    links: list[str] = field(default_factory=list)
    """Symbolic links, of files and of folders."""
    sorted_already: list[str] = field(default_factory=list)
    """Folders that photos were sorted into."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """Folders that cannot be listed, and why."""


def scan(folder: str, out: str) -> Scan:
    """Return what is in a folder and below it, without `out`; raises `DataError` where the folder cannot be read."""
    found = Scan(os.path.realpath(folder))
    if not os.path.isdir(found.root):  # noqa: PTH112 - paths that may be no Unicode, by the hundred thousand
        raise DataError([f"There is no folder `{folder}`; give the one with the photos to sort."])
    skipped = os.path.realpath(out), _identity(out)
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(os.path.join(found.root, inside)) as listed:  # noqa: PTH118
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            if not inside:
                raise DataError([f"The folder `{folder}` cannot be read: {error.strerror}."]) from error
            found.unreadable.append((inside, error.strerror or str(error)))
            continue
        if inside and any(entry.name == JOURNAL for entry in entries):
            found.sorted_already.append(inside)
            continue
        below = []
        for entry in entries:
            name = os.path.join(inside, entry.name)  # noqa: PTH118
            if entry.name.startswith("."):
                continue
            if entry.is_symlink():
                found.links.append(name)
            elif entry.is_dir(follow_symlinks=False):
                path = os.path.join(found.root, name)  # noqa: PTH118
                if path != skipped[0] and (skipped[1] is None or _identity(path) != skipped[1]):
                    below.append(name)
            elif is_image_name(entry.name) and entry.is_file(follow_symlinks=False):
                found.photos.append(name)
            else:
                found.others.append(name)
        waiting.extend(reversed(below))
    return found


def _identity(folder: str) -> tuple[int, int] | None:
    """Return what is one for all paths of a folder, whatever the case of their letters; None where there is none."""
    try:
        state = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return (state.st_dev, state.st_ino) if state.st_ino else None


class Photo:
    """A photo, whose bytes are read once: those that are sent are those that its sha256 is of."""

    __slots__ = ("mtime_ns", "name", "path", "sha256", "size")

    def __init__(self, root: str, name: str) -> None:
        """`name` is its path in the folder `root`."""
        self.name = name
        self.path = os.path.join(root, name)  # noqa: PTH118
        self.size = 0
        self.mtime_ns = 0
        self.sha256 = ""

    def look(self) -> bool:
        """Note its size and time; return whether it is there, and a file."""
        try:
            state = os.lstat(self.path)
        except OSError:
            return False
        self.size, self.mtime_ns = state.st_size, state.st_mtime_ns
        return stat.S_ISREG(state.st_mode)

    def open_bytes(self) -> BinaryIO:
        """Read it and open what was read; raises `ImageError`."""
        try:
            descriptor = os.open(self.path, READ_FLAGS)
        except OSError as error:
            raise _unreadable(error.strerror or str(error)) from error
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                raise _unreadable("it is no file any more")
            content = read_image(file)
        self.size, self.mtime_ns = len(content), state.st_mtime_ns
        self.sha256 = hashlib.sha256(content).hexdigest()
        return io.BytesIO(content)


def _unreadable(why: str) -> ImageError:
    return ImageError(f"The image cannot be read: {why}.", code="INVALID_ARGUMENT", reason="FILE_UNREADABLE")
