"""Writes files whole or not at all."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def write_whole(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write the new file to; it takes the place of `target` when the block ends.

    Where the block raises, what was there before stays, and nothing else is left. Raises OSError where the folder of
    `target` is not there or cannot be written to.

    Example:
        with write_whole(Path("head.npz")) as unfinished:
            unfinished.write_bytes(content)
    """
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=target.parent) as folder:
        unfinished = Path(folder) / "content"
        yield unfinished
        unfinished.replace(target)
