"""Bounds how many images and bytes of them are inside: calls without room are refused at once, streams wait in turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Final

from lastlayer.featurizer.pipeline import monitoring
from lastlayer.rpc.errors import OverloadedError

MIB: Final = 2**20

CALL_BYTES: Final = 128 * MIB
"""The most bytes of images of single calls that are inside; each is in memory twice, as it came and as it was parsed.
Images of ordinary size run out of places long before."""

STREAM_BYTES: Final = 64 * MIB
"""From how many bytes of images of streams no further message of a stream is read."""


class Admission:
    """Places for the images of single calls, and places of their own for those of streams.

    Neither takes room from the other. Streams need few places, as they wait: just enough to keep the graph busy. So an
    image of a single call has only those few before it, however much is being sent over streams.
    """

    def __init__(self, *, call_images: int, stream_images: int) -> None:
        self._call_places = call_images
        self._taken = 0
        self._taken_bytes = 0
        self._stream_places = asyncio.Semaphore(stream_images)
        self._stream_bytes = 0
        self._stream_room = asyncio.Event()
        self._stream_room.set()

    @property
    def taken(self) -> int:
        """The number of places that single calls have taken."""
        return self._taken

    @contextlib.contextmanager
    def call(self, images: int, size: int, *, retry_after_s: float) -> Iterator[None]:
        """Hold the places of a call's images, which have `size` bytes together, while the block lasts.

        Raises OverloadedError where they are not free, which tells the caller to come again after `retry_after_s`.
        """
        if self._taken + images > self._call_places:
            raise OverloadedError(
                f"The queue is full: {self._taken} of its {self._call_places} images are taken, and {images} more do "
                "not fit.",
                retry_after_s=retry_after_s,
            )
        if self._taken_bytes + size > CALL_BYTES:
            raise OverloadedError(
                f"The queue is full: {self._taken_bytes // MIB} of its {CALL_BYTES // MIB} MiB are taken, and "
                f"{size / MIB:.1f} MiB more do not fit.",
                retry_after_s=retry_after_s,
            )
        self._taken += images
        self._taken_bytes += size
        monitoring.QUEUE_DEPTH.inc(images)
        try:
            yield
        finally:
            self._taken -= images
            self._taken_bytes -= size
            monitoring.QUEUE_DEPTH.dec(images)

    @contextlib.asynccontextmanager
    async def stream_image(self) -> AsyncIterator[None]:
        """Hold the place of one image of a stream while the block lasts; waits for it, first come, first served."""
        with monitoring.QUEUE_DEPTH.track_inprogress():
            async with self._stream_places:
                yield

    async def stream_room(self) -> None:
        """Return once there is room for a further message of a stream, which is to be read only then."""
        await self._stream_room.wait()

    @contextlib.contextmanager
    def stream_message(self, size: int) -> Iterator[None]:
        """Tell that a message of a stream, with images of `size` bytes together, is inside while the block lasts."""
        self._count_stream(size)
        try:
            yield
        finally:
            self._count_stream(-size)

    def _count_stream(self, size: int) -> None:
        self._stream_bytes += size
        if self._stream_bytes < STREAM_BYTES:
            self._stream_room.set()
        else:
            self._stream_room.clear()
