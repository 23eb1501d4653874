"""What the service and its decoding processes say to each other, over pipes."""

import struct
from collections.abc import Sequence
from typing import IO, Final

from lastlayer.rpc.vectors import View

REQUEST: Final = struct.Struct("<IIQQdQ??Q")
"""Width and height of the pixels that are wanted, the most pixels and bytes of memory, the most seconds of processor
time, the views that are wanted (see `pack_views`), whether a thumbnail and perceptual hashes are wanted, and how many
bytes of the file follow."""

ANSWER: Final = struct.Struct("<BQ")
"""One of the kinds below, and how many bytes follow."""

DECODED: Final = struct.Struct("<QQ")
"""How many bytes of a thumbnail and of hashes follow; after those come the views, in order."""

REGION: Final = struct.Struct("<4d")
"""The region of a view; after it come its pixels."""

DONE: Final = 0
REFUSED: Final = 1
"""An image's error follows, as a JSON list of its reason, its message and its metadata."""
OUT_OF_MEMORY: Final = 2
FAILED: Final = 3
"""Something unexpected; its text follows."""


def pack_views(views: Sequence[View]) -> int:
    """Return views, each once, as one number: a bit for each."""
    return sum(1 << view for view in views)


def unpack_views(packed: int) -> list[View]:
    """Return the views of a number, in the order in which an answer has them."""
    return [view for view in View if packed >> view & 1]


def read_exactly(stream: IO[bytes], size: int) -> bytes:
    """Return the next bytes; raises EOFError where the other side has gone."""
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content
