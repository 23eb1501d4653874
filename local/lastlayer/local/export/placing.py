"""Puts a file or a folder in its place, whole or not at all."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lastlayer.featurizer.errors import ConversionError

_MARK: Final = "saved_model.pb"
"""The file that every SavedModel has."""


def check_free(target: Path, *, folder: bool, overwrite: bool) -> None:
    """Raise ConversionError where a new file or `folder` may not come to `target`."""
    try:
        if not target.parent.is_dir():
            raise ConversionError(f"`{target}` cannot be written: there is no folder `{target.parent}`.")
        try:
            target.lstat()
        except FileNotFoundError:
            return
        if target.is_symlink() or target.is_dir() != folder:
            what = "link" if target.is_symlink() else "folder" if target.is_dir() else "file"
            raise ConversionError(f"`{target}` is a {what}, and stays; name another place.")
        if folder and any(target.iterdir()) and not (target / _MARK).is_file():
            raise ConversionError(f"The folder `{target}` has other things than a SavedModel; name another place.")
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise ConversionError(f"`{target}` cannot be written: {getattr(error, 'strerror', None) or error}.") from error
    if not overwrite and not (folder and not any(target.iterdir())):
        raise ConversionError(f"`{target}` is there already; --overwrite takes its place.")


@contextlib.contextmanager
def placed(target: Path, *, folder: bool, overwrite: bool) -> Iterator[Path]:
    """Yield a path beside `target` to write a file or a `folder` to; it takes the place of `target` in the end.

    Where the block raises, what was there before stays, and nothing else is left. Raises ConversionError where
    `check_free` does, before the block and after it.
    """
    check_free(target, folder=folder, overwrite=overwrite)
    try:
        room = tempfile.TemporaryDirectory(prefix=".unfinished-", dir=target.parent)
    except OSError as error:
        raise ConversionError(f"`{target}` cannot be written: {error.strerror}.") from error
    with room as name:
        unfinished, before = Path(name) / "content", Path(name) / "before"
        yield unfinished
        check_free(target, folder=folder, overwrite=overwrite)
        if folder and target.exists():  # a folder does not take the place of one that has something in it
            target.rename(before)
            try:
                unfinished.rename(target)
            except OSError:
                before.rename(target)
                raise
        else:
            unfinished.replace(target)
