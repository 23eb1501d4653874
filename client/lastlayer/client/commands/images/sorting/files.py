"""Files copied and moved: whole or not at all, with their times, and never over another file."""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lastlayer.client.commands.images.sorting.journal import sync_folder
from lastlayer.client.commands.images.sorting.photos import READ_FLAGS

_CHUNK_BYTES: Final = 1024 * 1024
_NO_LINKS: Final = frozenset(
    {errno.EPERM, errno.ENOSYS, errno.EMLINK, errno.EINVAL, errno.EOPNOTSUPP, getattr(errno, "ENOTSUP", errno.EPERM)}
)
"""What file systems without hard links say, such as FAT, and systems where files of others get none."""


class SourceError(Exception):
    """A file cannot be copied or moved by its own fault, or its folder's; nothing was changed. The text says why."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is expected to have in it."""

    sha256: str
    size: int

    def is_at(self, path: Path) -> bool:
        """Return whether there is such a file, and no link to one."""
        try:
            state = path.lstat()
            return stat.S_ISREG(state.st_mode) and state.st_size == self.size and digest(path) == self.sha256
        except OSError:
            return False


def digest(path: Path) -> str:
    """Return the sha256 of a file that is no link, in hexadecimal digits; raises OSError."""
    found = hashlib.sha256()
    with os.fdopen(os.open(path, READ_FLAGS), "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()


def copy_file(source: Path, target: Path, unfinished: Path, content: Content) -> None:
    """Copy a file, by way of `unfinished` in the folder of `target`.

    Raises FileExistsError where there is something at `target`, `SourceError` where the file cannot be read or has
    other content, and OSError where the copy cannot be written. Then there is no copy.
    """
    _copy(source, unfinished, content)
    try:
        rename(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def move_file(source: Path, target: Path, unfinished: Path, content: Content, mtime_ns: int) -> None:
    """Move a file: by its name within a file system; else it is copied, the copy verified, and the file deleted.

    `mtime_ns` is when it was last changed. Raises as `copy_file`.
    """
    _check_unchanged(source, content, mtime_ns)
    try:
        rename(source, target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    _copy(source, unfinished, content)
    try:
        if digest(unfinished) != content.sha256:
            raise OSError(errno.EIO, "what was written is not what is read")
        rename(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
    try:
        sync_folder(target.parent)
        if os.path.lexists(source):
            _check_unchanged(source, content, mtime_ns)
            _delete_source(source)
    except (OSError, SourceError):
        target.unlink()
        raise


def rename(source: Path, target: Path) -> None:
    """Give a file another name; raises FileExistsError where there is something of that name, `SourceError`, OSError.

    `os.rename` would put it over what is there. Where this is interrupted, both names may stay.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _replace_own(source, target)
        return
    try:
        _delete_source(source)
    except SourceError:
        target.unlink()
        raise


def _replace_own(source: Path, target: Path) -> None:
    """Rename a file where there are no hard links."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))  # the name is ours from here on
    try:
        source.replace(target)
    except OSError as error:  # and nothing else: an interruption may come when the file has moved already
        target.unlink()
        if isinstance(error, PermissionError):
            raise SourceError(f"it cannot be moved: {error.strerror}") from error
        raise


def _copy(source: Path, unfinished: Path, content: Content) -> None:
    try:
        file = os.fdopen(os.open(source, READ_FLAGS), "rb")
    except OSError as error:
        raise SourceError(f"it cannot be read: {error.strerror}") from error
    with file, unfinished.open("xb") as copy:
        try:
            found = hashlib.sha256()
            while chunk := _read(file.fileno()):
                found.update(chunk)
                copy.write(chunk)
            if found.hexdigest() != content.sha256:
                raise SourceError("it was changed meanwhile")
            copy.flush()
            with contextlib.suppress(PermissionError, FileNotFoundError):  # where the file system keeps no such things
                shutil.copystat(source, unfinished)
            os.fsync(copy.fileno())
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _CHUNK_BYTES)
    except OSError as error:
        raise SourceError(f"it cannot be read: {error.strerror}") from error


def _check_unchanged(source: Path, content: Content, mtime_ns: int) -> None:
    try:
        state = source.lstat()
    except OSError as error:
        raise SourceError(f"it cannot be moved: {error.strerror}") from error
    if not stat.S_ISREG(state.st_mode) or (state.st_size, state.st_mtime_ns) != (content.size, mtime_ns):
        raise SourceError("it was changed meanwhile")


def _delete_source(source: Path) -> None:
    try:
        source.unlink(missing_ok=True)
    except OSError as error:
        raise SourceError(f"it cannot be moved: {error.strerror}") from error
