"""What the checks of all formats share: what they find out about a file, their bounds, and how they refuse."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from lastlayer.featurizer.errors import ImageTooComplexError, ImageTooLargeError, ImageUndecodableError

MAX_SIDE: Final = 65_535
"""The most pixels that an image has across or down: what JPEG and GIF can have. A file of another format that is longer
is one line, whose rows alone cost more than its pixels."""

MAX_MARKERS: Final = 20_000
"""The most chunks, segments or blocks of a file. Pillow looks at each in Python, with the interpreter locked."""

LIGHT_BYTES: Final = 64 * 2**20
"""The most memory that an image may need to be decoded in the service's own process."""

LIGHT_PIXELS: Final = 25_000_000
"""The most pixels that an image may have to be decoded in the service's own process."""


class Structure(NamedTuple):
    """What the structure of a file tells before anything is decoded."""

    format: str
    """Pillow's name of the format."""
    content: bytes
    """What the decoder is to see."""
    width: int
    height: int
    memory_bytes: int
    """About how much memory its decoding takes at the peak, in bytes."""
    is_light: bool
    """Whether its decoding is known to be short and small, so that it can be done in the service's own process."""
    orientation: int | None = None
    """The EXIF orientation where the check has read it; None where it is still to be read."""

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        return self.width * self.height


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise ImageTooLargeError where an image has too many pixels, or too many in a line."""
    if width * height > max_pixels:
        raise ImageTooLargeError(width=width, height=height, max_pixels=max_pixels)
    if max(width, height) > MAX_SIDE:
        raise ImageTooLargeError(width=width, height=height, max_pixels=max_pixels, max_side=MAX_SIDE)


def check_count(what: str, found: int, limit: int) -> None:
    """Raise ImageTooComplexError where a file has more of something, named in the plural, than `limit`."""
    if found > limit:
        raise ImageTooComplexError(
            f"The image file has more than {limit} {what}; save it anew as a plain JPEG or PNG.",
            bound=what,
            limit=limit,
        )


def damaged(kind: str) -> ImageUndecodableError:
    """Return the error of a file of a format that is known, but cannot be read."""
    return ImageUndecodableError(f"The image is a damaged or incomplete {kind} file; it cannot be decoded.")


def is_light(memory_bytes: int, pixels: int, *, unusual: Iterable[bool] = ()) -> bool:
    """Return whether an image is small enough for the service's own process, and nothing about it is unusual."""
    return memory_bytes <= LIGHT_BYTES and pixels <= LIGHT_PIXELS and not any(unusual)
