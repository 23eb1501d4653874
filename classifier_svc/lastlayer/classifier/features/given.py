"""Takes labelled examples that bring their features into a dataset, and says what became of each."""

import asyncio
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.errors import FeaturizerUnavailableError, one_label_error
from lastlayer.classifier.domain.types import AddedExample, Backbone, NewExample
from lastlayer.classifier.features.client import FeaturizerClient
from lastlayer.classifier.features.ingest import Offered, Outcome, outcome_of
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.rpc.errors import BackboneMismatchError
from lastlayer.rpc.system.workers import Workers


@dataclass(frozen=True)
class Given:
    """Some examples with their features."""

    offered: Sequence[Offered]
    new: Sequence[NewExample]
    """Those of them that are not refused, in their order, as they are stored."""

    @classmethod
    def of(
        cls, offered: Sequence[Offered], vectors: Mapping[str, npt.NDArray[np.float32]] | None, precision: str
    ) -> Self:
        """Return offered examples with their `vectors`: by tap, a row for each of them, float32 [n, d]; None where the
        checksums alone were sent. The `precision` in which they were computed is empty where that is not known.
        """
        taken = [row for row, example in enumerate(offered) if example.error is None]
        if vectors is None:
            return cls(offered, [_new(offered[row], None, "") for row in taken])
        rows = [dict(zip(vectors, row, strict=True)) for row in zip(*vectors.values(), strict=True)]
        return cls(offered, [_new(offered[row], rows[row], precision) for row in taken])

    def outcomes(self, added: Sequence[AddedExample | None]) -> list[Outcome]:
        """Return what became of each of `offered`, where `added` tells it of each of `new`."""
        stored = iter(added)
        return [
            outcome_of(next(stored)) if example.error is None else Outcome(error=example.error)
            for example in self.offered
        ]


def _new(example: Offered, vectors: Mapping[str, npt.NDArray[np.float32]] | None, precision: str) -> NewExample:
    return NewExample(
        name=example.name,
        content_sha256=example.content_sha256,
        label=example.label,
        vectors=vectors,
        precision=precision,
        other_labels=example.other_labels,
    )


class FeatureImport:
    """Takes examples with their features into a dataset, over one stream: all are of one backbone."""

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
        self._store = store
        self._featurizer = featurizer
        self._reads, self._writes = reads, writes
        self._deadline = deadline
        self._lock = asyncio.Lock()
        self._backbone: Backbone | None = None
        self._multi_label: bool | None = None

    async def backbone(self, dataset: str, digest: str) -> Backbone:
        """Return the backbone whose features the stream brings.

        Raises BackboneMismatchError where the dataset has features of another one, or where it is neither served nor
        stored, and DeadlinePassedError. The featurizer may be away where features of the backbone are stored.
        """
        async with self._lock:
            if self._backbone is None:
                self._backbone = await self._find(dataset, digest)
            return self._backbone

    async def _find(self, dataset: str, digest: str) -> Backbone:
        of_dataset, stored = await self._reads.run(self._store.find_backbones, dataset, digest)
        if of_dataset is not None and of_dataset.digest != digest:
            raise BackboneMismatchError(
                f"The dataset `{dataset}` has features of {of_dataset.name} ({of_dataset.digest}), and those that came "
                f"are of another backbone ({digest}); add them to a dataset of their own.",
                expected=of_dataset.digest,
                actual=digest,
            )
        try:
            served = await self._featurizer.backbone(self._deadline)
        except FeaturizerUnavailableError:
            if stored is None:
                raise
            return stored
        if served.digest == digest:  # it may have taps that nothing stored has yet
            return served
        if stored is None:
            raise BackboneMismatchError(
                f"The features that came are of a backbone ({digest}) that is neither stored nor served here: the "
                f"featurizer serves {served.name} ({served.digest}). Serve the one that computed them.",
                expected=served.digest,
                actual=digest,
            )
        return stored

    async def is_multi_label(self, dataset: str, *, wanted: bool) -> bool:
        """Return whether the dataset is multi-label, which one without examples becomes where that is `wanted`.

        The first call decides. Raises InvalidFieldError where it has examples with one label each.
        """
        async with self._lock:
            if self._multi_label is None:
                known = await self._reads.run(self._store.is_multi_label, dataset)
                if wanted and known is False:
                    raise one_label_error(dataset)
                self._multi_label = wanted or bool(known)
            return self._multi_label

    async def store(self, dataset: str, given: Given, backbone: Backbone) -> Sequence[AddedExample | None]:
        """Store examples, which are on disk when this returns; `given.outcomes` says what that makes of each."""
        if not given.new:
            return []
        add = functools.partial(self._store.add, multi_label=bool(self._multi_label))
        return await self._writes.run(add, dataset, backbone, given.new)
