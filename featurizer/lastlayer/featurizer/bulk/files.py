"""Files by path or URL, in any file system that fsspec knows: found, read with patience, and written whole."""

import contextlib
import errno
import logging
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from lastlayer.featurizer.errors import BulkError

_log = logging.getLogger(__name__)

_ATTEMPTS: Final = 6
_FIRST_PAUSE_S: Final = 0.5
"""An object store that answers 503 is asked again after this long, and then after twice as long each time."""

_LASTING: Final = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
"""What another attempt does not mend. Nor does it mend a name that is too long, which has no class of its own."""

Result = TypeVar("Result")


class Files:
    """Opens paths and URLs. `storage_options` are those of fsspec, and hold for all that is not on a local disk.

    Example:
        Files({"endpoint_url": "http://127.0.0.1:9000"}).read("s3://photos/a.jpg")
    """

    def __init__(self, storage_options: Mapping[str, Any] | None = None) -> None:
        self._options = dict(storage_options or {})

    def locate(self, url: str) -> tuple[Any, str]:
        """Return the file system of a path or URL, and the path in it; raises BulkError where none can be used."""
        protocol = fsspec.utils.get_protocol(url)
        options = {} if protocol in ("file", "local") else self._options
        try:
            file_system, path = url_to_fs(url, **options)
        except (ImportError, ValueError, TypeError) as error:
            raise BulkError(f"`{url}` cannot be opened: {error}") from error
        return file_system, path

    def read(self, url: str, start: int | None = None, end: int | None = None) -> bytes:
        """Return the bytes of a file from `start` up to `end`; raises OSError once patience has ended."""
        file_system, path = self.locate(url)
        content: bytes = patiently(lambda: file_system.cat_file(path, start=start, end=end))
        return content

    def read_start(self, url: str, size: int) -> bytes:
        """Return at most the first `size` bytes of a file; raises OSError once patience has ended."""
        file_system, path = self.locate(url)

        def attempt() -> bytes:
            try:
                content: bytes = file_system.cat_file(path, start=0, end=size)
            except OSError:
                if file_system.size(path) == 0:  # an object store has no part of what is empty
                    return b""
                raise
            return content

        return patiently(attempt)

    @contextlib.contextmanager
    def opened(self, url: str) -> Iterator[Any]:
        """Yield a file that is open for reading, and in which it is possible to seek."""
        file_system, path = self.locate(url)
        with patiently(lambda: file_system.open(path, "rb")) as file:
            yield file

    def names(self, url: str) -> set[str]:
        """Return the names of the files in a folder; none where there is no such folder."""
        file_system, path = self.locate(url)
        file_system.invalidate_cache()
        try:
            found = patiently(lambda: file_system.ls(path, detail=False))
        except FileNotFoundError:
            return set()
        return {entry.rstrip("/").rpartition("/")[2] for entry in found}

    @contextlib.contextmanager
    def writing(self, url: str) -> Iterator[Path]:
        """Yield a local path to write to; when the block ends, the file is at `url`, whole. Where it raises, it is not.

        On a local disk the file is renamed; an object store shows an object only when all of it has arrived.
        """
        file_system, path = self.locate(url)
        if isinstance(file_system, LocalFileSystem):
            target = Path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=target.parent) as folder:
                unfinished = Path(folder) / "content"
                yield unfinished
                with unfinished.open("rb") as file:
                    os.fsync(file.fileno())
                unfinished.replace(target)
            return
        with tempfile.TemporaryDirectory(prefix="lastlayer-") as folder:
            unfinished = Path(folder) / "content"
            yield unfinished
            patiently(lambda: file_system.put_file(str(unfinished), path))


def patiently(attempt: Callable[[], Result]) -> Result:
    """Return what `attempt` returns; what fails for the moment is tried again. Raises what it raised last.

    What is not there, or not allowed, is not tried again.
    """
    pause = _FIRST_PAUSE_S
    for _ in range(_ATTEMPTS - 1):
        try:
            return attempt()
        except OSError as error:
            if isinstance(error, _LASTING) or error.errno == errno.ENAMETOOLONG:
                raise
            _log.info("trying again in %.1f s: %s", pause, error)
            # At different moments, or many workers come back together.
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause *= 2
    return attempt()
