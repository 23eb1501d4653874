"""Writes the files that commands are asked for."""

import contextlib
import stat
from pathlib import Path

from lastlayer.client.errors import InvalidInputError
from lastlayer.rpc.system.files import write_whole


def write_file(content: bytes, target: Path) -> None:
    """Write a file whole or not at all; raises `InvalidInputError` where that cannot be.

    A regular file is written beside its place and moved there. A device, a pipe and what a link leads to are written
    in place: moving a file over them would replace them.
    """
    try:
        if _is_replaceable(target):
            with write_whole(target) as unfinished:
                unfinished.write_bytes(content)
        else:
            target.write_bytes(content)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        raise InvalidInputError(f"`{target}` cannot be written: {reason}.") from error


def _is_replaceable(target: Path) -> bool:
    """Return whether there is a regular file at the very place, or nothing yet."""
    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISREG(target.lstat().st_mode)
    return True
