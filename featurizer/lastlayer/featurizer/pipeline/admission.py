"""Bounds how many images are inside: calls without room are refused at once, streams wait in turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from lastlayer.featurizer.pipeline import monitoring
from lastlayer.rpc.errors import OverloadedError


class Admission:
    """Places for the images of single calls, and places of their own for those of streams.

    Neither takes room from the other. Streams need few places, as they wait: just enough to keep the graph busy. So an
    image of a single call has only those few before it, however much is being sent over streams.
    """

    def __init__(self, *, call_images: int, stream_images: int) -> None:
        self._call_places = call_images
        self._taken = 0
        self._stream_places = asyncio.Semaphore(stream_images)

    @property
    def taken(self) -> int:
        """The number of places that single calls have taken."""
        return self._taken

    def check(self, images: int, *, retry_after_s: float) -> None:
        """Raise OverloadedError where so many places are not free, which tells to come again after `retry_after_s`."""
        if self._taken + images > self._call_places:
            raise OverloadedError(
                f"The queue is full: {self._taken} of its {self._call_places} images are taken, and {images} more do "
                "not fit.",
                retry_after_s=retry_after_s,
            )

    @contextlib.contextmanager
    def call(self, images: int, *, retry_after_s: float) -> Iterator[None]:
        """Hold the places of a call's images while the block lasts; raises what `check` does."""
        self.check(images, retry_after_s=retry_after_s)
        self._taken += images
        monitoring.QUEUE_DEPTH.inc(images)
        try:
            yield
        finally:
            self._taken -= images
            monitoring.QUEUE_DEPTH.dec(images)

    @contextlib.asynccontextmanager
    async def stream_image(self) -> AsyncIterator[None]:
        """Hold the place of one image of a stream while the block lasts; waits for it, first come, first served."""
        with monitoring.QUEUE_DEPTH.track_inprogress():
            async with self._stream_places:
                yield
