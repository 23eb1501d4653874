"""Finds image files again by their sha256, wherever in some folders they lie now."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from lastlayer.client.data.folders import find_all_images
from lastlayer.client.data.images import MAX_IMAGE_BYTES, read_chunks
from lastlayer.client.errors import DataError, ImageError


class ImageSearch:
    """Searches folders, and those within them, for image files. Each file is read at most once."""

    def __init__(self, folders: Iterable[str | os.PathLike[str]]) -> None:
        """Raises `DataError` where a folder is not there or cannot be read."""
        self._unread: dict[Path, None] = {}  # an ordered set
        self._by_name: dict[str, list[Path]] = {}
        for folder in map(Path, folders):
            if not folder.is_dir():
                raise DataError([f"There is no folder `{folder}` to look for images in."])
            found = find_all_images(folder)
            # What does not look like an image is read only where its name is that of an image which is sought.
            self._unread.update(dict.fromkeys(found.classes[0][1]))
            for file in (*found.classes[0][1], *found.skipped):
                self._by_name.setdefault(file.name, []).append(file)
        self._read_already: set[Path] = set()
        self._found: dict[bytes, Path] = {}

    def find(self, sha256: bytes, name: str) -> Path | None:
        """Return a file with this sha256, 32 bytes; None where there is none. Files called like `name` come first.

        `name` may come from a server: only its last part is looked at, and never opened as a path.
        """
        for file in self._by_name.pop(name.replace("\\", "/").rpartition("/")[2], []):
            self._read(file)
        while self._unread and sha256 not in self._found:
            self._read(next(iter(self._unread)))
        return self._found.get(sha256)

    def _read(self, file: Path) -> None:
        if file in self._read_already:
            return
        self._read_already.add(file)
        self._unread.pop(file, None)
        digest = hashlib.sha256()
        try:
            if file.stat().st_size > MAX_IMAGE_BYTES:
                return
            for chunk in read_chunks(file):
                digest.update(chunk)
        except (ImageError, OSError):  # a file that cannot be read is not the one that is sought
            return
        self._found.setdefault(digest.digest(), file)


class SoughtImage(os.PathLike[str]):
    """The path of an image that is searched for when it is first needed."""

    def __init__(self, search: ImageSearch, sha256: bytes, name: str) -> None:
        self._search = search
        self._sha256 = sha256
        self._name = name
        self.sought = False
        """Whether it was needed."""

    def __fspath__(self) -> str:
        """Return the path; raises `ImageError` where the file is in none of the folders."""
        self.sought = True
        path = self._search.find(self._sha256, self._name)
        if path is None:
            text = f"`{self._name}` ({self._sha256.hex()[:12]}) is in none of the folders."
            raise ImageError(text, code="NOT_FOUND", reason="FILE_NOT_FOUND")
        return str(path)
