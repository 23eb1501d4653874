"""Evaluates a version on labelled images that come a few at a time, in bounded memory."""

import asyncio
import contextlib
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
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
from lastlayer.classifier.evaluation.multi_label.metrics import MultiLabelMetrics
from lastlayer.classifier.evaluation.multi_label.out_of_fold import OutOfFoldLabels
from lastlayer.classifier.evaluation.multi_label.tally import LabelTally
from lastlayer.classifier.evaluation.multi_label.tally import select_trained_on as select_images_trained_on
from lastlayer.classifier.evaluation.out_of_fold import OutOfFold
from lastlayer.classifier.evaluation.tally import EvaluationTally, select_trained_on
from lastlayer.rpc.errors import InvalidFieldError, LastlayerError
from lastlayer.rpc.system.workers import Workers
from lastlayer.rpc.vectors import View

MOST_NAMED: Final = 100
"""How many near duplicates a report names."""


class Heads(Protocol):
    """What an evaluation needs of `lastlayer.classifier.prediction.served_heads.ServedHeads`."""

    async def find(self, model: str, number: int) -> tuple[ServedVersion, Head]:
        """Return a version with its head."""


class Predictor(Protocol):
    """What an evaluation needs of `lastlayer.classifier.prediction.predictor.Predictor`."""

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
    labels: tuple[str, ...] = ()
    """All its labels, for a multi-label version; `label` is then empty."""


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
    labels: tuple[str, ...] = ()
    """See `LabelledImage.labels`."""
    label_thresholds: tuple[float, ...] | None = None
    """Those of a multi-label version; None of others."""


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
    label_metrics: MultiLabelMetrics | None = None
    """Those of a multi-label version, whose `metrics` are empty; None of others."""


class Evaluation:
    """One evaluation: `predict` images, a few lists of them at once if need be; `count` them in order; `finish`.

    Near duplicates are searched for a block of images at a time as they come, so that no vectors are kept.
    """

    def __init__(
        self,
        heads: Heads,
        predictor: Predictor,
        datasets: Datasets,
        models: Models,
        workers: Workers,
        *,
        deadline: float | None,
    ) -> None:
        """`deadline` is of `time.monotonic()`. `workers` search for near duplicates and compute metrics."""
        self._heads = heads
        self._predictor = predictor
        self._datasets = datasets
        self._models = models
        self._workers = workers
        self._deadline = deadline
        self._loading: asyncio.Task[tuple[ServedVersion, Head]] | None = None
        self._tally: EvaluationTally | None = None
        self._trained_on: tuple[str, bytes | None] | None = None
        self._near_duplicates: list[NearDuplicate] = []
        self._near_duplicate_count = 0

    async def is_multi_label(self, model: str, number: int) -> bool:
        """Return whether the version is multi-label; the first call of this or `predict` decides which that is.

        Raises ResourceNotFoundError.
        """
        _, head = await self._load(model, number)
        return head.multi_label

    async def _load(self, model: str, number: int) -> tuple[ServedVersion, Head]:
        if self._loading is None:
            self._loading = asyncio.create_task(self._heads.find(model, number))
        version, head = await self._loading
        if self._tally is None:
            thresholds = head.label_thresholds
            self._tally = EvaluationTally(head.classes) if thresholds is None else LabelTally(head.classes, thresholds)
        return version, head

    async def predict(self, model: str, number: int, images: Sequence[LabelledImage]) -> list[Evaluated]:
        """Return what a version makes of some images; the first call decides which version that is.

        Raises ResourceNotFoundError, and what `Predictor.predict` raises.
        """
        version, head = await self._load(model, number)
        tally = self._started()
        contents = [image.content for image in images if image.error is None]
        outcomes = await self._predictor.predict(
            version, head, contents, deadline=self._deadline, patient=True, hashes=True
        )
        predicted = iter(outcomes)
        return [
            Evaluated(
                image.name,
                image.label,
                tally.knows_all(image.labels) if isinstance(tally, LabelTally) else tally.knows(image.label),
                head.classes,
                image.error or next(predicted),
                image.labels,
                head.label_thresholds,
            )
            for image in images
        ]

    async def count(self, evaluated: Sequence[Evaluated]) -> None:
        """Take what `predict` returned into the report."""
        tally = self._started()
        for image in evaluated:
            outcome = image.outcome if isinstance(image.outcome, Predicted) else None
            if isinstance(tally, LabelTally):
                tally.add_labels(image.name, image.labels, outcome)
            else:
                tally.add(image.name, image.label, outcome)
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
            label_metrics=await self._workers.run(tally.label_metrics) if isinstance(tally, LabelTally) else None,
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
            self._trained_on = dataset, self._models.held_out(version.key)
        dataset, held_out = self._trained_on
        blocks = self._datasets.tap_blocks(dataset, version.backbone_digest, head.taps[-1], BLOCK, head.views)
        with contextlib.closing(blocks):
            return find_near_duplicates(evaluated, _trained_on(blocks, held_out, head), stopped.is_set)


def _trained_on(blocks: Iterable[TapExamples], held_out: bytes | None, head: Head) -> Iterator[TapExamples]:
    """Yield those of a dataset's examples that a version was trained on, by its out-of-fold results."""
    if head.multi_label:
        labels = OutOfFoldLabels.from_bytes(held_out) if held_out is not None else None
        return (select_images_trained_on(block, labels) for block in blocks)
    results = OutOfFold.from_bytes(held_out) if held_out is not None else None
    return (select_trained_on(block, results, head.classes) for block in blocks)


def _no_examples() -> InvalidFieldError:
    return InvalidFieldError("examples", "The stream had no examples; at least one is needed.")
