"""What a stream of examples keeps while it lasts, and what is left of it when it ends."""

import asyncio
import gc
import weakref
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lastlayer.classifier.domain.types import AddedExample, Backbone, NewExample, Tap
from lastlayer.classifier.features.client import Featurized
from lastlayer.classifier.features.ingest import Ingest, Offered, sha256
from lastlayer.classifier.service.handlers import Pools
from lastlayer.rpc.errors import ImageEmptyError, LastlayerError
from lastlayer.rpc.vectors import View

BACKBONE = Backbone("tiny", "a" * 64, (Tap("conv", False, 2),))


class FakeFeaturizer:
    """Refuses what begins with `bad`; waits before it answers where it is told to."""

    def __init__(self) -> None:
        self.views: tuple[View, ...] = (View.CROP,)
        self.calls: list[list[bytes]] = []
        self.asked: list[tuple[View, ...]] = []
        self.vectors: list[weakref.ref[Any]] = []
        self.waiting = 0
        self.two_wait = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def backbone(self, deadline: float | None) -> Backbone:
        return replace(BACKBONE, views=self.views)

    async def featurize(
        self, images: Sequence[bytes], taps: Sequence[str], views: Sequence[View], **_: Any
    ) -> list[Any]:
        self.calls.append(list(images))
        self.asked.append(tuple(views))
        self.waiting += 1
        if self.waiting == 2:
            self.two_wait.set()
        try:
            await self.go_on.wait()
        finally:
            self.waiting -= 1
        return [self._outcome(image) for image in images]

    def _outcome(self, image: bytes) -> Featurized | LastlayerError:
        if image.startswith(b"bad"):
            return ImageEmptyError("The image has no bytes.")
        vector = np.zeros(2, np.float32)
        self.vectors.append(weakref.ref(vector))
        return Featurized({"conv": vector}, b"")


class FakeStore:
    """Stores by content."""

    def __init__(self) -> None:
        self.stored: set[bytes] = set()
        self.views: tuple[View, ...] = ()
        self.counts: dict[str, int] = {}

    def find_featurized(self, backbone: Backbone, contents: Collection[bytes], views: Sequence[View]) -> set[bytes]:
        return self.stored & set(contents)

    def is_multi_label(self, name: str) -> bool | None:
        return None

    def find_views(self, name: str) -> tuple[tuple[View, ...], dict[str, int]]:
        return self.views, self.counts

    def add(
        self, dataset: str, backbone: Backbone, new: Sequence[NewExample], views: Sequence[View], **_: Any
    ) -> list[AddedExample | None]:
        self.stored |= {example.content_sha256 for example in new}
        return [AddedExample(True, (example.label,)) for example in new]


@pytest.fixture
async def pools() -> Any:
    opened = Pools.open()
    yield opened
    await opened.close()


def offered(*contents: bytes) -> list[Offered]:
    return [Offered("name", "label", content, sha256(content)) for content in contents]


def begin(featurizer: FakeFeaturizer, pools: Pools) -> Ingest:
    ingest = Ingest(FakeStore(), featurizer, reads=pools.reads, writes=pools.writes, deadline=None)  # type: ignore[arg-type]
    ingest.begin("d", thumbnails=True)
    return ingest


def alive(references: Sequence["weakref.ref[Any]"]) -> Iterator[Any]:
    gc.collect()
    return (found for reference in references if (found := reference()) is not None)


async def test_a_refused_image_does_not_keep_the_rest_of_its_message(pools: Pools) -> None:
    featurizer = FakeFeaturizer()
    async with begin(featurizer, pools) as ingest:
        prepared = await ingest.prepare(offered(b"good", b"bad", b"fine"))
        outcomes = await ingest.store("d", prepared)
        assert [outcome.error is None for outcome in outcomes] == [True, False, True]
        assert len(featurizer.vectors) == 2
        del prepared, outcomes
        assert list(alive(featurizer.vectors)) == []


async def test_the_same_image_in_messages_side_by_side_is_featurized_once(pools: Pools) -> None:
    featurizer = FakeFeaturizer()
    async with begin(featurizer, pools) as ingest:
        both = await asyncio.gather(ingest.prepare(offered(b"one", b"bad")), ingest.prepare(offered(b"bad", b"two")))
        for prepared in both:
            await ingest.store("d", prepared)
    assert sorted(content for call in featurizer.calls for content in call) == [b"bad", b"one", b"two"]


async def test_nothing_goes_on_when_the_stream_has_ended(pools: Pools) -> None:
    """Also what a message had only begun when the message before it, which it waits for first, was cancelled."""
    featurizer = FakeFeaturizer()
    featurizer.go_on.clear()
    async with begin(featurizer, pools) as ingest:
        messages = [
            asyncio.create_task(ingest.prepare(offered(*contents))) for contents in ((b"a", b"b"), (b"a", b"c", b"d"))
        ]
        await featurizer.two_wait.wait()
        for message in messages:
            message.cancel()
        await asyncio.gather(*messages, return_exceptions=True)
    assert featurizer.waiting == 0


async def test_a_sample_of_a_new_dataset_is_featurized_as_a_whole_too(pools: Pools) -> None:
    featurizer = FakeFeaturizer()
    featurizer.views = (View.CROP, View.WHOLE)
    new = [
        Offered("name", f"class {number % 3}", content, sha256(content))
        for number in range(90)
        if (content := b"%d" % number)
    ]
    async with begin(featurizer, pools) as ingest:
        await ingest.store("d", await ingest.prepare(new))
        await ingest.store("d", await ingest.prepare(offered(b"one more")))
    assert [(len(images), views) for images, views in zip(featurizer.calls, featurizer.asked, strict=True)] == [
        (48, (View.CROP, View.WHOLE)),
        (42, (View.CROP,)),
        (1, (View.CROP, View.WHOLE)),  # of another class
    ]


@pytest.mark.parametrize(
    ("stored", "stated", "counts", "expected"),
    [
        ((), (), {}, (View.CROP, View.WHOLE)),  # a sample
        ((), (), {"label": 500}, (View.CROP,)),
        ((), (View.CROP,), {}, (View.CROP,)),
        ((), (View.WHOLE,), {}, (View.WHOLE,)),
        ((), (View.WHOLE,), {"label": 1}, (View.CROP, View.WHOLE)),  # whose examples have the crop
        ((View.WHOLE,), (), {}, (View.WHOLE,)),
        ((View.WHOLE,), (View.WHOLE, View.CROP), {}, (View.CROP, View.WHOLE)),
    ],
)
async def test_images_have_the_views_of_the_dataset_and_those_that_are_stated(
    pools: Pools,
    stored: tuple[View, ...],
    stated: tuple[View, ...],
    counts: dict[str, int],
    expected: tuple[View, ...],
) -> None:
    featurizer, store = FakeFeaturizer(), FakeStore()
    featurizer.views = (View.CROP, View.WHOLE)
    store.views, store.counts = stored, counts
    async with Ingest(store, featurizer, reads=pools.reads, writes=pools.writes, deadline=None) as ingest:  # type: ignore[arg-type]
        ingest.begin("d", thumbnails=True, views=stated)
        await ingest.prepare(offered(b"one"))
    assert featurizer.asked == [expected]
