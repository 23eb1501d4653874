"""Files in a zip archive, read where they are: nothing is unpacked, and nothing in the archive is trusted."""

import stat
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, cast

from lastlayer.client.errors import DataError, ImageError

MAX_DIRECTORY_BYTES: Final = 16 * 2**20
"""The longest list of members that is read: some 150,000 of them, which take 100 MB of memory."""

_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How members may be packed. Other ways unpack to more than a thousand times the size; no photo does."""

_UNSOUND: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)
"""What zipfile raises where an archive is damaged, or is packed in a way that it does not know."""


class Member:
    """A file in an archive, which can be opened again and again."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._archive = archive  # stays open while there are members: to read its list anew takes long
        self._info = info
        self.name = "/".join(parts_of(info.filename))
        """Its path in the archive, for messages and as an id; no file of this machine is looked for by it."""

    @property
    def size(self) -> int:
        """How many bytes it says to have; no more than that are read."""
        return self._info.file_size

    def open_bytes(self) -> BinaryIO:
        """Open it for reading; raises `ImageError` where it cannot be read, as reading itself does."""
        if stat.S_ISLNK(self._info.external_attr >> 16):
            raise self.failure("it is a link")
        if self._info.flag_bits & 1:
            raise self.failure("it is encrypted")
        if self._info.compress_type not in _METHODS:
            raise self.failure("it is packed in another way than by deflate")
        try:
            return cast(BinaryIO, _Checked(self._archive.open(self._info), self))
        except _UNSOUND as error:
            raise self.failure(f"the archive is damaged ({error})") from error

    def failure(self, why: str) -> ImageError:
        """Return the error that says why it cannot be read."""
        text = f"`{self.name}` in `{self._archive.filename}` cannot be read: {why}."
        return ImageError(text, code="INVALID_ARGUMENT", reason="FILE_UNREADABLE")


class _Checked:
    """A member that is being read: what zipfile raises becomes an `ImageError`."""

    def __init__(self, file: Any, member: Member) -> None:
        self._file = file
        self._member = member

    def read(self, size: int) -> bytes:
        try:
            content: bytes = self._file.read(size)
        except _UNSOUND as error:
            raise self._member.failure(f"the archive is damaged ({error})") from error
        return content

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


class Archive:
    """A zip archive."""

    def __init__(self, path: Path) -> None:
        """Read the list of members; raises `DataError` where there is none, or where it is not sound."""
        self.path = path
        try:
            file = path.open("rb")
        except OSError as error:
            raise DataError([f"`{path}` cannot be read: {error.strerror}."]) from error
        try:
            self._archive = zipfile.ZipFile(cast(BinaryIO, _Cautious(file)))
        except _UNSOUND as error:
            file.close()
            raise DataError([f"`{path}` is no sound zip archive: {error}."]) from error
        weakref.finalize(self._archive, file.close)
        self._archive.filename = str(path)
        # Members that share their bytes would make a small file swell without end.
        if sum(info.compress_size for info in self._archive.infolist()) > path.stat().st_size:
            raise DataError([f"`{path}` is no sound zip archive: its members overlap."])

    def members(self) -> Iterator[Member]:
        """Yield the files, but for hidden ones, in the archive's order."""
        for info in self._archive.infolist():
            if not info.is_dir() and not _is_hidden(info.filename):
                yield Member(self._archive, info)

    def folders(self) -> Iterator[tuple[str, ...]]:
        """Yield the parts of the names of folders that are listed, which may be empty; not of hidden ones."""
        for info in self._archive.infolist():
            if info.is_dir() and not _is_hidden(info.filename):
                yield parts_of(info.filename)

    def read_small(self, name: str, most_bytes: int) -> bytes | None:
        """Return the content of a member; None where there is none of this name.

        Raises `DataError` where it has more bytes than that, or is damaged.
        """
        member = next((member for member in self.members() if member.name == name), None)
        if member is None:
            return None
        if member.size > most_bytes:
            raise DataError([f"`{name}` in `{self.path}` has {member.size:,} bytes; at most {most_bytes:,} are read."])
        try:
            with member.open_bytes() as file:
                return file.read(most_bytes)
        except ImageError as error:
            raise DataError([error.message]) from error


class _Cautious:
    """A file of which not much is read at once: else an archive would say how much memory its list takes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        wanted = MAX_DIRECTORY_BYTES + 1 if size < 0 else size
        if wanted <= MAX_DIRECTORY_BYTES or size < 0:
            content = self._file.read(wanted)
            if len(content) <= MAX_DIRECTORY_BYTES:
                return content
        raise zipfile.BadZipFile(f"its list of members is longer than {MAX_DIRECTORY_BYTES >> 20} MiB")


def is_archive(path: Path) -> bool:
    """Return whether a file begins as zip archives do."""
    if not path.is_file():  # what is read of a pipe is gone
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")  # the latter where it is empty
    except OSError:
        return False


def parts_of(name: str) -> tuple[str, ...]:
    """Return the parts of a member's name that name something: neither a root nor ways up."""
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", ".", ".."))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in parts_of(name))
