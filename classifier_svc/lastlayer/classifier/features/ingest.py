"""Takes labelled images into a dataset: featurizes what is new, stores it, and says what became of each."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from lastlayer.classifier.domain.types import AddedExample, Backbone, NewExample
from lastlayer.classifier.features.client import Featurized, FeaturizerClient
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.rpc.errors import LastlayerError
from lastlayer.rpc.system.workers import Workers

_Features = Mapping[bytes, Featurized | LastlayerError]


@dataclass(frozen=True)
class Offered:
    """An example that is offered to a dataset."""

    name: str
    label: str
    """Checked and trimmed; empty where `error` is set."""
    content: bytes
    """Empty where only the checksum was sent."""
    content_sha256: bytes
    error: LastlayerError | None = None
    """Why it cannot be taken, found when it was read."""


@dataclass(frozen=True)
class Outcome:
    """What became of an offered example."""

    is_new: bool = False
    content_needed: bool = False
    labels: tuple[str, ...] = ()
    """All labels that the image has in the dataset, several being a conflict."""
    relabelled: bool = False
    """Whether the image keeps a label that a person chose, in place of the one that was offered."""
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
        self._thumbnails: bool | None = None
        self._store = store
        self._featurizer = featurizer
        self._reads, self._writes = reads, writes
        self._deadline = deadline
        self._backbone: asyncio.Task[Backbone] | None = None
        self._underway: dict[bytes, asyncio.Task[_Features]] = {}  # by sha256: what featurizes the image

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        left = {*self._underway.values(), *([self._backbone] if self._backbone else [])}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def decide_thumbnails(self, *, wanted: bool) -> None:
        """Say whether small pictures of the examples are kept; what the first call says holds for all of the stream."""
        if self._thumbnails is None:
            self._thumbnails = wanted

    async def prepare(self, offered: Sequence[Offered]) -> Prepared:
        """Featurize what is new among some examples.

        An image whose features are stored, for this dataset or another, is not featurized again, and neither is one
        that the stream has just sent. Raises what the featurizer's methods raise.
        """
        backbone = await self._served()
        wanted = {example.content_sha256: example.content for example in offered if example.content}
        stored = await self._reads.run(self._store.find_featurized, backbone, wanted.keys())
        missing = wanted.keys() - stored
        new = [content for content in wanted if content in missing and content not in self._underway]
        if new:
            task = asyncio.create_task(self._featurize(backbone, {content: wanted[content] for content in new}))
            self._underway.update(dict.fromkeys(new, task))
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
        added = await self._writes.run(self._store.add, dataset, await self._served(), new)
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
            takes_thumbnail=bool(self._thumbnails),
            precision=known.precision if known else "",
        )

    async def _served(self) -> Backbone:
        if self._backbone is None:
            self._backbone = asyncio.create_task(self._find_backbone())
        return await self._backbone

    async def _find_backbone(self) -> Backbone:
        backbone = await self._featurizer.backbone(self._deadline)
        if backbone.former_digests:
            await self._writes.run(self._store.adopt, backbone)
        return backbone

    async def _featurize(self, backbone: Backbone, contents: Mapping[bytes, bytes]) -> _Features:
        outcomes = await self._featurizer.featurize(
            list(contents.values()),
            [tap.name for tap in backbone.taps],
            digest=backbone.digest,
            deadline=self._deadline,
            patient=True,
            thumbnails=bool(self._thumbnails),
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
    return Outcome(is_new=added.is_new, labels=added.labels, relabelled=added.relabelled)
