"""Takes images into a dataset or its pool: featurizes what is new, stores it, and says what became of each."""

import asyncio
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from lastlayer.classifier.domain.errors import ViewNotOfferedError, one_label_error
from lastlayer.classifier.domain.types import AddedExample, Backbone, NewExample, PoolSource
from lastlayer.classifier.domain.views import SamplePlaces
from lastlayer.classifier.features.client import Featurized, FeaturizerClient
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.rpc.errors import LastlayerError
from lastlayer.rpc.system.workers import Workers
from lastlayer.rpc.vectors import CROP_ALONE, View

_Features = Mapping[bytes, Featurized | LastlayerError]


@dataclass(frozen=True)
class Offered:
    """An example that is offered to a dataset."""

    name: str
    label: str
    """Checked and trimmed; empty for an image of the pool, where `error` is set, and for one of a multi-label dataset
    that has none."""
    content: bytes
    """Empty where only the checksum was sent."""
    content_sha256: bytes
    error: LastlayerError | None = None
    """Why it cannot be taken, found when it was read."""
    other_labels: tuple[str, ...] = ()
    """Further ones, in a multi-label dataset."""


@dataclass(frozen=True)
class Outcome:
    """What became of an offered example."""

    is_new: bool = False
    content_needed: bool = False
    labels: tuple[str, ...] = ()
    """All labels that the image has in the dataset, several being a conflict unless it is multi-label."""
    relabelled: bool = False
    """Whether the image keeps a label that a person chose, in place of the one that was offered."""
    multi_label: bool = False
    """Whether the dataset is multi-label."""
    error: LastlayerError | None = None


@dataclass(frozen=True)
class Prepared:
    """Some offered examples with all that is needed to store them."""

    offered: Sequence[Offered]
    features: _Features
    """By sha256, of the images whose features were not stored, or why they have none."""


def sha256(content: bytes) -> bytes:
    """Return the checksum by which an image is known, 32 bytes."""
    return hashlib.sha256(content).digest()


@dataclass(frozen=True)
class _Begun:
    """What a stream finds at its start."""

    backbone: Backbone
    """The one that is served."""
    views: tuple[View, ...]
    """Those that its images are featurized in."""
    sample: SamplePlaces | None
    """Which of them are featurized as a whole, too; None where none is."""
    multi_label: bool
    """Whether the dataset is multi-label."""


class Ingest:
    """Takes examples into a dataset, over one stream: all are featurized by the backbone that is served at its start.

    Examples are prepared side by side, and then stored one message after the other: the order in which they came is
    the order of classes, whichever was featurized first. Use it as an asynchronous context manager: what is still in
    work when the block is left is cancelled.
    """

    def __init__(
        self,
        store: DatasetStore,
        featurizer: FeaturizerClient,
        *,
        reads: Workers,
        writes: Workers,
        deadline: float | None,
    ) -> None:
        """`reads` and `writes` call the store; `deadline` is of `time.monotonic()`."""
        self._dataset = ""
        self._thumbnails = False
        self._into_pool = False
        self._source = PoolSource.ADDED
        self._views: tuple[View, ...] = ()
        self._multi_label = False
        self._store = store
        self._featurizer = featurizer
        self._reads, self._writes = reads, writes
        self._deadline = deadline
        self._begun: asyncio.Task[_Begun] | None = None
        self._underway: dict[bytes, asyncio.Task[_Features]] = {}  # by sha256: what featurizes the image

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        begun = [self._begun] if self._begun else []
        for task in (*self._underway.values(), *begun):
            task.cancel()
        await asyncio.gather(*self._underway.values(), *begun, return_exceptions=True)

    @property
    def into_pool(self) -> bool:
        """Whether the images go into the dataset's pool, without a label; known once `begin` was called."""
        return self._into_pool

    def begin(
        self,
        dataset: str,
        *,
        thumbnails: bool,
        views: Sequence[View] = (),
        into_pool: bool = False,
        source: PoolSource = PoolSource.ADDED,
        multi_label: bool = False,
    ) -> None:
        """Say which dataset takes the examples, whether small pictures of them are kept, which views it shall have,
        whether they are for its pool, and how they come there, and whether it shall be multi-label where it has no
        examples yet; what the first call says holds for all of the stream.

        Where there are no `views`, examples have those of the dataset; a sample of what nobody has said any for has the
        whole image, too.
        """
        if self._begun is None:
            self._dataset, self._thumbnails, self._views = dataset, thumbnails, tuple(sorted(set(views)))
            self._into_pool, self._source = into_pool, source
            self._multi_label = multi_label
            self._begun = asyncio.create_task(self._begin())

    async def is_multi_label(self) -> bool:
        """Return whether the dataset is multi-label; raises InvalidFieldError where it shall be, and has examples with
        one label each.
        """
        return (await self._find_begun()).multi_label

    async def prepare(self, offered: Sequence[Offered]) -> Prepared:
        """Featurize what is new among some examples.

        An image whose features are stored, for this dataset or another, is not featurized again, and neither is one
        that the stream has just sent. Raises what the featurizer's methods raise, and ViewNotOfferedError.
        """
        begun = await self._find_begun()
        wanted = {example.content_sha256: example for example in offered if example.content}
        stored = await self._reads.run(self._store.find_featurized, begun.backbone, wanted.keys(), begun.views)
        missing = wanted.keys() - stored
        groups: dict[tuple[View, ...], dict[bytes, bytes]] = {}
        for content, example in wanted.items():
            if content in missing and content not in self._underway:
                sampled = begun.sample is not None and begun.sample.take(example.label)
                views = (*begun.views, View.WHOLE) if sampled else begun.views
                groups.setdefault(views, {})[content] = example.content
        for views, contents in groups.items():
            task = asyncio.create_task(self._featurize(begun.backbone, contents, views))
            self._underway.update(dict.fromkeys(contents, task))
        features: dict[bytes, Featurized | LastlayerError] = {}
        # Not by awaiting each: where this message's caller is cancelled, others may still wait for the same tasks.
        tasks = {self._underway[content] for content in missing}
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION) if tasks else (tasks, None)
        for task in done:
            features.update(task.result())
        return Prepared(offered, {content: features[content] for content in missing})

    async def store(self, dataset: str, prepared: Prepared) -> list[Outcome]:
        """Store prepared examples; those that are not refused are on disk when this returns."""
        taken = [example for example in prepared.offered if _refusal(example, prepared.features) is None]
        new = [self._new(example, prepared.features) for example in taken]
        begun = await self._find_begun()
        add: Callable[..., list[AddedExample | None]] = functools.partial(
            self._store.add, multi_label=begun.multi_label
        )
        if self._into_pool:
            add = functools.partial(self._store.add_to_pool, source=self._source)
        added = await self._writes.run(
            functools.partial(add, stated=self._views), dataset, begun.backbone, new, begun.views
        )
        for content in prepared.features:  # of refused images too: a task keeps the features of its whole message
            if content in self._underway and self._underway[content].done():
                del self._underway[content]
        if any(result is None and example.content for example, result in zip(taken, added, strict=True)):
            # Its features were stored when we looked, and deleted with another dataset since.
            return await self.store(dataset, await self.prepare(prepared.offered))
        results = iter(added)
        return [_refusal(example, prepared.features) or outcome_of(next(results)) for example in prepared.offered]

    def _new(self, example: Offered, features: _Features) -> NewExample:
        found = features.get(example.content_sha256)
        known = found if isinstance(found, Featurized) else None
        return NewExample(
            name=example.name,
            content_sha256=example.content_sha256,
            label=example.label,
            vectors=known.vectors if known else None,
            thumbnail=known.thumbnail if known else b"",
            hashes=known.hashes if known else b"",
            takes_thumbnail=self._thumbnails,
            precision=known.precision if known else "",
            other_labels=example.other_labels,
        )

    async def _find_begun(self) -> _Begun:
        if self._begun is None:
            raise RuntimeError("`begin` comes first")
        return await self._begun

    async def _begin(self) -> _Begun:
        backbone = await self._featurizer.backbone(self._deadline)
        if backbone.former_digests:
            await self._writes.run(self._store.adopt, backbone)
        said, counts = await self._reads.run(self._store.find_views, self._dataset)
        multi_label = await self._reads.run(self._store.is_multi_label, self._dataset)
        if self._multi_label and multi_label is False:
            raise one_label_error(self._dataset)
        views = tuple(sorted({*said, *self._views, *(CROP_ALONE if counts else ())})) or CROP_ALONE
        for view in views:
            if view not in backbone.views:
                raise ViewNotOfferedError(view.label)
        sampled = not said and not self._views and View.WHOLE in backbone.views
        sample = SamplePlaces(counts) if sampled else None
        return _Begun(backbone, views, sample, self._multi_label or bool(multi_label))

    async def _featurize(self, backbone: Backbone, contents: Mapping[bytes, bytes], views: Sequence[View]) -> _Features:
        outcomes = await self._featurizer.featurize(
            list(contents.values()),
            [tap.name for tap in backbone.taps],
            digest=backbone.digest,
            deadline=self._deadline,
            views=views,
            patient=True,
            thumbnails=self._thumbnails,
            hashes=True,
        )
        return dict(zip(contents, outcomes, strict=True))


def _refusal(example: Offered, features: _Features) -> Outcome | None:
    """Return the outcome of an example that cannot be stored, or None where it can."""
    result = example.error or features.get(example.content_sha256)
    return Outcome(error=result) if isinstance(result, LastlayerError) else None


def outcome_of(added: AddedExample | None) -> Outcome:
    """Return what became of an example that was not refused; None is one whose features must be sent."""
    if added is None:
        return Outcome(content_needed=True)
    return Outcome(is_new=added.is_new, labels=added.labels, relabelled=added.relabelled, multi_label=added.multi_label)
