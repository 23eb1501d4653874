"""The way of an image: admitted, decoded in a thread, batched with others, run through the graph."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from featurizer.admission import Admission
from featurizer.backbones import Preprocessing
from featurizer.batcher import Batcher
from featurizer.images import decode
from rpc.errors import DeadlinePassedError, ImageError, NotReadyError

_STREAM_BATCHES: Final = 3
"""How many batches of images of streams are inside at once: one in the graph, one complete, one being decoded."""

Vectors = Mapping[str, npt.NDArray[np.float32]]
"""The vector of one image at each tap, float32 [d]."""


class Network(Protocol):
    """What the pipeline needs of a graph (see `featurizer.graph.Graph`)."""

    def run(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> Mapping[str, npt.NDArray[np.float32]]:
        """Return float32 [n, d] for each tap of uint8 [n, height, width, 3]."""
        ...


class Pipeline:
    """Turns image files into vectors, for all callers together.

    Decoding runs in threads beside the graph, so that all processors are busy. At most `max_queued_images` images of
    single calls are inside at once, and beside them a few batches of images of streams.
    """

    def __init__(
        self,
        network: Network,
        preprocessing: Preprocessing,
        *,
        max_batch_images: int,
        max_queued_images: int,
        max_image_pixels: int,
        decode_threads: int,
    ) -> None:
        self._network = network
        self._preprocessing = preprocessing
        self._max_image_pixels = max_image_pixels
        self._admission = Admission(
            call_images=max_queued_images, stream_images=_STREAM_BATCHES * max_batch_images + decode_threads
        )
        self._decoders = ThreadPoolExecutor(decode_threads, thread_name_prefix="decode")
        self._batcher: Batcher[tuple[npt.NDArray[np.uint8], Sequence[str]], Vectors]
        self._batcher = Batcher(self._run, max_items=max_batch_images)
        self._inside: set[asyncio.Task[Vectors | ImageError]] = set()
        self._stopping = False
        self._image_seconds = 0.05
        """A running mean of what an image costs in the graph, which tells how long a full queue takes."""

    async def featurize(
        self, images: Sequence[bytes], taps: Sequence[str], *, deadline: float | None, wait: bool
    ) -> list[Vectors | ImageError]:
        """Return for each image its vectors at `taps`, or why it has none.

        `deadline` is of `time.monotonic()`. Where there is no room, the images wait for it as those of a stream do, or
        OverloadedError is raised. Raises DeadlinePassedError. What is not begun when the caller is cancelled is not
        done.
        """
        if wait:
            return await self._all(self._featurize_in_turn, images, taps, deadline)
        # By the time that half of the queue is done there is room for most requests.
        retry_after_s = max(0.1, self._image_seconds * self._admission.taken / 2)
        with self._admission.call(len(images), retry_after_s=retry_after_s):
            return await self._all(self._featurize_one, images, taps, deadline)

    async def _all(
        self,
        featurize: Callable[[bytes, Sequence[str], float | None], Coroutine[Any, Any, Vectors | ImageError]],
        images: Sequence[bytes],
        taps: Sequence[str],
        deadline: float | None,
    ) -> list[Vectors | ImageError]:
        if self._stopping:
            raise NotReadyError("The service is stopping; try again in a moment.")
        tasks = [asyncio.create_task(featurize(image, taps, deadline)) for image in images]
        self._inside.update(tasks)
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            self._inside.difference_update(tasks)

    async def _featurize_in_turn(
        self, content: bytes, taps: Sequence[str], deadline: float | None
    ) -> Vectors | ImageError:
        async with self._admission.stream_image():
            return await self._featurize_one(content, taps, deadline)

    async def _featurize_one(self, content: bytes, taps: Sequence[str], deadline: float | None) -> Vectors | ImageError:
        loop = asyncio.get_running_loop()
        try:
            pixels = await loop.run_in_executor(self._decoders, self._decode, content, deadline)
        except ImageError as error:
            return error
        return await self._batcher.submit((pixels, taps), deadline=deadline)

    def _decode(self, content: bytes, deadline: float | None) -> npt.NDArray[np.uint8]:
        if deadline is not None and deadline <= time.monotonic():
            raise DeadlinePassedError("The deadline passed before the image was decoded.")
        size = self._preprocessing
        return decode(content, width=size.width, height=size.height, max_pixels=self._max_image_pixels)

    def _run(self, batch: Sequence[tuple[npt.NDArray[np.uint8], Sequence[str]]]) -> list[Vectors]:
        """Run a batch through the graph, up to the deepest tap that any of its images asks for."""
        started = time.monotonic()
        asked = {tap for _, taps in batch for tap in taps}
        vectors = self._network.run(np.stack([pixels for pixels, _ in batch]), sorted(asked))
        self._image_seconds += 0.1 * ((time.monotonic() - started) / len(batch) - self._image_seconds)
        return [{tap: vectors[tap][index] for tap in taps} for index, (_, taps) in enumerate(batch)]

    async def stop(self) -> None:
        """Finish what is inside, refuse what comes, and end the threads. Safe to call twice."""
        self._stopping = True
        await asyncio.gather(*self._inside, return_exceptions=True)
        await self._batcher.stop()
        self._decoders.shutdown()
