"""Suggests which images of a dataset's pool to label next, out of what is stored."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.domain.types import Candidates, StoredExample
from lastlayer.classifier.training.selection.next_examples import Strategy, choose_next, sample_labelled, sample_pool
from lastlayer.rpc.errors import OverloadedError
from lastlayer.rpc.system.workers import Workers

_SHOWN_CLASSES: Final = 9
"""The most classes that are guessed for an image."""

MAX_WAITING: Final = 8
"""How many calls may be in work or wait for their turn, which takes seconds."""


class Pools(Protocol):
    """What suggestions need of `lastlayer.classifier.store.images.pool.PoolStore`."""

    def candidates(
        self,
        dataset: str,
        sample_pool: Callable[[int, int], Indices],
        sample_labelled: Callable[[Sequence[str]], Indices],
    ) -> Candidates:
        """Return what to choose from."""

    def get(self, dataset: str, contents: Sequence[bytes], *, with_thumbnails: bool) -> dict[bytes, StoredExample]:
        """Return those of the images, by sha256, that are in a dataset's pool."""


@dataclass(frozen=True)
class SuggestedImage:
    """An image of a pool that is worth a label."""

    stored: StoredExample
    guesses: Sequence[tuple[str, float]]
    """The classes that it may be of with their probabilities, the best first; none where there are not yet two."""


@dataclass(frozen=True)
class Suggested:
    """Which images of a pool to label next."""

    images: Sequence[SuggestedImage]
    """The most useful first."""
    strategy: Strategy
    classes: tuple[str, ...]
    """Those of the dataset, in order of first appearance."""
    pool_count: int
    stale_count: int
    """The images of the pool that cannot be suggested, as they lack features of the dataset's backbone."""


class Suggestions:
    """Suggests images."""

    def __init__(self, pools: Pools, workers: Workers) -> None:
        """`workers` read and choose: one at a time, as each has the features of many images in memory."""
        self._pools = pools
        self._workers = workers
        self._waiting = 0

    async def find(self, dataset: str, count: int, *, with_thumbnails: bool) -> Suggested:
        """Return what `choose` does, in its turn; raises OverloadedError where too many wait for theirs."""
        if self._waiting >= MAX_WAITING:
            raise OverloadedError(
                f"{self._waiting} calls wait for images to label; try again in some seconds.", retry_after_s=5
            )
        self._waiting += 1
        cancelled = threading.Event()
        try:
            return await self._workers.run(
                self.choose, dataset, count, with_thumbnails=with_thumbnails, cancelled=cancelled.is_set
            )
        finally:
            self._waiting -= 1
            cancelled.set()  # where the caller has gone, the next one has its turn

    def choose(
        self, dataset: str, count: int, *, with_thumbnails: bool, cancelled: Callable[[], bool] = lambda: False
    ) -> Suggested:
        """Return at most `count` images of a dataset's pool to label next.

        Memory holds the features of the images that `sample_pool` and `sample_labelled` choose, whatever the size of
        the pool. It blocks for seconds. Raises ResourceNotFoundError,
        StoreCorruptError, or TrainingCancelledError.
        """
        found = self._pools.candidates(dataset, sample_pool, sample_labelled)
        if not found.contents:
            return Suggested([], Strategy.TYPICAL, found.classes, found.pool_count, found.stale_count)
        chosen = choose_next(found.features, found.labelled, found.labels, count, cancelled)
        contents = [found.contents[row] for row in chosen.rows]
        stored = self._pools.get(dataset, contents, with_thumbnails=with_thumbnails)
        images = []
        for content, probabilities in zip(contents, chosen.probabilities, strict=True):
            if content not in stored:  # it was labelled or removed a moment ago
                continue
            best = np.argsort(-probabilities, kind="stable")[:_SHOWN_CLASSES]
            guesses = [(chosen.classes[index], float(probabilities[index])) for index in best]
            images.append(SuggestedImage(stored[content], guesses))
        return Suggested(images, chosen.strategy, found.classes, found.pool_count, found.stale_count)
