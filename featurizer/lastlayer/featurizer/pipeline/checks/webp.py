"""The structure of WebP files (RFC 9649): the canvas, and the number of chunks."""

from typing import Final

from lastlayer.featurizer.pipeline.checks.structure import (
    MAX_MARKERS,
    Structure,
    check_count,
    check_size,
    damaged,
    is_light,
)

_PIXEL_BYTES: Final = 12
"""Of the decoder's two canvases and the copy that Pillow makes of one."""


def inspect(content: bytes, max_pixels: int) -> Structure:
    """Return what the structure of a WebP file tells; see `checks.inspect`."""
    width, height = _size(content)
    check_size(width, height, max_pixels)
    position, chunks, frames = 12, 0, 0
    while position + 8 <= len(content):
        chunks += 1
        check_count("chunks", chunks, MAX_MARKERS)
        frames += content[position : position + 4] == b"ANMF"
        size = int.from_bytes(content[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    memory_bytes = _PIXEL_BYTES * width * height
    return Structure(
        "WEBP",
        content,
        width,
        height,
        memory_bytes,
        is_light(memory_bytes, width * height, unusual=(frames > 0,)),
    )


def _size(content: bytes) -> tuple[int, int]:
    kind = content[12:16]
    if kind == b"VP8X" and len(content) >= 30:
        return int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1
    if kind == b"VP8L" and len(content) >= 25 and content[20] == 0x2F:
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(content) >= 30 and content[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(content[26:28], "little") & 0x3FFF, int.from_bytes(content[28:30], "little") & 0x3FFF
    raise damaged("WEBP")
