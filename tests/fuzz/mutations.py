"""Changes of a file where its structure is: lengths, counts, markers, whole pieces, and its end."""

import random
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Final

_NUMBERS: Final = (
    0,
    1,
    2,
    3,
    7,
    8,
    16,
    255,
    256,
    4_095,
    16_383,
    32_767,
    65_534,
    65_535,
    2**24 - 1,
    2**31 - 1,
    2**32 - 1,
)

_PIECE: Final = re.compile(
    rb"\xff[\xc0-\xfe]|[a-zA-Z]{4}|RIFF|ANMF|VP8[ LX]|\x2c|\x21[\xf9\xfe\xff]|[\x00\x01]..[\x01-\x05]\x00", re.DOTALL
)
"""Where a piece of one of the formats may begin: a marker, a chunk's name, a block, a tag."""

_MOST_BYTES: Final = 2**20

Mutation = Callable[[random.Random, bytearray], bytearray]


def mutated(chance: random.Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Return a file with a few changes; `others` are files that pieces are taken from."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 10))):
        if chance.random() < 0.1:
            changed = _spliced(chance, changed, chance.choice(others))
        else:
            changed = chance.choice(_MUTATIONS)(chance, changed)
        changed = changed[:_MOST_BYTES] or bytearray(b"\0")
    # Most decoders look no further where a checksum is wrong.
    return _with_checksums(bytes(changed)) if chance.random() < 0.8 else bytes(changed)


def _place(chance: random.Random, content: bytearray) -> int:
    """Return a place in a file: near its beginning, near a piece of it, or anywhere."""
    kind = chance.random()
    if kind < 0.4:
        return chance.randrange(min(len(content), 128))
    if kind < 0.8:
        start = chance.randrange(len(content))
        match = _PIECE.search(content, start)
        if match is not None:
            return min(match.start() + chance.randrange(16), len(content) - 1)
    return chance.randrange(len(content))


def _bit(chance: random.Random, content: bytearray) -> bytearray:
    content[_place(chance, content)] ^= 1 << chance.randrange(8)
    return content


def _byte(chance: random.Random, content: bytearray) -> bytearray:
    content[_place(chance, content)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    return content


def _number(chance: random.Random, content: bytearray) -> bytearray:
    place = _place(chance, content)
    number = chance.choice((*_NUMBERS, chance.randrange(1 << chance.randrange(1, 33))))
    form = chance.choice(("<H", ">H", "<I", ">I"))
    packed = struct.pack(form, number & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    content[place : place + len(packed)] = packed
    return content


def _cut(chance: random.Random, content: bytearray) -> bytearray:
    return content[: chance.randrange(1, len(content) + 1)]


def _without(chance: random.Random, content: bytearray) -> bytearray:
    start = _place(chance, content)
    del content[start : start + chance.choice((1, 4, 12, 64, 512))]
    return content


def _repeated(chance: random.Random, content: bytearray) -> bytearray:
    """Repeat a piece, up to many thousand times."""
    start = _place(chance, content)
    end = start + chance.choice((1, 2, 4, 8, 12, 16, 24, 64, 512))
    times = chance.choice((1, 2, 10, 100, 1_000, 30_000))
    piece = content[start:end]
    return content[:end] + piece * min(times, _MOST_BYTES // max(1, len(piece))) + content[end:]


def _spliced(chance: random.Random, content: bytearray, other: bytes) -> bytearray:
    start, end = sorted(_place(chance, bytearray(other)) for _ in range(2))
    place = _place(chance, content)
    return content[:place] + other[start:end] + content[place:]


_MUTATIONS: Final[tuple[Mutation, ...]] = (_bit, _byte, _byte, _number, _number, _number, _cut, _without, _repeated)


def _with_checksums(content: bytes) -> bytes:
    """Return a PNG with the checksums of its chunks as they should be; other files as they are."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    right, position = [content[:8]], 8
    while position + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, position)
        body = content[position + 4 : position + 8 + size]
        right.append(content[position : position + 4] + body + struct.pack(">I", zlib.crc32(body)))
        position += 12 + size
    return b"".join(right) + content[position:]
