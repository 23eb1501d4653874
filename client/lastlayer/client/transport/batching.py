"""Groups of images that go into one message: bounded in number and in bytes."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

KeyT = TypeVar("KeyT")

MAX_IMAGES: Final = 16
"""The most images in a message: few enough for progress to be seen, and far below what services accept by default."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""The most bytes of images in a message of several; an image above it travels alone."""

MAX_IN_FLIGHT: Final = 4
"""The most messages that are sent and not yet answered: enough to keep the server busy, and a bound on memory."""


def batches(contents: Iterable[tuple[KeyT, bytes]]) -> Iterator[list[tuple[KeyT, bytes]]]:
    """Yield the contents in order, in groups that fit a message; at most one content is read ahead."""
    batch: list[tuple[KeyT, bytes]] = []
    size = 0
    for key, content in contents:
        if batch and (len(batch) >= MAX_IMAGES or size + len(content) > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((key, content))
        size += len(content)
    if batch:
        yield batch
