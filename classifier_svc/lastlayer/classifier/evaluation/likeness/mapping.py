"""Maps a dataset's images: reads their features, lays them out, and marks suspicious labels."""

import asyncio
import enum
import heapq
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lastlayer.classifier.domain.arrays import Array
from lastlayer.classifier.domain.types import StoredExample
from lastlayer.classifier.evaluation.likeness import layout
from lastlayer.classifier.evaluation.likeness.nearest import Vectors, prepare
from lastlayer.classifier.fitting.threads import one_thread
from lastlayer.classifier.store.images.examples import ExampleStore
from lastlayer.classifier.store.vectors.snapshots import Snapshots
from lastlayer.rpc.errors import OverloadedError
from lastlayer.rpc.system.memory import give_back_free_memory
from lastlayer.rpc.system.workers import Workers

_HEARTBEAT_S: Final = 1.0
"""How often progress is told, whether or not there is any, so that callers and proxies know that it goes on."""

_FIRST_BEAT_S: Final = 0.2
"""How long a map may take of which no progress is told."""

_MAX_WAITING: Final = 16
"""How many maps may be made or wait for their turn."""


class Method(enum.Enum):
    """How images are laid out; the values are the names that messages for users have."""

    PCA = "pca"
    NEIGHBOURS = "neighbors"


@dataclass(frozen=True)
class MapRequest:
    """What to map."""

    dataset: str
    method: Method | None
    """None for neighbours where there is a library for that."""
    most: int
    """The most images; of more a sample is laid out."""
    pool: bool
    """Whether images of the pool are laid out, too."""
    model: str
    """Whose suspicious labels are marked; empty for none."""


@dataclass(frozen=True)
class MapProgress:
    """How far a map is."""

    message: str
    fraction: float


@dataclass(frozen=True)
class ExampleMap:
    """Images in two dimensions."""

    examples: Sequence[StoredExample]
    """In order of arrival, those of the pool last; n of them."""
    places: Array
    """float64 [n, 2], from -1 to 1."""
    suggestions: Mapping[bytes, str]
    """What suspicious images would be labelled, by their sha256."""
    method: Method
    example_count: int
    """How many images could have been laid out."""
    stale_count: int
    """How many could not, as they have no features."""


class _CancelledError(Exception):
    """Nobody waits for the map any more."""


Tell = Callable[[str, float], None]
Suggest = Callable[[str, str], Mapping[bytes, str]]
"""Returns what a model would label the suspicious images of a dataset, by their sha256."""


class Maps:
    """Makes maps, one at a time."""

    def __init__(self, snapshots: Snapshots, examples: ExampleStore, suggest: Suggest, workers: Workers) -> None:
        """`workers`, a single thread, make maps."""
        self._snapshots = snapshots
        self._examples = examples
        self._suggest = suggest
        self._workers = workers
        self._waiting = 0

    async def run(self, request: MapRequest) -> AsyncGenerator[MapProgress | ExampleMap]:
        """Yield how far a map is, at least once a second, and last the map.

        Where the iteration ends early the work stops. Raises ResourceNotFoundError where there is no such dataset or
        model, MapNotOfferedError, StoreCorruptError, or OverloadedError where too many maps wait.
        """
        if self._waiting >= _MAX_WAITING:
            raise OverloadedError(f"{self._waiting} maps wait for their turn; try again later.", retry_after_s=30)
        latest = MapProgress("waiting for another map", 0.0)
        cancelled = threading.Event()

        def tell(message: str, fraction: float) -> None:
            nonlocal latest
            if cancelled.is_set():
                raise _CancelledError
            latest = MapProgress(message, max(fraction, latest.fraction))

        self._waiting += 1
        work = asyncio.create_task(self._workers.run(self._make, request, tell))
        try:
            await asyncio.wait([work], timeout=_FIRST_BEAT_S)
            while not work.done():
                yield latest
                await asyncio.wait([work], timeout=_HEARTBEAT_S)
            yield work.result()
        finally:
            cancelled.set()  # the thread ends soon after
            work.cancel()
            self._waiting -= 1

    def _make(self, request: MapRequest, tell: Tell) -> ExampleMap:
        tell("looking the dataset up", 0.0)
        method = request.method
        if method is not Method.PCA:
            method = self._offered(method)
        suggestions = self._suggest(request.model, request.dataset) if request.model else {}
        try:
            # In one thread: the service goes on answering meanwhile.
            with one_thread():
                return self._lay_out(request, method, suggestions, tell)
        finally:
            give_back_free_memory()

    @staticmethod
    def _offered(method: Method | None) -> Method:
        """Return how to lay out where PCA is not asked for; raises MapNotOfferedError where neighbours are, in vain."""
        if method is None and not layout.offers_neighbours():
            return Method.PCA
        layout.import_tsne()
        return Method.NEIGHBOURS

    def _lay_out(self, request: MapRequest, method: Method, suggestions: Mapping[bytes, str], tell: Tell) -> ExampleMap:
        with self._snapshots.open(request.dataset) as snapshot:
            images = snapshot.list_images()
            known = images.contents if request.pool else images.contents[: images.example_count]
            contents = _sample(known, request.most)

            def read() -> Iterator[Vectors]:
                for vectors in snapshot.read_vectors(contents):
                    yield prepare(vectors)

            components = layout.find_components(read, lambda share: tell("reading the features", 0.1 * share))
        if method is Method.NEIGHBOURS and len(contents) >= layout.LEAST_NEIGHBOURED:
            places = layout.place_by_neighbours(
                components, lambda share: tell("laying the images out", 0.1 + 0.9 * share)
            )
        else:
            method, places = Method.PCA, layout.place_by_components(components)
        # Images that were removed meanwhile have no place any more.
        stored = self._examples.get(request.dataset, contents, with_thumbnails=False, with_pool=request.pool)
        kept = [row for row, content in enumerate(contents) if content in stored]
        return ExampleMap(
            [stored[contents[row]] for row in kept],
            places[kept],
            suggestions,
            method,
            len(known),
            images.stale_count + (images.pool_stale_count if request.pool else 0),
        )


def _sample(contents: Sequence[bytes], most: int) -> Sequence[bytes]:
    """Return at most so many images, in their order: those of the least sha256, which are as good as drawn by lot, and
    the same each time, whatever is added to or removed from the others.
    """
    if len(contents) <= most:
        return contents
    bound = heapq.nsmallest(most, contents)[-1]
    return [content for content in contents if content <= bound]
