"""The structure of GIF files (GIF89a): the screen, the first picture, and the number of blocks before it."""

from typing import Final

from lastlayer.featurizer.pipeline.checks.structure import (
    MAX_MARKERS,
    Structure,
    check_count,
    check_size,
    damaged,
    is_light,
)

_PIXEL_BYTES: Final = 8
"""Twice the four bytes of a pixel with transparency."""


def inspect(content: bytes, max_pixels: int) -> Structure:
    """Return what the structure of a GIF file tells; see `checks.inspect`."""
    if len(content) < 13:
        raise damaged("GIF")
    width, height = int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")
    check_size(width, height, max_pixels)
    left, top, across, down = _first_picture(content)
    # Pillow makes the screen larger where the picture does not fit.
    width, height = max(width, left + across), max(height, top + down)
    check_size(width, height, max_pixels)
    memory_bytes = _PIXEL_BYTES * width * height
    return Structure("GIF", content, width, height, memory_bytes, is_light(memory_bytes, width * height))


def _first_picture(content: bytes) -> tuple[int, int, int, int]:
    """Return the place and the size of the first picture."""
    position = 13 + (3 << (content[10] & 7) + 1 if content[10] & 0x80 else 0)
    blocks = 0
    while position < len(content):
        kind = content[position]
        if kind == 0x2C and position + 10 <= len(content):
            left, top, across, down = (
                int.from_bytes(content[start : start + 2], "little") for start in range(position + 1, position + 9, 2)
            )
            return left, top, across, down
        if kind == 0x3B:
            break
        blocks += 1
        check_count("blocks", blocks, MAX_MARKERS)
        # Pillow passes over what is no block at all, one byte at a time.
        position += 1
        if kind == 0x21:
            position += 1
            while position < len(content) and content[position]:
                blocks += 1
                check_count("blocks", blocks, MAX_MARKERS)
                position += 1 + content[position]
            position += 1
    raise damaged("GIF")
