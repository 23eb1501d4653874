"""The structure of BMP files: the size, the bits of a pixel, and whether it is compressed."""

from typing import Final

from lastlayer.featurizer.pipeline.checks.structure import Structure, check_size, damaged, is_light

_CORE_HEADER_BYTES: Final = 12
_UNCOMPRESSED: Final = (0, 3)
"""As they are, or with masks for the bits of the colours. The others run in Python, and so not in our process."""

_PIXEL_BYTES: Final = 8


def inspect(content: bytes, max_pixels: int) -> Structure:
    """Return what the structure of a BMP file tells; see `checks.inspect`."""
    header_bytes = int.from_bytes(content[14:18], "little")
    if len(content) < 14 + max(header_bytes, _CORE_HEADER_BYTES):
        raise damaged("BMP")
    if header_bytes == _CORE_HEADER_BYTES:
        width, height = int.from_bytes(content[18:20], "little"), int.from_bytes(content[20:22], "little")
        compression = 0
    elif header_bytes >= 40:
        width = int.from_bytes(content[18:22], "little")
        height = abs(int.from_bytes(content[22:26], "little", signed=True))
        compression = int.from_bytes(content[30:34], "little")
    else:
        raise damaged("BMP")
    check_size(width, height, max_pixels)
    memory_bytes = _PIXEL_BYTES * width * height
    light = is_light(memory_bytes, width * height, unusual=(compression not in _UNCOMPRESSED,))
    return Structure("BMP", content, width, height, memory_bytes, light)
