"""The way of an image: admitted, decoded in a thread, batched with others, run through the graph."""

import asyncio
import contextlib
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.backbones.spec import Preprocessing
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.pipeline import monitoring
from lastlayer.featurizer.pipeline.activity import Activity
from lastlayer.featurizer.pipeline.admission import Admission
from lastlayer.featurizer.pipeline.batcher import Batcher
from lastlayer.featurizer.pipeline.budget import ByteBudget
from lastlayer.featurizer.pipeline.checks.structure import LIGHT_BYTES, Structure
from lastlayer.featurizer.pipeline.decoding import Decoded, Region, decode_whole, inspect_for
from lastlayer.featurizer.pipeline.sandbox.pool import Sandbox
from lastlayer.featurizer.pipeline.waiting import WaitEstimate
from lastlayer.rpc.errors import DeadlinePassedError, ImageError, NotReadyError
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
    results: "Sequence[asyncio.Future[Vectors | Maps]]" = ()
    """What its views get, once they have been through the graph."""
    decoded: Decoded = field(init=False)
    """Set before any of the results."""
    left: bool = False
    """Whether it is no longer inside."""

    def is_late(self) -> bool:
        """Return whether the deadline has passed."""
        return self.deadline is not None and self.deadline <= time.monotonic()

    @property
    def given_up(self) -> bool:
        """Whether its caller has gone, which may happen while a thread is at it."""
        return all(result.done() for result in self.results)


class _Wanted(NamedTuple):
    """An image with what is to be computed of it."""

    pixels: npt.NDArray[np.uint8]
    taps: Sequence[str]
    maps: bool
    """Whether the feature maps are wanted, and not the vectors."""


class Network(Protocol):
    """What the pipeline needs of a graph (see `lastlayer.featurizer.network.graph.Graph`), in two threads at once."""

    def run(
        self, images: npt.NDArray[np.uint8], taps: Sequence[str], *, alone: bool
    ) -> Mapping[str, npt.NDArray[np.float32]]:
        """Return float32 [n, d] for each tap of uint8 [n, height, width, 3]; `alone` if nothing else runs meanwhile."""
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
        self._loop = asyncio.get_running_loop()
        self._inside = Activity(give_back_free_memory, after_s=_IDLE_S)
        """Of the views that are to be run: each view of an image is run apart."""
        self._stopping = False
        self._graph_time = monitoring.GraphTime()

    @classmethod
    def from_settings(
        cls, network: Network, preprocessing: Preprocessing, settings: FeaturizerSettings, *, batch_images: int
    ) -> Self:
        """Return a pipeline as the settings have it. `batch_images` run at once if they leave that open. To be made
        where a loop runs.
        """
        return cls(
            network,
            preprocessing,
            max_batch_images=settings.max_batch_images or batch_images,
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
        works = [_Work(image, taps, deadline, views, thumbnail=thumbnails, hashes=hashes) for image in images]
        with contextlib.nullcontext() if wait else self._admit(works, deadline), self._entered(works):
            if len(works) == 1:
                return [await self._featurize_one(works[0], wait=wait)]
            tasks = [asyncio.create_task(self._featurize_one(work, wait=wait)) for work in works]
            try:
                return await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()

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
        work = _Work(image, taps, deadline, (view,), maps=True)
        with self._admit([work], deadline), self._entered([work]), monitoring.count_outcome(work.is_late):
            decoded, [maps] = await self._through(work)
        [(_, seen)] = decoded.seen.items()
        return {tap: cells[:, ::-1] for tap, cells in maps.items()} if view.is_flipped else maps, seen.region

    def _check(self, images: int, deadline: float | None) -> float:
        """Return when a call without room is to come again, in seconds; raises OverloadedError for one that is."""
        before = self._admission.taken
        self._waiting.check(images, before=before, deadline=deadline)
        # By the time that half of the queue is done there is room for most requests.
        retry_after_s = max(0.1, self._graph_time.image_seconds * before / 2)
        self._admission.check(images, retry_after_s=retry_after_s)
        return retry_after_s

    @contextlib.contextmanager
    def _admit(self, works: Sequence[_Work], deadline: float | None) -> Iterator[None]:
        """Hold the places of a call's images while the block lasts."""
        images = sum(len(work.views) for work in works)
        retry_after_s = self._check(images, deadline)
        with (
            self._admission.call(images, retry_after_s=retry_after_s),
            self._waiting.measure(self._admission.taken),
        ):
            yield

    @contextlib.contextmanager
    def _entered(self, works: Sequence[_Work]) -> Iterator[None]:
        """Have images inside until they are done, and none of them after the block."""
        if self._stopping:
            raise NotReadyError("The service is stopping; try again in a moment.")
        self._inside.begin(sum(len(work.views) for work in works))
        try:
            yield
        finally:
            for work in works:
                self._leave(work)

    def _leave(self, work: _Work) -> None:
        if not work.left:
            work.left = True
            self._inside.end(len(work.views))

    async def _featurize_one(self, work: _Work, *, wait: bool) -> Featurized | ImageError:
        try:
            with monitoring.count_outcome(work.is_late):
                async with self._admission.stream_image() if wait else contextlib.nullcontext():
                    decoded, views = await self._through(work)
        except ImageError as error:
            return error
        return Featurized(views, decoded.thumbnail, decoded.hashes)

    async def _through(self, work: _Work) -> tuple[Decoded, list[Vectors | Maps]]:
        """Decode an image and run its views through the graph: in one thread if it is alone, or with others."""
        work.results = [self._loop.create_future() for _ in work.views]
        self._batcher.expect(len(work.views))
        self._decoders.submit(self._decode, work)
        try:
            vectors = [await work.results[0]] if len(work.views) == 1 else await asyncio.gather(*work.results)
        finally:
            for result in work.results:
                result.cancel()
            self._leave(work)
        return work.decoded, vectors

    def _decode(self, work: _Work) -> None:
        """Decode an image in this thread, and have its views run through the graph; what is large or unusual goes to a
        process of its own.
        """
        with self._reporting(work):
            found: Decoded | Structure | None = None
            try:
                found = self._decode_if_light(work)
            finally:
                if not isinstance(found, Decoded):  # for what takes long the batches of others do not wait
                    self._batcher.forget(len(work.views))
            if isinstance(found, Structure):
                self._apart.submit(self._decode_apart, work, found)
            else:
                self._submit(work, found)

    def _decode_if_light(self, work: _Work) -> Decoded | Structure:
        """Decode an image, or return the structure of one that is not to be decoded in this process."""
        _check_wanted(work)
        size = self._preprocessing
        structure = inspect_for(work.content, width=size.width, height=size.height, max_pixels=self._max_image_pixels)
        if not structure.is_light:
            return structure
        with self._light_memory.held(structure.memory_bytes), monitoring.DECODE_SECONDS.time():
            return decode_whole(
                work.content,
                width=size.width,
                height=size.height,
                max_pixels=self._max_image_pixels,
                views=work.views,
                thumbnail=work.thumbnail,
                hashes=work.hashes,
                structure=structure,
            )

    def _decode_apart(self, work: _Work, structure: Structure) -> None:
        """Decode an image in a process of its own, for which this thread waits."""
        with self._reporting(work):
            _check_wanted(work)
            size = self._preprocessing
            with monitoring.DECODE_SECONDS.time():
                decoded = self._sandbox.decode(
                    structure,
                    work.content,
                    width=size.width,
                    height=size.height,
                    thumbnail=work.thumbnail,
                    hashes=work.hashes,
                    views=work.views,
                )
            self._batcher.expect(len(work.views))
            self._submit(work, decoded)

    def _submit(self, work: _Work, decoded: Decoded) -> None:
        work.decoded = decoded
        wanted = [_Wanted(decoded.seen[view].pixels, work.taps, work.maps) for view in work.views]
        self._batcher.submit(wanted, work.results, deadline=work.deadline)

    @contextlib.contextmanager
    def _reporting(self, work: _Work) -> Iterator[None]:
        """Hand what fails within the block to who waits for the image."""
        try:
            yield
        except Exception as error:
            self._loop.call_soon_threadsafe(_set_exception, work.results[0], error)

    def _run(self, batch: Sequence[_Wanted], alone: bool) -> list[Vectors | Maps]:
        """Run a batch through the graph: the images whose vectors are wanted together, and so those of maps.

        Runs in three threads at once.
        """
        results: dict[int, Vectors | Maps] = {}
        run = functools.partial(self._network.run, alone=alone)
        with self._graph_time.measure(len(batch)):
            for maps, compute in ((False, run), (True, self._network.maps)):
                part = [index for index, item in enumerate(batch) if item.maps == maps]
                if part:
                    # Up to the deepest tap that any of the images asks for.
                    asked = {tap for index in part for tap in batch[index].taps}
                    found = compute(np.stack([batch[index].pixels for index in part]), sorted(asked))
                    for row, index in enumerate(part):
                        results[index] = {tap: found[tap][row] for tap in batch[index].taps}
        return [results[index] for index in range(len(batch))]

    async def stop(self) -> None:
        """Finish what is inside, refuse what comes, and end the threads. Safe to call twice."""
        self._stopping = True
        await self._inside.wait()
        self._inside.stop()
        await self._batcher.stop()
        self._sandbox.close()  # what nobody waits for any more may still be decoded there
        self._apart.shutdown()
        self._decoders.shutdown()


def _set_exception(result: "asyncio.Future[Vectors | Maps]", error: Exception) -> None:
    if not result.done():
        result.set_exception(error)


def _check_wanted(work: _Work) -> None:
    """Raise where nobody waits for an image any more."""
    if work.given_up or work.is_late():
        raise DeadlinePassedError("The deadline passed before the image was decoded.")
