"""Checks of the structure of image files, one module a format, which cost next to nothing and decode nothing.

Decoders believe what a file says: how large a tile is, how many scans or comments follow. Here the bounds are set,
before a decoder sees the file.
"""

from collections.abc import Callable
from typing import Final

from lastlayer.featurizer.errors import ImageUndecodableError
from lastlayer.featurizer.pipeline.checks import bmp, gif, heif, jpeg, png, tiff, webp
from lastlayer.featurizer.pipeline.checks.structure import Structure
from lastlayer.rpc.errors import ImageEmptyError

Inspect = Callable[[bytes, int], Structure]

_FORMATS: Final[tuple[tuple[tuple[bytes, ...], Inspect], ...]] = (
    ((b"\x89PNG\r\n\x1a\n",), png.inspect),
    ((b"GIF87a", b"GIF89a"), gif.inspect),
    ((b"BM",), bmp.inspect),
    ((b"II\x2a\0", b"MM\0\x2a", b"II\0\x2a", b"MM\x2a\0", b"II\x2b\0", b"MM\0\x2b"), tiff.inspect),
    ((b"RIFF",), webp.inspect),
)
"""How the files of each format but JPEG begin, and its check."""


def inspect(content: bytes, *, max_pixels: int, longest: int) -> Structure:
    """Return what the structure of an image file tells.

    A large JPEG is decoded at a reduced scale which leaves at least `longest` pixels across and down.

    Raises ImageEmptyError, ImageUndecodableError, ImageTooLargeError (more than `max_pixels` pixels, or a very long
    side) or ImageTooComplexError (more of something else than any real image has).
    """
    if not content:
        raise ImageEmptyError("The image has no bytes.")
    if content.startswith(b"\xff\xd8\xff"):
        return jpeg.inspect(content, max_pixels, longest)
    for starts, check in _FORMATS:
        if content.startswith(starts) and (check is not webp.inspect or content[8:12] == b"WEBP"):
            return check(content, max_pixels)
    if heif.is_heic(content):
        return heif.inspect(content, max_pixels)
    raise ImageUndecodableError(_unrecognised(content))


def _unrecognised(content: bytes) -> str:
    start = content[:512].lstrip().lower()
    kinds = {
        b"<!doctype html": "an HTML page",
        b"<html": "an HTML page",
        b"<svg": "an SVG drawing",
        b"<?xml": "an XML document, such as an SVG drawing",
        b"%pdf": "a PDF document",
    }
    kind = next((name for magic, name in kinds.items() if start.startswith(magic)), "")
    if content[4:8] == b"ftyp":
        kind = "an AVIF image" if content[8:12] == b"avif" else "a video"
    what = f"The bytes look like {kind}" if kind else "The bytes are no image that can be decoded"
    return f"{what}; JPEG, PNG, WebP, HEIC, GIF, TIFF and BMP are accepted."
