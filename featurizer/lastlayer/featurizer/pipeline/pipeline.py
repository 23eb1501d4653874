"""The way of an image: admitted, decoded in a thread, batched with others, run through the graph."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.backbones.spec import Preprocessing
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.pipeline import monitoring
from lastlayer.featurizer.pipeline.admission import Admission
from lastlayer.featurizer.pipeline.batcher import Batcher
from lastlayer.featurizer.pipeline.budget import ByteBudget
from lastlayer.featurizer.pipeline.checks.structure import LIGHT_BYTES, Structure
from lastlayer.featurizer.pipeline.decoding import Decoded, Region, Seen, decode_whole, inspect_for
from lastlayer.featurizer.pipeline.idle import Idle
from lastlayer.featurizer.pipeline.sandbox.pool import Sandbox
from lastlayer.featurizer.pipeline.waiting import WaitEstimate
from lastlayer.rpc.errors import DeadlinePassedError, ImageError, LastlayerError, NotReadyError
from lastlayer.rpc.system.cpu_quota import available_processors
from lastlayer.rpc.system.memory import give_back_free_memory
from lastlayer.rpc.vectors import CROP_ALONE, View

_STREAM_BATCHES: Final = 3
"""Images of streams fill this many times what the graph takes at once: one share runs, one waits, one is decoded."""

_LIGHT_BYTES: Final = 2 * LIGHT_BYTES
"""The memory of all images that are decoded in this process at once: ordinary photos never wait for it."""

_MAX_APART: Final = 3
"""The most images that are decoded in processes of their own at once; they share the memory that there is for that."""

_IDLE_S: Final = 1.0
"""Memory is given back after this many seconds without images. Callers in a row come sooner, and do not pay for it."""

Vectors = Mapping[str, npt.NDArray[np.float32]]
"""The vector of one image at each tap, float32 [d]."""

Maps = Mapping[str, npt.NDArray[np.float32]]
"""The feature map of one image at each tap, float32 [h, w, d]."""

Outcome = TypeVar("Outcome")


class Featurized(NamedTuple):
    """The features of an image."""

    views: Sequence[Vectors]
    """The vectors of each view that was wanted, in their order."""
    thumbnail: bytes = b""
    """A small JPEG of it; empty where it was not wanted."""
    hashes: bytes = b""
    """Of what it looks like; empty where they were not wanted, or the image is too plain."""

    @property
    def vectors(self) -> Vectors:
        """Those of the first view."""
        return self.views[0]


@dataclass
class _Work:
    """What is to be done with an image."""

    content: bytes
    taps: Sequence[str]
    deadline: float | None
    views: Sequence[View] = CROP_ALONE
    thumbnail: bool = False
    hashes: bool = False
    maps: bool = False
    given_up: bool = False
    """Whether its caller has gone; set while a thread may be at it."""

    def is_late(self) -> bool:
        """Return whether the deadline has passed."""
        return self.deadline is not None and self.deadline <= time.monotonic()


class _Wanted(NamedTuple):
    """An image with what is to be computed of it."""

    pixels: npt.NDArray[np.uint8]
    taps: Sequence[str]
    maps: bool
    """Whether the feature maps are wanted, and not the vectors."""


@contextlib.contextmanager
def _count_outcome(work: _Work) -> Iterator[None]:
    """Count the image by how the block ends."""
    outcome = "internal"
    try:
        yield
        outcome = "done"
    except LastlayerError as error:
        outcome = error.reason.lower()
        raise
    except asyncio.CancelledError:
        # The end of a call's deadline cancels it, too. So does the first image of a call that is late for the others.
        outcome = DeadlinePassedError.reason.lower() if work.is_late() else "cancelled"
        raise
    finally:
        monitoring.IMAGES.labels(outcome).inc()


class Network(Protocol):
    """What the pipeline needs of a graph (see `lastlayer.featurizer.network.graph.Graph`), in two threads at once."""

    def run(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> Mapping[str, npt.NDArray[np.float32]]:
        """Return float32 [n, d] for each tap of uint8 [n, height, width, 3]."""
        ...

    def maps(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> Mapping[str, npt.NDArray[np.float32]]:
        """Return float32 [n, h, w, d] for each tap, a spatial mean, of uint8 [n, height, width, 3]."""
        ...


class Pipeline:
    """Turns image files into vectors, for all callers together.

    Decoding runs in threads beside the graph, so that all processors are busy. What is large or unusual is decoded in
    processes of their own, for which threads of their own wait: ordinary images do not. At most `max_queued_images`
    images of single calls are inside at once, and beside them a few batches of images of streams.
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
        self._waiting = WaitEstimate()
        self._decoders = ThreadPoolExecutor(decode_threads, thread_name_prefix="decode")
        self._light_memory = ByteBudget(_LIGHT_BYTES)
        self._apart = ThreadPoolExecutor(min(decode_threads, _MAX_APART), thread_name_prefix="apart")
        self._sandbox = Sandbox(max_pixels=max_image_pixels)
        self._batcher: Batcher[_Wanted, Vectors | Maps]
        self._batcher = Batcher(self._run, max_items=max_batch_images)
        self._inside: set[asyncio.Task[Any]] = set()
        self._idle = Idle(give_back_free_memory, after_s=_IDLE_S)
        self._stopping = False
        self._image_seconds = 0.05
        """A running mean of what an image costs in the graph, which tells how long a full queue takes."""
        self._last_end = 0.0
        """When the last batch ended, of `time.monotonic()`."""
        self._accounting = threading.Lock()

    @classmethod
    def from_settings(cls, network: Network, preprocessing: Preprocessing, settings: FeaturizerSettings) -> Self:
        """Return a pipeline as the settings have it. To be made where a loop runs."""
        return cls(
            network,
            preprocessing,
            max_batch_images=settings.max_batch_images,
            max_queued_images=settings.max_queued_images,
            max_image_pixels=settings.max_image_pixels,
            decode_threads=settings.decode_threads or available_processors(),
        )

    async def featurize(
        self,
        images: Sequence[bytes],
        taps: Sequence[str],
        *,
        deadline: float | None,
        wait: bool,
        views: Sequence[View] = CROP_ALONE,
        thumbnails: bool = False,
        hashes: bool = False,
    ) -> list[Featurized | ImageError]:
        """Return for each image the vectors of its views, each once, at `taps`, with its thumbnail and its perceptual
        hashes where those are wanted, or why it has none.

        `deadline` is of `time.monotonic()`. Where there is no room, the images wait for it as those of a stream do, or
        OverloadedError is raised. Raises DeadlinePassedError. What is not begun when the caller is cancelled is not
        done.
        """
        work = [_Work(image, taps, deadline, views, thumbnail=thumbnails, hashes=hashes) for image in images]
        # The graph runs once for each view.
        with contextlib.nullcontext() if wait else self._admit(len(images) * len(views), deadline):
            return await self._all(self._featurize_one(image, wait=wait) for image in work)

    def check_room(self, deadline: float | None) -> None:
        """Raise OverloadedError where `featurize` would for a single image, unless it waits."""
        self._check(1, deadline)

    async def feature_maps(
        self, image: bytes, taps: Sequence[str], *, deadline: float | None, view: View = View.CROP
    ) -> tuple[Maps, Region]:
        """Return the feature maps of a view of an image at `taps`, each a spatial mean, and the part of the image that
        they cover. Those of a mirrored view are mirrored back.

        Raises ImageError, OverloadedError or DeadlinePassedError.
        """
        with self._admit(1, deadline):
            work = _Work(image, taps, deadline, (view,), maps=True)
            [mapped] = await self._all(self._map(part) for part in (work,))
            return mapped

    @contextlib.contextmanager
    def _admit(self, images: int, deadline: float | None) -> Iterator[None]:
        retry_after_s = self._check(images, deadline)
        with (
            self._admission.call(images, retry_after_s=retry_after_s),
            self._waiting.measure(self._admission.taken),
        ):
            yield

    def _check(self, images: int, deadline: float | None) -> float:
        """Return when a call without room is to come again, in seconds; raises OverloadedError for one that is."""
        before = self._admission.taken
        self._waiting.check(images, before=before, deadline=deadline)
        # By the time that half of the queue is done there is room for most requests.
        retry_after_s = max(0.1, self._image_seconds * before / 2)
        self._admission.check(images, retry_after_s=retry_after_s)
        return retry_after_s

    async def _all(self, work: Iterable[Coroutine[Any, Any, Outcome]]) -> list[Outcome]:
        if self._stopping:
            raise NotReadyError("The service is stopping; try again in a moment.")
        tasks = [asyncio.create_task(part) for part in work]
        self._inside.update(tasks)
        with self._idle.busy():
            try:
                return await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                self._inside.difference_update(tasks)

    async def _featurize_one(self, work: _Work, *, wait: bool) -> Featurized | ImageError:
        try:
            with _count_outcome(work):
                async with self._admission.stream_image() if wait else contextlib.nullcontext():
                    decoded, views = await self._through(work)
        except ImageError as error:
            return error
        return Featurized(views, decoded.thumbnail, decoded.hashes)

    async def _map(self, work: _Work) -> tuple[Maps, Region]:
        with _count_outcome(work):
            decoded, [maps] = await self._through(work)
        [(view, seen)] = decoded.seen.items()
        return {tap: cells[:, ::-1] for tap, cells in maps.items()} if view.is_flipped else maps, seen.region

    async def _through(self, work: _Work) -> tuple[Decoded, list[Vectors | Maps]]:
        """Decode an image and run its views through the graph: in one thread if it is alone, or with others."""
        alone = len(self._inside) == 1
        loop = asyncio.get_running_loop()
        result: Vectors | Maps | None = None
        try:
            found = await loop.run_in_executor(self._decoders, self._in_thread, work, alone)
            if isinstance(found, Structure):
                decoded = await loop.run_in_executor(self._apart, self._decode_apart, work, found)
            else:
                decoded, result = found
        except asyncio.CancelledError:
            work.given_up = True
            raise
        if result is not None:
            return decoded, [result]
        wanted = [_wanted(work, decoded.seen[view]) for view in work.views]
        return decoded, await asyncio.gather(*(self._batcher.submit(view, deadline=work.deadline) for view in wanted))

    def _in_thread(self, work: _Work, alone: bool) -> tuple[Decoded, Vectors | Maps | None] | Structure:
        """Decode an image, and run its one view through the graph if it was alone, unless others have come meanwhile.

        Returns the structure alone of an image that is to be decoded in a process of its own.
        """
        _check_deadline(work)
        size = self._preprocessing
        structure = inspect_for(work.content, width=size.width, height=size.height, max_pixels=self._max_image_pixels)
        if not structure.is_light:
            return structure
        with self._light_memory.held(structure.memory_bytes), monitoring.DECODE_SECONDS.time():
            decoded = decode_whole(
                work.content,
                width=size.width,
                height=size.height,
                max_pixels=self._max_image_pixels,
                views=work.views,
                thumbnail=work.thumbnail,
                hashes=work.hashes,
                structure=structure,
            )
        if not alone or work.given_up or work.is_late() or len(work.views) > 1:
            return decoded, None
        return decoded, self._batcher.run_alone(_wanted(work, decoded.seen[work.views[0]]))

    def _decode_apart(self, work: _Work, structure: Structure) -> Decoded:
        _check_deadline(work)
        size = self._preprocessing
        with monitoring.DECODE_SECONDS.time():
            return self._sandbox.decode(
                structure,
                work.content,
                width=size.width,
                height=size.height,
                thumbnail=work.thumbnail,
                hashes=work.hashes,
                views=work.views,
            )

    def _run(self, batch: Sequence[_Wanted]) -> list[Vectors | Maps]:
        """Run a batch through the graph: the images whose vectors are wanted together, and so those of maps.

        Runs in two threads at once.
        """
        started = time.monotonic()
        results: dict[int, Vectors | Maps] = {}
        for maps, compute in ((False, self._network.run), (True, self._network.maps)):
            part = [index for index, item in enumerate(batch) if item.maps == maps]
            if part:
                # Up to the deepest tap that any of the images asks for.
                asked = {tap for index in part for tap in batch[index].taps}
                found = compute(np.stack([batch[index].pixels for index in part]), sorted(asked))
                for row, index in enumerate(part):
                    results[index] = {tap: found[tap][row] for tap in batch[index].taps}
        self._account(started, len(batch))
        return [results[index] for index in range(len(batch))]

    def _account(self, started: float, images: int) -> None:
        """Tell of a batch that has just ended."""
        with self._accounting:
            ended = time.monotonic()
            # Of two batches side by side, one costs what it takes after the end of the other.
            cost = ended - max(started, self._last_end)
            self._last_end = ended
            self._image_seconds += 0.1 * (cost / images - self._image_seconds)
        monitoring.GRAPH_SECONDS.observe(ended - started)
        monitoring.GRAPH_BUSY_SECONDS.inc(cost)
        monitoring.BATCH_IMAGES.observe(images)

    async def stop(self) -> None:
        """Finish what is inside, refuse what comes, and end the threads. Safe to call twice."""
        self._stopping = True
        await asyncio.gather(*self._inside, return_exceptions=True)
        self._idle.stop()
        await self._batcher.stop()
        self._sandbox.close()  # what nobody waits for any more may still be decoded there
        self._apart.shutdown()
        self._decoders.shutdown()


def _wanted(work: _Work, seen: Seen) -> _Wanted:
    return _Wanted(seen.pixels, work.taps, work.maps)


def _check_deadline(work: _Work) -> None:
    if work.is_late():
        raise DeadlinePassedError("The deadline passed before the image was decoded.")
