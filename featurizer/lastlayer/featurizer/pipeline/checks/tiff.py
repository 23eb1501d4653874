"""The structure of TIFF files (revision 6.0, and BigTIFF): the tags of the first picture."""

import math
import struct
from typing import Final, NamedTuple

from lastlayer.featurizer.errors import ImageTooComplexError
from lastlayer.featurizer.pipeline.checks.structure import Structure, check_count, check_size, damaged

_MAX_TAGS: Final = 1_000
_MAX_PIECES: Final = 65_535
"""The most strips or tiles: a strip for each row."""

_MAX_SAMPLES: Final = 6
"""The most samples of a pixel, as Pillow has it."""

_MIN_TILE_PIXELS: Final = 4 * 2**20
"""Tiles of so many pixels pass however small the image is."""

_WIDTH, _HEIGHT, _BITS, _SAMPLES, _ROWS = 256, 257, 258, 277, 278
_STRIP_OFFSETS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 273, 279, 322, 323, 324, 325
_PIECES: Final = (_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES)

_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""The bytes of a value of each type."""

_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}


class _Entry(NamedTuple):
    """A tag: how many values it has, and the first of them; 0 where that is no number."""

    value_count: int
    first: int


def inspect(content: bytes, max_pixels: int) -> Structure:
    """Return what the structure of a TIFF file tells; see `checks.inspect`.

    Such files are never decoded in our own process: libtiff has decoders for a dozen compressions in it, each with a
    structure of its own.
    """
    try:
        tags = _tags(content)
    except struct.error as error:
        raise damaged("TIFF") from error
    width, height = _first(tags, _WIDTH, 0), _first(tags, _HEIGHT, 0)
    check_size(width, height, max_pixels)
    for tag in _PIECES:
        if tag in tags:
            check_count("strips or tiles", tags[tag].value_count, _MAX_PIECES)
    samples = _first(tags, _SAMPLES, 1)
    check_count("samples of a pixel", samples, _MAX_SAMPLES)
    piece = _piece_pixels(tags, width, height)
    # What is decoded at once is a piece; beside it are the pixels and a copy of the file.
    piece_bytes = piece * samples * math.ceil(min(_first(tags, _BITS, 1), 64) / 8)
    memory_bytes = max(4 * width * height + piece_bytes + len(content), 8 * width * height)
    return Structure("TIFF", content, width, height, memory_bytes, is_light=False)


def _piece_pixels(tags: dict[int, _Entry], width: int, height: int) -> int:
    """Return how many pixels a strip or a tile has; raises ImageTooComplexError where tiles are far too large."""
    if _TILE_WIDTH not in tags and _TILE_HEIGHT not in tags:
        return width * min(_first(tags, _ROWS, height), height)
    tile = _first(tags, _TILE_WIDTH, 1) * _first(tags, _TILE_HEIGHT, 1)
    limit = max(_MIN_TILE_PIXELS, 2 * width * height)
    if tile > limit:
        raise ImageTooComplexError(
            f"The image has {width} x {height} pixels in tiles of {tile}; tiles of at most {limit} are accepted.",
            bound="pixels of a tile",
            limit=limit,
        )
    return tile


def _tags(content: bytes) -> dict[int, _Entry]:
    """Return the tags of the first directory; raises `struct.error` where it is cut short."""
    order = "<" if content[:2] == b"II" else ">"
    if 43 in content[2:4]:
        (start,) = struct.unpack_from(f"{order}Q", content, 8)
        count_format, entry_format, inline = "Q", "HHQ8s", 8
    else:
        (start,) = struct.unpack_from(f"{order}I", content, 4)
        count_format, entry_format, inline = "H", "HHI4s", 4
    if start > len(content):
        raise damaged("TIFF")
    (count,) = struct.unpack_from(order + count_format, content, start)
    check_count("tags", count, _MAX_TAGS)
    start += struct.calcsize(order + count_format)
    tags: dict[int, _Entry] = {}
    claimed = 0
    for index in range(count):
        place = start + index * struct.calcsize(order + entry_format)
        tag, kind, values, value = struct.unpack_from(order + entry_format, content, place)
        claimed += _SIZES.get(kind, 1) * values
        tags[tag] = _Entry(values, _value(content, order, kind, values, value, inline))
    # More than the file has means that tags share bytes, each of which is copied.
    check_count("bytes of tags", claimed, len(content))
    return tags


def _value(content: bytes, order: str, kind: int, count: int, value: bytes, inline: int) -> int:
    letter = _INTEGERS.get(kind)
    if letter is None or not count:
        return 0
    if _SIZES[kind] * count <= inline:
        (found,) = struct.unpack_from(order + letter, value)
    else:
        (place,) = struct.unpack(f"{order}{'Q' if inline == 8 else 'I'}", value)
        if place > len(content):
            return 0
        (found,) = struct.unpack_from(order + letter, content, place)
    return int(found)


def _first(tags: dict[int, _Entry], tag: int, default: int) -> int:
    entry = tags.get(tag)
    return default if entry is None else entry.first
