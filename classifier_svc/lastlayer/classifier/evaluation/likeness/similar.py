"""Finds the stored images that are most like an image."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lastlayer.classifier.domain.types import StoredExample
from lastlayer.classifier.domain.views import mean_over
from lastlayer.classifier.evaluation.likeness.collection import Collections
from lastlayer.classifier.evaluation.likeness.nearest import Vectors, prepare
from lastlayer.classifier.features.client import FeaturizerClient
from lastlayer.classifier.store.images.examples import ExampleStore, Selector
from lastlayer.classifier.store.vectors.snapshots import Snapshots, Source
from lastlayer.rpc.errors import BackboneMismatchError, LastlayerError, OverloadedError
from lastlayer.rpc.system.workers import Workers

_MAX_WAITING: Final = 64
"""How many searches may wait for their turn: one after the other, as each may read a dataset into memory."""


@dataclass(frozen=True)
class SimilarQuery:
    """What to find images like: an image, or else a stored example."""

    dataset: str
    image: bytes | None
    example: Selector
    count: int
    label: str
    """Only images that have it; all where empty."""
    pool: bool
    """Whether images of the pool are found, too."""
    with_thumbnails: bool


@dataclass(frozen=True)
class SimilarExample:
    """A stored image that resembles another one."""

    stored: StoredExample
    distance: float
    """1 minus the cosine of the vectors, as `nearest.prepare` makes them."""


@dataclass(frozen=True)
class SimilarExamples:
    """The nearest images."""

    examples: Sequence[SimilarExample]
    """The nearest first."""
    compared_count: int = 0
    stale_count: int = 0
    """How many images have no features that could be compared."""


class Similar:
    """Searches datasets."""

    def __init__(
        self,
        snapshots: Snapshots,
        examples: ExampleStore,
        featurizer: FeaturizerClient,
        *,
        reads: Workers,
        searches: Workers,
    ) -> None:
        """`reads` look datasets up; `searches`, a single thread, searches them."""
        self._snapshots = snapshots
        self._examples = examples
        self._featurizer = featurizer
        self._reads = reads
        self._searches = searches
        self._stopping = threading.Event()
        self._collections = Collections(snapshots, self._stopping.is_set)
        self._waiting = 0

    def stop(self) -> None:
        """End the search that runs: it may be reading a dataset, for a minute."""
        self._stopping.set()

    async def find(self, query: SimilarQuery, *, deadline: float | None) -> SimilarExamples:
        """Return the images that are most like what a query names.

        Where the caller goes away while a dataset is read into memory, that goes on: it is there at the next call.
        Raises ResourceNotFoundError, InvalidFieldError for an example that is ambiguous, BackboneMismatchError where
        the dataset's features are of another backbone than the image's, an image's own error, OverloadedError, and what
        `FeaturizerClient.featurize` raises.
        """
        if self._waiting >= _MAX_WAITING:
            raise OverloadedError(f"{self._waiting} searches wait for their turn; try again later.", retry_after_s=1)
        self._waiting += 1
        try:
            if query.image is None:
                return await self._searches.run(self._search_by_example, query)
            source = await self._reads.run(self._find_source, query.dataset)
            if source is None:
                return SimilarExamples([])
            vector = await self._featurize(query.dataset, source, query.image, deadline)
            return await self._searches.run(self._search, query, source, vector)
        finally:
            self._waiting -= 1

    def _find_source(self, dataset: str) -> Source | None:
        with self._snapshots.open(dataset) as snapshot:
            return snapshot.source

    async def _featurize(self, dataset: str, source: Source, image: bytes, deadline: float | None) -> Vectors:
        digest, tap = source.backbone.digest, source.tap.name
        try:
            [outcome] = await self._featurizer.featurize(
                [image], [tap], digest=digest, deadline=deadline, views=[source.view], patient=True
            )
        except BackboneMismatchError as error:
            actual = error.metadata["actual"]
            reason = (
                f"the featurizer serves another backbone ({actual}); serve {source.backbone.name}, or add the images "
                "of the dataset again."
            )
            raise _mismatch(dataset, source, reason, actual) from error
        if isinstance(outcome, LastlayerError):
            raise outcome
        vectors = mean_over(outcome.vectors, tap, [source.view])
        vector: Vectors = prepare(vectors[None])[0]
        return vector

    def _search_by_example(self, query: SimilarQuery) -> SimilarExamples:
        content = self._examples.find(query.dataset, query.example, "example")
        return self._search(query, None, None, content)

    def _search(
        self, query: SimilarQuery, source: Source | None, vector: Vectors | None, content: bytes = b""
    ) -> SimilarExamples:
        """Search by a vector of a source, or by that of a stored image."""
        with self._collections.open(query.dataset) as collection:
            if collection is None:
                return SimilarExamples([])
            if vector is None:
                vector = collection.find(content)
            elif collection.source != source:
                vector = None
            if vector is None:
                raise _mismatch(query.dataset, collection.source, "the image has none of it; add it again.")
            candidates = collection.candidates(label=query.label, pool=query.pool, without=content)
            found = collection.search(vector, candidates, query.count)
            contents = [collection.contents[row] for row in found.rows]
            stale_count = collection.count_stale(pool=query.pool)
        stored = self._examples.get(query.dataset, contents, with_thumbnails=query.with_thumbnails, with_pool=True)
        return SimilarExamples(
            [
                SimilarExample(stored[content], float(distance))
                for content, distance in zip(contents, found.distances, strict=True)
                if content in stored  # it may have been removed since
            ],
            int(candidates.sum()),
            stale_count,
        )


def _mismatch(dataset: str, source: Source, reason: str, actual: str = "") -> BackboneMismatchError:
    name, digest = source.backbone.name, source.backbone.digest
    text = f"The dataset `{dataset}` has features of {name} ({digest}), but {reason}"
    return BackboneMismatchError(text, expected=digest, actual=actual)
