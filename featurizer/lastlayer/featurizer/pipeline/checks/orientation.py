"""The orientation that EXIF data or an XMP packet give to an image.

Pillow reads it too, with all other entries of the directory: each may name the same megabytes again.
"""

import re
import struct
from typing import Final

_ORIENTATION: Final = 0x0112
_SHORT, _LONG = 3, 4
_BYTE_ORDERS: Final = {b"II": "<", b"MM": ">"}
_XMP_ORIENTATION: Final = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_MAX_XMP_BYTES: Final = 2**20
"""How far into an XMP packet is looked."""


def read_orientation(exif: bytes, xmp: bytes = b"") -> int:
    """Return the EXIF orientation, from 1 to 8 where the data is sound, or 1 where none is told.

    `exif` begins with the byte order (a header `Exif\\0\\0` is passed over); `xmp` counts where EXIF is silent.
    """
    found = _in_directory(exif.removeprefix(b"Exif\0\0"))
    if found is None:
        match = _XMP_ORIENTATION.search(xmp, 0, _MAX_XMP_BYTES)
        found = int(match[1]) if match else 1
    return found


def _in_directory(exif: bytes) -> int | None:
    order = _BYTE_ORDERS.get(exif[:2])
    if order is None or len(exif) < 8:
        return None
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    if start + 2 > len(exif):
        return None
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    # A directory that is cut short has the entries that are there.
    entries = exif[start + 2 : start + 2 + 12 * count]
    for tag, kind, values, value in struct.iter_unpack(f"{order}HHI4s", entries[: len(entries) // 12 * 12]):
        if tag == _ORIENTATION and values == 1 and kind in (_SHORT, _LONG):
            (found,) = struct.unpack_from(f"{order}{'H' if kind == _SHORT else 'I'}", value)
            return int(found)
    return None
