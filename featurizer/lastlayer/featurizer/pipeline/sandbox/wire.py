"""What the service and its decoding processes say to each other, over pipes."""

import struct
from typing import IO, Final

REQUEST: Final = struct.Struct("<IIQQd??Q")
"""Width and height of the pixels that are wanted, the most pixels and bytes of memory, the most seconds of processor
time, whether a thumbnail and whether perceptual hashes are wanted, and how many bytes of the file follow."""

ANSWER: Final = struct.Struct("<BQ")
"""One of the kinds below, and how many bytes follow."""

DECODED: Final = struct.Struct("<4dQQ")
"""The region, and how many bytes of a thumbnail and of hashes follow; after those come the pixels."""

DONE: Final = 0
REFUSED: Final = 1
"""An image's error follows, as a JSON list of its reason, its message and its metadata."""
OUT_OF_MEMORY: Final = 2
FAILED: Final = 3
"""Something unexpected; its text follows."""


def read_exactly(stream: IO[bytes], size: int) -> bytes:
    """Return the next bytes; raises EOFError where the other side has gone."""
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content
