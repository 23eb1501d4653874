"""Images as users name them, and the bytes that are sent: read late, once, and never more than a message may hold."""

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeAlias, cast, runtime_checkable

from lastlayer.client.data.files import open_file
from lastlayer.client.data.pixels import Pixels, encode, is_pixels
from lastlayer.client.errors import ImageError

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | Pixels | Openable"
"""A path, the bytes of an image file, a file that is open for reading bytes, or an image of Pillow or NumPy."""

MAX_IMAGE_BYTES: Final = 32 * 1024 * 1024 - 64 * 1024
"""The largest file that fits a message of 32 MiB together with its name and label."""

_CHUNK_BYTES: Final = 1024 * 1024
_MAX_NAME_BYTES: Final = 1024


@runtime_checkable
class Openable(Protocol):
    """An image that is no file of its own, such as one in an archive; it is opened each time that it is read."""

    def open_bytes(self) -> BinaryIO:
        """Open it for reading; raises `ImageError`, as reading does."""
        ...


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image, its label, and where that was said."""

    image: str | os.PathLike[str] | bytes | Pixels | Openable
    label: str
    name: str = ""
    """What the image is called in answers; its path where empty."""
    origin: str = ""
    """Where the pair was read, such as `tags.tsv, line 3`; for messages."""
    sha256: bytes = b""
    """The sha256 of its file where that is known, 32 bytes: then the image is read only if the server lacks it."""
    labels: tuple[str, ...] | None = None
    """All its labels where images may have several, or none; `label` is then empty. None where each has one label."""


def name_of(source: ImageSource, index: int) -> str:
    """Return what an image is called: its path, or `images[index]` where it has none."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return f"images[{index}]"


def wire_name(name: str) -> str:
    """Return a name as it may be sent: valid Unicode, and the last 1,024 bytes of it."""
    encoded = name.replace("\0", "?").encode("utf-8", "replace")  # names of files need not be Unicode
    return encoded[-_MAX_NAME_BYTES:].decode("utf-8", "ignore")


def read_image(source: ImageSource, *, origin: str = "") -> bytes:
    """Return the bytes of an image; raises `ImageError`."""
    return b"".join(read_chunks(source, origin=origin))


def read_chunks(source: ImageSource, *, origin: str = "") -> Iterator[bytes]:
    """Yield the bytes of an image piece by piece, at most `MAX_IMAGE_BYTES`.

    Raises `ImageError`, or `TypeError` where it is nothing that can be an image.
    """
    if is_pixels(source):
        source = encode(source)
    if isinstance(source, bytes | bytearray | memoryview):
        _check_size(len(source), "The image", origin)
        yield bytes(source)
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            with open_file(path) as (begun, file):
                _check_size(os.fstat(file.fileno()).st_size, f"`{path}`", origin)
                yield from _pieces(file, f"`{path}`", origin, begun)
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            raise _unreadable(path, error, origin) from error
    elif isinstance(source, Openable):
        with source.open_bytes() as file:
            yield from _pieces(file, "The image", origin)
    elif not hasattr(source, "read"):
        raise TypeError(
            f"A {type(source).__name__} is no image; give a path, bytes, an open file, an image of Pillow or an array"
            " of NumPy."
        )
    else:
        try:
            yield from _pieces(cast(BinaryIO, source), "The image", origin)
        except OSError as error:
            text = _at(origin, f"The image cannot be read: {error.strerror or error}.")
            raise ImageError(text, code="INVALID_ARGUMENT", reason="FILE_UNREADABLE") from error


def _pieces(file: BinaryIO, subject: str, origin: str, begun: bytes = b"") -> Iterator[bytes]:
    total = 0
    piece = begun or file.read(_CHUNK_BYTES)
    while piece:
        total += len(piece)
        _check_size(total, subject, origin)  # a pipe has no size, and a file may grow
        yield piece
        piece = file.read(_CHUNK_BYTES)


def _check_size(size: int, subject: str, origin: str) -> None:
    if size > MAX_IMAGE_BYTES:
        text = f"{subject} is larger than {MAX_IMAGE_BYTES / 1024 / 1024:.1f} MiB, the most that can be sent."
        raise ImageError(_at(origin, text), code="INVALID_ARGUMENT", reason="FILE_TOO_LARGE")


def web_address(path: Path) -> str:
    """Return the address in the web that was given as a path; empty where it is none."""
    scheme, colon, rest = str(path).partition(":/")  # a path has only one of two slashes
    return f"{scheme}://{rest}" if colon and scheme.lower() in ("http", "https", "ftp") and not path.exists() else ""


def _unreadable(path: Path, error: OSError | ValueError, origin: str) -> ImageError:
    number = error.errno if isinstance(error, OSError) else None
    if url := web_address(path):
        import shlex

        text = f"`{url}` is an address; fetch the image first, such as by `curl -LO {shlex.quote(url)}`."
        return ImageError(_at(origin, text), code="INVALID_ARGUMENT", reason="FILE_UNREADABLE")
    if number in (errno.ENOENT, errno.ENOTDIR):
        return ImageError(_at(origin, f"There is no file `{path}`."), code="NOT_FOUND", reason="FILE_NOT_FOUND")
    if number == errno.EISDIR:
        text = f"`{path}` is a folder; name the image files in it, such as {path}/*.jpg."
        return ImageError(_at(origin, text), code="INVALID_ARGUMENT", reason="FILE_UNREADABLE")
    why = error.strerror if isinstance(error, OSError) else str(error)
    return ImageError(
        _at(origin, f"`{path}` cannot be read: {why}."), code="INVALID_ARGUMENT", reason="FILE_UNREADABLE"
    )


def _at(origin: str, text: str) -> str:
    return f"{origin}: {text}" if origin else text


def gather(examples: Iterable[LabelledImage]) -> tuple[LabelledImage, ...]:
    """Return each image once, known by its content, with all labels that it has among some examples.

    Each is read once, for its sha256. An image that cannot be read stays by itself: it fails when it is sent.
    """
    found: dict[object, LabelledImage] = {}
    for number, example in enumerate(examples):
        sha256 = example.sha256 or _hash(example)
        key = sha256 or number
        labels = example.labels if example.labels is not None else (example.label,)
        if key in found:
            labels = tuple(dict.fromkeys([*(found[key].labels or ()), *labels]))
            found[key] = replace(found[key], labels=labels)
        else:
            found[key] = replace(example, label="", labels=labels, sha256=sha256)
    return tuple(found.values())


def _hash(example: LabelledImage) -> bytes:
    import hashlib

    digest = hashlib.sha256()
    try:
        for chunk in read_chunks(example.image, origin=example.origin):
            digest.update(chunk)
    except ImageError:
        return b""
    return digest.digest()
