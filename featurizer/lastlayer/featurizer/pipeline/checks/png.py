"""The structure of PNG files (ISO/IEC 15948): the header, and the number of chunks."""

from typing import Final

from lastlayer.featurizer.pipeline.checks.structure import (
    MAX_MARKERS,
    Structure,
    check_count,
    check_size,
    damaged,
    is_light,
)

_MAX_TEXTS: Final = 1_000
"""The most chunks of text; each costs Pillow some Python."""

_TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt")
_GREY: Final = 0


def inspect(content: bytes, max_pixels: int) -> Structure:
    """Return what the structure of a PNG file tells; see `checks.inspect`."""
    if len(content) < 33 or content[12:16] != b"IHDR":
        raise damaged("PNG")
    width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    depth, colour = content[24], content[25]
    check_size(width, height, max_pixels)
    position, chunks, texts = 8, 0, 0
    is_transparent = False
    while position + 8 <= len(content):
        kind = content[position + 4 : position + 8]
        chunks += 1
        check_count("chunks", chunks, MAX_MARKERS)
        if kind in _TEXTS:
            texts += 1
            check_count("chunks of text", texts, _MAX_TEXTS)
        if kind == b"tRNS":
            is_transparent = True
        if kind == b"IEND":
            break
        position += 12 + int.from_bytes(content[position : position + 4], "big")
    if colour == _GREY and not is_transparent:
        pixel_bytes = 2 if depth == 16 else 1
    elif colour == 2 and not is_transparent:
        pixel_bytes = 4
    else:
        pixel_bytes = 8  # twice for a while, where transparency is taken account of
    memory_bytes = pixel_bytes * width * height + len(content)
    return Structure("PNG", content, width, height, memory_bytes, is_light(memory_bytes, width * height))
