"""The elements of tensors of BYTES as they travel in one piece: each after its length in 4 bytes, little-endian."""

import struct
from collections.abc import Iterable
from typing import Final

from lastlayer.rpc.errors import InvalidFieldError

_LENGTH: Final = struct.Struct("<I")


def join_elements(elements: Iterable[bytes]) -> bytes:
    """Return a tensor with these elements; `split_elements` reads it."""
    return b"".join(part for element in elements for part in (_LENGTH.pack(len(element)), element))


def split_elements(raw: bytes, count: int, field: str) -> list[bytes]:
    """Return the elements of a tensor; `field` is what holds it.

    Raises InvalidFieldError where these are not `count` elements.

    >>> split_elements(b"\\2\\0\\0\\0hi\\0\\0\\0\\0", 2, "raw")
    [b'hi', b'']
    """
    elements = []
    at = 0
    for index in range(count):
        start = at + _LENGTH.size
        if start > len(raw):
            raise InvalidFieldError(
                field,
                f"It ends after {len(raw)} bytes, before the length of element {index}; the shape says {count} "
                "elements, each after its length in 4 bytes, little-endian.",
            )
        (size,) = _LENGTH.unpack_from(raw, at)
        at = start + size
        if at > len(raw):
            raise InvalidFieldError(
                field, f"Element {index} is to have {size} bytes, but {len(raw) - start} are left of {len(raw)}."
            )
        elements.append(raw[start:at])
    if at != len(raw):
        raise InvalidFieldError(field, f"{len(raw) - at} bytes come after the {count} elements that the shape says.")
    return elements
