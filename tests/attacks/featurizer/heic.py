"""HEIC files whose boxes cost more than their bytes, or lead in circles (ISO/IEC 14496-12 and 23008-12)."""

import functools
import io
import struct
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()  # which also writes them

Change = Callable[[bytes, bytes], bytes]
"""Takes the kind and the body of a box of `meta`; returns what comes in its place."""

TILE: Final = (256, 192)


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 8], content[at + 8 : at + size]
        at += size


@functools.cache
def _plain() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (*TILE[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(file, "HEIF")
    return file.getvalue()


def heic(make: Callable[[int, int], Change]) -> bytes:
    """Return a HEIC with other boxes; `make` is given where the coded image lies, and how long it is."""
    coded = dict(boxes(_plain()))[b"mdat"]
    content, at = b"", 0
    for _ in range(2):  # the second time the place is known
        change = make(at, len(coded))
        meta = b"".join(change(*each) for each in boxes(dict(boxes(_plain()))[b"meta"][4:]))
        before = box(b"ftyp", dict(boxes(_plain()))[b"ftyp"]) + box(b"meta", bytes(4) + meta)
        at = len(before) + 8
        content = before + box(b"mdat", coded)
    return content


def located(at: int, size: int, more: bytes = b"", *, extents: int = 1, items: int = 1) -> bytes:
    """Return where items lie: the first of so many extents, `more` of any items beside it."""
    head = bytes(4) + b"\x44\0" + struct.pack(">H", items)
    each = struct.pack(">II", at, size) + struct.pack(">II", at, 0) * (extents - 1)
    return box(b"iloc", head + struct.pack(">HHH", 1, 0, extents) + each + more)


def with_extents(count: int) -> bytes:
    """Return a HEIC whose image lies in so many pieces, all but the first of which are empty."""
    return heic(lambda at, n: lambda kind, body: located(at, n, extents=count) if kind == b"iloc" else box(kind, body))


def with_items(extents: int) -> bytes:
    """Return a HEIC of 65,535 items, each in so many pieces."""
    more = b"".join(struct.pack(">HHH", item, 0, extents) + bytes(8) * extents for item in range(2, 65_536))
    return heic(
        lambda at, n: lambda kind, body: located(at, n, more, items=65_535) if kind == b"iloc" else box(kind, body)
    )


def with_references(count: int, *kinds: bytes) -> bytes:
    """Return a HEIC whose image is made of itself, so many times."""
    refers = b"".join(box(each, struct.pack(">HH", 1, count) + b"\0\1" * count) for each in kinds)
    return heic(
        lambda at, n: (
            lambda kind, body: (
                located(at, n)
                if kind == b"iloc"
                else box(kind, body) + box(b"iref", bytes(4) + refers) * (kind == b"pitm")
            )
        )
    )


def with_properties(count: int) -> bytes:
    """Return a HEIC whose image has so many lists of 255 properties."""
    each = b"\0\1\xff" + b"\3" * 255

    def change(kind: bytes, body: bytes, at: int, n: int) -> bytes:
        if kind == b"iloc":
            return located(at, n)
        if kind == b"iprp":
            own = dict(boxes(body))
            lists = bytes(4) + struct.pack(">I", count) + each * (count - 1) + own[b"ipma"][8:]
            return box(b"iprp", box(b"ipco", own[b"ipco"]) + box(b"ipma", lists))
        return box(kind, body)

    return heic(lambda at, n: lambda kind, body: change(kind, body, at, n))


def grid(rows: int, columns: int, width: int, height: int, *, of: int = 1) -> bytes:
    """Return a HEIC that is a grid which says to be of a size; all its tiles are one and the same item."""
    told = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)
    tiles = struct.pack(">HH", 2, rows * columns % 65_536) + struct.pack(">H", of) * (rows * columns % 65_536)

    def change(kind: bytes, body: bytes, at: int, n: int) -> bytes:
        if kind == b"pitm":
            return box(kind, bytes(4) + b"\0\2")
        if kind == b"iinf":
            named = (
                b"\2\0\0\0" + struct.pack(">HH", item, 0) + each + b"\0" for item, each in ((1, b"hvc1"), (2, b"grid"))
            )
            return box(kind, bytes(4) + b"\0\2" + b"".join(box(b"infe", each) for each in named))
        if kind == b"iloc":
            # The first lies in the file, the second in `idat`.
            places = struct.pack(">HHHHII", 1, 0, 0, 1, at, n) + struct.pack(">HHHHII", 2, 1, 0, 1, 0, len(told))
            head = b"\1\0\0\0\x44\0\0\2"
            return box(kind, head + places) + box(b"idat", told) + box(b"iref", bytes(4) + box(b"dimg", tiles))
        if kind == b"iprp":
            own = dict(boxes(body))
            size = len(list(boxes(own[b"ipco"]))) + 1
            listed = own[b"ipma"][8:] + b"\0\2" + bytes([1, size])
            properties = own[b"ipco"] + box(b"ispe", struct.pack(">III", 0, width, height))
            return box(kind, box(b"ipco", properties) + box(b"ipma", bytes(4) + struct.pack(">I", 2) + listed))
        return box(kind, body)

    return heic(lambda at, n: lambda kind, body: change(kind, body, at, n))
