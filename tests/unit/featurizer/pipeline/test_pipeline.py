"""The way of an image with a scripted network: its own error or vectors, room, deadlines, callers that go."""

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from prometheus_client import REGISTRY

from lastlayer.featurizer.backbones.spec import Preprocessing
from lastlayer.featurizer.errors import ImageUndecodableError
from lastlayer.featurizer.pipeline.checks.structure import Structure
from lastlayer.featurizer.pipeline.decoding import Decoded, decode_whole, inspect_for
from lastlayer.featurizer.pipeline.pipeline import Featurized, Pipeline
from lastlayer.featurizer.pipeline.sandbox.pool import Sandbox
from lastlayer.rpc.errors import DeadlinePassedError, ImageEmptyError, ImageError, NotReadyError, OverloadedError
from lastlayer.rpc.vectors import View

LONG_S = 30.0
"""How long a test waits for what must come; nothing waits for this to pass."""

IDLE_S = 0.02
"""After how long without images memory is given back in tests."""


class FakeNetwork:
    """Its tap `level` is the mean of red, `area` the number of pixels; a map is red itself.

    Waits inside for as long as it is held.
    """

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.runs: list[tuple[int, tuple[str, ...]]] = []
        self.alone: list[bool] = []
        self.mapped: list[tuple[int, tuple[str, ...]]] = []
        self._entered = threading.Semaphore(0)
        self._free = threading.Event()
        self._free.set()

    def hold(self) -> None:
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    async def entered(self) -> None:
        assert await asyncio.to_thread(self._entered.acquire, timeout=LONG_S)

    def run(
        self, images: npt.NDArray[np.uint8], taps: Sequence[str], *, alone: bool
    ) -> Mapping[str, npt.NDArray[np.float32]]:
        self.runs.append((len(images), tuple(taps)))
        self.alone.append(alone)
        self._wait()
        every = {
            "level": images[..., 0].mean((1, 2))[:, None].astype(np.float32),
            "area": np.full((len(images), 1), images[0, ..., 0].size, np.float32),
        }
        return {tap: every[tap] for tap in taps}

    def maps(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> Mapping[str, npt.NDArray[np.float32]]:
        self.mapped.append((len(images), tuple(taps)))
        self._wait()
        return {tap: images[..., :1].astype(np.float32) for tap in taps}

    def _wait(self) -> None:
        self.threads.append(threading.current_thread().name)
        self._entered.release()
        assert self._free.wait(LONG_S)


@pytest.fixture
def network() -> FakeNetwork:
    return FakeNetwork()


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Return what is released each time that memory is given back."""
    times = threading.Semaphore(0)
    monkeypatch.setattr("lastlayer.featurizer.pipeline.pipeline.give_back_free_memory", times.release)
    monkeypatch.setattr("lastlayer.featurizer.pipeline.pipeline._IDLE_S", IDLE_S)
    return times


@pytest.fixture
async def pipeline(network: FakeNetwork, given_back: threading.Semaphore) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline(
        network,
        Preprocessing(width=4, height=2, mean=(0, 0, 0), scale=1),
        max_batch_images=6,
        max_queued_images=6,
        max_image_pixels=1000,
        decode_threads=2,
    )
    yield pipeline
    network.release()
    await pipeline.stop()


def photo(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (10, 10), (level, 0, 0)).save(file, "PNG")
    return file.getvalue()


def levels(outcomes: Sequence[Featurized | ImageError]) -> list[float]:
    return [float(outcome.vectors["level"][0]) for outcome in outcomes if isinstance(outcome, Featurized)]


async def begun(
    pipeline: Pipeline, *images: bytes, deadline: float | None = None, wait: bool = False
) -> "asyncio.Task[list[Featurized | ImageError]]":
    """Ask for the level of some images and return once they are admitted, or wait."""
    task = asyncio.create_task(pipeline.featurize(images, ["level"], deadline=deadline, wait=wait))
    await asyncio.sleep(0)
    return task


async def busy(pipeline: Pipeline, network: FakeNetwork) -> "asyncio.Future[Any]":
    """Occupy the graph with three batches, so that there is no room, until it is released."""
    network.hold()
    tasks = []
    for _ in range(3):
        tasks.append(await begun(pipeline, photo(0)))
        await network.entered()
    return asyncio.gather(*tasks)


async def test_vectors_come_in_the_order_of_the_images(pipeline: Pipeline) -> None:
    images = [photo(level) for level in (10, 20, 30, 40, 50)]
    outcomes = await pipeline.featurize(images, ["area", "level"], deadline=None, wait=False)
    assert levels(outcomes) == [10, 20, 30, 40, 50]
    assert all(outcome.vectors["area"].tolist() == [8] for outcome in outcomes if isinstance(outcome, Featurized))


async def test_a_bad_image_fails_alone(pipeline: Pipeline) -> None:
    outcomes = await pipeline.featurize([photo(1), b"", b"<html>", photo(2)], ["level"], deadline=None, wait=False)
    assert levels(outcomes) == [1, 2]
    assert isinstance(outcomes[1], ImageEmptyError)
    assert isinstance(outcomes[2], ImageUndecodableError)


async def test_callers_with_different_taps_share_a_batch(pipeline: Pipeline, network: FakeNetwork) -> None:
    first = await busy(pipeline, network)
    second = asyncio.create_task(pipeline.featurize([photo(1)], ["area"], deadline=None, wait=False))
    third = await begun(pipeline, photo(2))
    # A call that fails to decode is through when those before it, which take one of two threads each, are as well.
    for _ in range(2):
        await pipeline.featurize([b""], ["level"], deadline=None, wait=False)
    network.release()
    await first
    assert [set(outcome.vectors) for outcome in await second if isinstance(outcome, Featurized)] == [{"area"}]
    assert levels(await third) == [2]
    assert network.runs == [(1, ("level",))] * 3 + [(2, ("area", "level"))]


async def test_calls_without_room_are_refused_while_streams_wait(pipeline: Pipeline, network: FakeNetwork) -> None:
    network.hold()
    first = await begun(pipeline, *(photo(level) for level in range(6)))
    with pytest.raises(OverloadedError) as caught:
        await pipeline.featurize([photo(9)], ["level"], deadline=None, wait=False)
    assert 0 < caught.value.retry_after_s < 60
    with pytest.raises(OverloadedError):  # which can be known before its request is received
        pipeline.check_room(None)
    stream = await begun(pipeline, *(photo(level) for level in range(100, 140)), wait=True)
    network.release()
    assert levels(await first) == [0, 1, 2, 3, 4, 5]
    assert levels(await stream) == list(range(100, 140))
    pipeline.check_room(None)
    assert levels(await pipeline.featurize([photo(9)], ["level"], deadline=None, wait=False)) == [9]


async def test_a_deadline_that_has_passed_costs_no_work(pipeline: Pipeline, network: FakeNetwork) -> None:
    with pytest.raises(DeadlinePassedError, match="before the image was decoded"):
        await pipeline.featurize([photo(1)], ["level"], deadline=time.monotonic(), wait=False)
    assert network.runs == []


async def test_a_lone_image_stays_in_its_thread(pipeline: Pipeline, network: FakeNetwork) -> None:
    await pipeline.featurize([photo(1)], ["level"], deadline=None, wait=False)
    await pipeline.feature_maps(photo(1), ["level"], deadline=None)
    assert all(thread.startswith("decode") for thread in network.threads)
    assert network.alone == [True]


class HeldDecoder:
    """Decodes the first image once it is let go on, and others at once."""

    def __init__(self) -> None:
        self._entered = threading.Event()
        self._free = threading.Event()

    def __call__(self, content: bytes, **options: Any) -> Decoded:
        if not self._entered.is_set():
            self._entered.set()
            assert self._free.wait(LONG_S)
        return decode_whole(content, **options)

    def release(self) -> None:
        self._free.set()

    async def entered(self) -> None:
        assert await asyncio.to_thread(self._entered.wait, LONG_S)


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> HeldDecoder:
    decoder = HeldDecoder()
    monkeypatch.setattr("lastlayer.featurizer.pipeline.pipeline.decode_whole", decoder)
    return decoder


async def test_a_lone_caller_that_goes_during_decoding_costs_no_graph(
    pipeline: Pipeline, network: FakeNetwork, decoder: HeldDecoder
) -> None:
    gone = await begun(pipeline, photo(1))
    await decoder.entered()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    decoder.release()
    await pipeline.stop()
    assert network.runs == []


async def test_a_deadline_that_passes_during_decoding_costs_no_graph(
    pipeline: Pipeline, network: FakeNetwork, decoder: HeldDecoder
) -> None:
    deadline = time.monotonic() + 1  # long enough to begin, even on a busy machine
    late = await begun(pipeline, photo(1), deadline=deadline)
    await decoder.entered()
    await asyncio.sleep(max(0.0, deadline - time.monotonic()) + 0.01)
    decoder.release()
    with pytest.raises(DeadlinePassedError, match="before the work was begun"):
        await late
    assert network.runs == []


async def test_an_image_that_is_no_longer_alone_after_decoding_goes_with_the_others(
    pipeline: Pipeline, network: FakeNetwork, decoder: HeldDecoder
) -> None:
    network.hold()
    slow = await begun(pipeline, photo(1))
    await decoder.entered()
    quick = await begun(pipeline, photo(2))
    await network.entered()
    decoder.release()
    await network.entered()
    network.release()
    assert (levels(await slow), levels(await quick)) == ([1], [2])
    assert network.alone == [False, False]
    assert all(thread.startswith("graph") for thread in network.threads)


async def test_an_image_that_is_decoded_apart_keeps_nobody_waiting(
    pipeline: Pipeline, network: FakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy, sandbox = photo(1), HeldDecoder()

    def inspect(content: bytes, **options: Any) -> Structure:
        structure = inspect_for(content, **options)
        return structure._replace(is_light=content != heavy)

    def decode(_: Sandbox, _structure: Structure, content: bytes, **options: Any) -> Decoded:
        return sandbox(content, max_pixels=1000, **options)

    monkeypatch.setattr("lastlayer.featurizer.pipeline.pipeline.inspect_for", inspect)
    monkeypatch.setattr(Sandbox, "decode", decode)
    slow = await begun(pipeline, heavy)
    await sandbox.entered()
    assert levels(await pipeline.featurize([photo(2)], ["level"], deadline=None, wait=False)) == [2]
    assert network.alone == [True]  # so it had all processors, and did not wait for the heavy one
    sandbox.release()
    assert levels(await slow) == [1]
    assert network.alone == [True, True]


async def test_memory_is_given_back_once_nothing_was_inside_for_a_while(
    pipeline: Pipeline, network: FakeNetwork, given_back: threading.Semaphore
) -> None:
    network.hold()
    first = await begun(pipeline, photo(0))
    await network.entered()
    assert not await asyncio.to_thread(given_back.acquire, timeout=5 * IDLE_S)  # something is inside
    network.release()
    await first
    assert await asyncio.to_thread(given_back.acquire, timeout=LONG_S)
    assert not await asyncio.to_thread(given_back.acquire, timeout=5 * IDLE_S)  # once is enough


async def test_a_caller_that_goes_gives_its_places_back(pipeline: Pipeline, network: FakeNetwork) -> None:
    network.hold()
    first = await begun(pipeline, photo(0))
    await network.entered()
    gone = await begun(pipeline, *(photo(level) for level in range(1, 6)))
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    network.release()
    assert levels(await first) == [0]
    assert levels(await pipeline.featurize([photo(9)] * 6, ["level"], deadline=None, wait=False)) == [9] * 6
    assert sum(images for images, _ in network.runs) == 7


async def test_stop_finishes_what_is_inside_and_refuses_what_comes(pipeline: Pipeline, network: FakeNetwork) -> None:
    network.hold()
    call = await begun(pipeline, *(photo(level) for level in range(6)))
    stream = await begun(pipeline, *(photo(level) for level in range(100, 120)), wait=True)
    stopping = asyncio.create_task(pipeline.stop())
    await network.entered()
    network.release()
    await stopping
    assert levels(await call) == [0, 1, 2, 3, 4, 5]
    assert levels(await stream) == list(range(100, 120))
    with pytest.raises(NotReadyError):
        await pipeline.featurize([photo(1)], ["level"], deadline=None, wait=False)


async def test_the_time_of_batches_side_by_side_counts_once(pipeline: Pipeline, network: FakeNetwork) -> None:
    def busy_seconds() -> float:
        return REGISTRY.get_sample_value("featurizer_graph_busy_seconds_total") or 0.0

    before, started = busy_seconds(), time.monotonic()
    network.hold()
    first = await begun(pipeline, photo(0))
    await network.entered()
    rest = await begun(pipeline, photo(1), photo(2))
    await network.entered()
    await asyncio.sleep(0.05)
    network.release()
    await asyncio.gather(first, rest)
    assert 0.05 <= busy_seconds() - before <= time.monotonic() - started


async def test_maps_and_the_region_that_they_cover(pipeline: Pipeline, network: FakeNetwork) -> None:
    maps, region = await pipeline.feature_maps(photo(7), ["level"], deadline=None)
    assert maps["level"].tolist() == [[[7.0]] * 4] * 2
    assert region == (0, 0.25, 1, 0.75)
    assert (network.mapped, network.runs) == ([(1, ("level",))], [])


def strip() -> bytes:
    """Return an image that is 0 at its left, 100 in its middle, where the crop is, and 245 at its right."""
    file = io.BytesIO()
    image = Image.new("RGB", (24, 4))
    image.paste((100, 0, 0), (8, 0, 16, 4))
    image.paste((245, 0, 0), (16, 0, 24, 4))
    image.save(file, "PNG")
    return file.getvalue()


async def test_an_image_is_decoded_once_and_the_graph_runs_for_each_view(
    pipeline: Pipeline, network: FakeNetwork
) -> None:
    views = [View.WHOLE, View.CROP]
    [found] = await pipeline.featurize([strip()], ["level"], deadline=None, wait=False, views=views)
    assert isinstance(found, Featurized)
    whole, crop = (float(vectors["level"][0]) for vectors in found.views)
    assert whole == pytest.approx(115, abs=5)
    assert crop == pytest.approx(100, abs=9)
    assert sum(images for images, _ in network.runs) == 2


async def test_maps_of_a_mirrored_view_are_as_the_image_is(pipeline: Pipeline) -> None:
    for view in (View.WHOLE, View.WHOLE_FLIPPED):
        maps, region = await pipeline.feature_maps(strip(), ["level"], deadline=None, view=view)
        row = maps["level"][0, :, 0]
        assert row[0] < row[1] < row[2] < row[3]
        assert region == (0, 0, 1, 1)


async def test_each_view_takes_a_place(pipeline: Pipeline) -> None:
    with pytest.raises(OverloadedError):
        await pipeline.featurize([photo(1)] * 4, ["level"], deadline=None, wait=False, views=[View.CROP, View.WHOLE])


async def test_maps_and_vectors_share_a_batch(pipeline: Pipeline, network: FakeNetwork) -> None:
    first = await busy(pipeline, network)
    mapped = asyncio.create_task(pipeline.feature_maps(photo(1), ["level"], deadline=None))
    second = await begun(pipeline, photo(2))
    for _ in range(2):  # as above: those before them are decoded
        await pipeline.featurize([b""], ["level"], deadline=None, wait=False)
    network.release()
    await first
    maps, _ = await mapped
    assert maps["level"].mean() == 1
    assert levels(await second) == [2]


async def test_maps_fail_as_vectors_do(pipeline: Pipeline, network: FakeNetwork) -> None:
    with pytest.raises(ImageUndecodableError):
        await pipeline.feature_maps(b"<html>", ["level"], deadline=None)
    with pytest.raises(DeadlinePassedError):
        await pipeline.feature_maps(photo(1), ["level"], deadline=time.monotonic())
    network.hold()
    full = await begun(pipeline, *(photo(level) for level in range(6)))
    with pytest.raises(OverloadedError):
        await pipeline.feature_maps(photo(1), ["level"], deadline=None)
    network.release()
    await full
    assert network.mapped == []


async def test_a_caller_that_waits_for_maps_and_goes_gives_its_place_back(
    pipeline: Pipeline, network: FakeNetwork
) -> None:
    first = await busy(pipeline, network)
    gone = asyncio.create_task(pipeline.feature_maps(photo(1), ["level"], deadline=None))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    network.release()
    await first
    assert levels(await pipeline.featurize([photo(9)] * 6, ["level"], deadline=None, wait=False)) == [9] * 6
    assert network.mapped == []


async def test_stop_finishes_maps_and_refuses_further_ones(pipeline: Pipeline, network: FakeNetwork) -> None:
    network.hold()
    mapped = asyncio.create_task(pipeline.feature_maps(photo(3), ["level"], deadline=None))
    await network.entered()
    stopping = asyncio.create_task(pipeline.stop())
    network.release()
    await stopping
    maps, _ = await mapped
    assert maps["level"].mean() == 3
    with pytest.raises(NotReadyError):
        await pipeline.feature_maps(photo(3), ["level"], deadline=None)


def outcomes() -> dict[str, float]:
    """Return how many images ended in which way so far."""
    return {
        sample.labels["outcome"]: sample.value
        for metric in REGISTRY.collect()
        if metric.name == "featurizer_images"
        for sample in metric.samples
        if sample.name == "featurizer_images_total"
    }


def since(before: dict[str, float]) -> dict[str, float]:
    return {kind: value - before.get(kind, 0) for kind, value in outcomes().items() if value != before.get(kind, 0)}


async def test_every_image_is_counted_by_how_it_ended(pipeline: Pipeline, network: FakeNetwork) -> None:
    before = outcomes()
    await pipeline.featurize([photo(1), b"", b"<html>"], ["level"], deadline=None, wait=False)
    await pipeline.feature_maps(photo(1), ["level"], deadline=None)
    assert since(before) == {"done": 2, "image_empty": 1, "image_undecodable": 1}


@pytest.mark.parametrize("wait", [False, True])
async def test_images_that_are_dropped_for_their_deadline_are_counted(pipeline: Pipeline, wait: bool) -> None:
    before = outcomes()
    with pytest.raises(DeadlinePassedError):
        await pipeline.featurize([photo(1), photo(2), photo(3)], ["level"], deadline=time.monotonic(), wait=wait)
    with pytest.raises(DeadlinePassedError):
        await pipeline.feature_maps(photo(1), ["level"], deadline=time.monotonic())
    await pipeline.stop()
    assert since(before) == {"deadline_passed": 4}


async def test_images_that_wait_for_the_graph_until_their_deadline_are_counted(
    pipeline: Pipeline, network: FakeNetwork
) -> None:
    before = outcomes()
    first = await busy(pipeline, network)
    deadline = time.monotonic() + 0.5
    late = await begun(pipeline, photo(1), deadline=deadline)
    await asyncio.sleep(max(0.0, deadline - time.monotonic()) + 0.01)
    network.release()
    await first
    with pytest.raises(DeadlinePassedError, match="before the work was begun"):
        await late
    assert since(before) == {"done": 3, "deadline_passed": 1}


async def test_images_of_a_caller_that_has_gone_are_counted(pipeline: Pipeline, network: FakeNetwork) -> None:
    before = outcomes()
    network.hold()
    gone = await begun(pipeline, photo(0), photo(1))
    await network.entered()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    network.release()
    await pipeline.stop()
    assert since(before) == {"cancelled": 2}


async def test_a_call_that_cannot_be_done_by_its_deadline_is_refused_at_once(network: FakeNetwork) -> None:
    pipeline = Pipeline(
        network,
        Preprocessing(width=4, height=2, mean=(0, 0, 0), scale=1),
        max_batch_images=8,
        max_queued_images=512,
        max_image_pixels=1000,
        decode_threads=2,
    )
    many = [photo(level) for level in range(8)]
    try:
        network.hold()
        first = asyncio.create_task(pipeline.featurize(many, ["level"], deadline=None, wait=False))
        await network.entered()
        await asyncio.sleep(2)  # so much it takes at least
        network.release()
        await first
        network.hold()
        second = asyncio.create_task(pipeline.featurize(many, ["level"], deadline=None, wait=False))
        await network.entered()
        deadline = time.monotonic() + 1  # between the two is room for a busy machine
        with pytest.raises(OverloadedError, match="too long for this call") as caught:
            await pipeline.featurize([photo(9)], ["level"], deadline=deadline, wait=False)
        assert caught.value.retry_after_s >= 0.1
        # Who has more time is let in.
        third = asyncio.create_task(
            pipeline.featurize([photo(9)], ["level"], deadline=time.monotonic() + 600, wait=False)
        )
        network.release()
        assert levels(await third) == [9]
        assert len(levels(await second)) == 8
    finally:
        network.release()
        await pipeline.stop()
