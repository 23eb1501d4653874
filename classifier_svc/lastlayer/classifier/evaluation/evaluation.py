"""Evaluates a version on labelled images that come a few at a time, in bounded memory."""

import asyncio
import contextlib
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import Predicted, ServedVersion, TapExamples, Version
from lastlayer.classifier.evaluation.likeness.near_duplicates import (
    BLOCK,
    EvaluatedBlock,
    NearDuplicate,
    find_near_duplicates,
)
from lastlayer.classifier.evaluation.metrics import Metrics
from lastlayer.classifier.evaluation.out_of_fold import OutOfFold
from lastlayer.classifier.evaluation.tally import EvaluationTally, select_trained_on
from lastlayer.rpc.errors import InvalidFieldError, LastlayerError
from lastlayer.rpc.system.workers import Workers
from lastlayer.rpc.vectors import View

MOST_NAMED: Final = 100
"""How many near duplicates a report names."""


class Predictor(Protocol):
    """What an evaluation needs of `lastlayer.classifier.prediction.predictor.Predictor`."""

    async def version(self, model: str, number: int) -> tuple[ServedVersion, Head]:
        """Return a version with its head."""

    async def predict(
        self,
        version: ServedVersion,
        head: Head,
        images: Sequence[bytes],
        *,
        deadline: float | None,
        patient: bool = False,
        hashes: bool = False,
    ) -> list[Predicted | LastlayerError]:
        """Return what a version makes of each image, or why nothing."""


class Datasets(Protocol):
    """What an evaluation needs of `lastlayer.classifier.store.datasets.DatasetStore`."""

    def tap_blocks(
        self, name: str, digest: str, tap: str, size: int, views: Sequence[View]
    ) -> Generator[TapExamples, None, None]:
        """Yield the examples that training uses, `size` at a time."""


class Models(Protocol):
    """What an evaluation needs of `lastlayer.classifier.store.models.ModelStore`."""

    def get_version(self, model: str, number: int) -> Version:
        """Return a version."""

    def held_out(self, key: int) -> bytes | None:
        """Return the out-of-fold results of a version."""


@dataclass(frozen=True)
class LabelledImage:
    """An image to evaluate on."""

    name: str
    label: str
    """Without white space around it."""
    content: bytes
    error: LastlayerError | None = None
    """Why it cannot be evaluated on, found when it was read."""


@dataclass(frozen=True)
class Evaluated:
    """What a version made of a labelled image."""

    name: str
    label: str
    label_known: bool
    """Whether the version knows the label."""
    classes: tuple[str, ...]
    """Those of the version."""
    outcome: Predicted | LastlayerError


@dataclass(frozen=True)
class EvaluationReport:
    """How good a version is on labelled images."""

    version: ServedVersion
    metrics: Metrics
    """Of the images that could be predicted and whose labels are known."""
    failed: int
    """The number of images that could not be predicted."""
    unknown_labels: Mapping[str, int]
    """The numbers of images by label, of the labels that the version does not know."""
    near_duplicates: Sequence[NearDuplicate]
    """The most similar ones, at most `MOST_NAMED`."""
    near_duplicate_count: int


class Evaluation:
    """One evaluation: `predict` images, a few lists of them at once if need be; `count` them in order; `finish`.

    Near duplicates are searched for a block of images at a time as they come, so that no vectors are kept.
    """

    def __init__(
        self, predictor: Predictor, datasets: Datasets, models: Models, workers: Workers, *, deadline: float | None
    ) -> None:
        """`deadline` is of `time.monotonic()`. `workers` search for near duplicates and compute metrics."""
        self._predictor = predictor
        self._datasets = datasets
        self._models = models
        self._workers = workers
        self._deadline = deadline
        self._loading: asyncio.Task[tuple[ServedVersion, Head]] | None = None
        self._tally: EvaluationTally | None = None
        self._trained_on: tuple[str, OutOfFold | None] | None = None
        self._near_duplicates: list[NearDuplicate] = []
        self._near_duplicate_count = 0

    async def predict(self, model: str, number: int, images: Sequence[LabelledImage]) -> list[Evaluated]:
        """Return what a version makes of some images; the first call decides which version that is.

        Raises ResourceNotFoundError, and what `Predictor.predict` raises.
        """
        if self._loading is None:
            self._loading = asyncio.create_task(self._predictor.version(model, number))
        version, head = await self._loading
        if self._tally is None:
            self._tally = EvaluationTally(head.classes)
        contents = [image.content for image in images if image.error is None]
        outcomes = await self._predictor.predict(
            version, head, contents, deadline=self._deadline, patient=True, hashes=True
        )
        predicted = iter(outcomes)
        return [
            Evaluated(
                image.name, image.label, self._tally.knows(image.label), head.classes, image.error or next(predicted)
            )
            for image in images
        ]

    async def count(self, evaluated: Sequence[Evaluated]) -> None:
        """Take what `predict` returned into the report."""
        tally = self._started()
        for image in evaluated:
            tally.add(image.name, image.label, image.outcome if isinstance(image.outcome, Predicted) else None)
        if tally.has_block:
            await self._search(tally)

    async def finish(self) -> EvaluationReport:
        """Return the report; raises InvalidFieldError where nothing was counted."""
        tally = self._started()
        if self._loading is None or not tally.seen:
            raise _no_examples()
        version, _ = self._loading.result()
        await self._search(tally)
        return EvaluationReport(
            version=version,
            metrics=await self._workers.run(tally.metrics),
            failed=tally.failed,
            unknown_labels=tally.unknown_labels,
            near_duplicates=self._near_duplicates,
            near_duplicate_count=self._near_duplicate_count,
        )

    def _started(self) -> EvaluationTally:
        if self._tally is None:
            raise _no_examples()
        return self._tally

    async def _search(self, tally: EvaluationTally) -> None:
        block = tally.take_block()
        if not block.names:
            return
        stopped = threading.Event()
        try:
            found = await self._workers.run(self._find, block, stopped)
        finally:
            stopped.set()  # the thread goes on when the caller has gone
        self._near_duplicate_count += len(found)
        by_similarity = sorted([*self._near_duplicates, *found], key=lambda near: -near.similarity)
        self._near_duplicates = by_similarity[:MOST_NAMED]

    def _find(self, evaluated: EvaluatedBlock, stopped: threading.Event) -> list[NearDuplicate]:
        if self._loading is None:
            raise _no_examples()
        version, head = self._loading.result()
        if self._trained_on is None:
            dataset = self._models.get_version(version.model, version.version).dataset
            held_out = self._models.held_out(version.key)
            self._trained_on = dataset, OutOfFold.from_bytes(held_out) if held_out is not None else None
        dataset, results = self._trained_on
        blocks = self._datasets.tap_blocks(dataset, version.backbone_digest, head.taps[-1], BLOCK, head.views)
        with contextlib.closing(blocks):
            training = (select_trained_on(block, results, head.classes) for block in blocks)
            return find_near_duplicates(evaluated, training, stopped.is_set)


def _no_examples() -> InvalidFieldError:
    return InvalidFieldError("examples", "The stream had no examples; at least one is needed.")
