"""Runs trainings: one at a time, in a thread, with progress while they run, and cancelled with their caller."""

import asyncio
import contextlib
import importlib.metadata
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import TrainingSet, Version
from lastlayer.classifier.domain.views import mean_over
from lastlayer.classifier.evaluation.drift import sample_features, summarize
from lastlayer.classifier.evaluation.out_of_fold import OutOfFold
from lastlayer.classifier.fitting.threads import one_thread
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.models import ModelStore, NewVersion
from lastlayer.classifier.training.auto.large import StoredExamples, choose_sample
from lastlayer.classifier.training.jobs.counting import CountedTraining, count_training
from lastlayer.classifier.training.multi_label.job import check_offered, fit_labels
from lastlayer.classifier.training.multi_label.job import pack_out_of_fold as pack_labels_out_of_fold
from lastlayer.classifier.training.multi_label.trainer import TrainedLabels
from lastlayer.classifier.training.progress import TrainingCancelledError, TrainingProgress
from lastlayer.classifier.training.recipes import ClassWeight, Preference, Recipe, TapFeatures, tap_features
from lastlayer.classifier.training.trained import Trained
from lastlayer.classifier.training.trainer import needed_taps, train
from lastlayer.classifier.training.view_trials import ViewTrials, try_views
from lastlayer.rpc.errors import OverloadedError
from lastlayer.rpc.system.memory import give_back_free_memory
from lastlayer.rpc.system.workers import Workers

_HEARTBEAT_S: Final = 1.0
"""How often progress is told again while there is none, so that callers and proxies know that it goes on."""

_MAX_WAITING: Final = 16
"""How many trainings may wait for their turn."""


@dataclass(frozen=True)
class Progress:
    """How far a training is."""

    message: str
    fraction: float


@dataclass(frozen=True)
class TrainingRequest:
    """What to train."""

    model: str
    dataset: str
    recipe: Recipe
    class_weight: ClassWeight
    min_precision: float
    preference: Preference
    compare: bool
    unfamiliar_share: float | None
    request_id: str
    request_sha256: bytes
    """Of the request, so that an id that is used again with another one is noticed."""


@dataclass(frozen=True)
class TrainingReport:
    """What is known of a version when it has been trained, beside the head."""

    trained: Trained | TrainedLabels
    example_count: int
    """The number of examples that it was trained on."""
    training_seconds: float
    libraries: Mapping[str, str]
    """The versions of the libraries that it was trained with, by name."""


class TrainingJobs:
    """Trains versions of models on datasets."""

    def __init__(
        self,
        datasets: DatasetStore,
        models: ModelStore,
        workers: Workers,
        *,
        describe: Callable[[TrainingReport], bytes],
    ) -> None:
        """`workers` train. `describe` returns what the store keeps of a report, see `Version.description`."""
        self._datasets = datasets
        self._models = models
        self._workers = workers
        self._describe = describe
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def run(self, request: TrainingRequest) -> AsyncGenerator[Progress | Version]:
        """Yield the progress of a training, at least once a second, and last the version, which is then stored.

        Where the iteration ends early the training stops and leaves no version. Raises OverloadedError where too many
        trainings wait, and what `DatasetStore.training_set` and `train` raise.
        """
        if self._waiting >= _MAX_WAITING:
            raise OverloadedError(f"{self._waiting} trainings wait for their turn; try again later.", retry_after_s=30)
        with count_training() as counted:
            async with contextlib.aclosing(self._run_in_turn(request, counted)) as events:
                async for event in events:
                    yield event

    async def _run_in_turn(
        self, request: TrainingRequest, counted: CountedTraining
    ) -> AsyncGenerator[Progress | Version]:
        turn = asyncio.create_task(self._turn.acquire())
        self._waiting += 1
        try:
            while not (await asyncio.wait([turn], timeout=_HEARTBEAT_S))[0]:
                yield Progress("waiting for another training", 0.0)
        except BaseException:
            turn.cancel()
            if turn.done() and not turn.cancelled():
                self._turn.release()
            raise
        finally:
            self._waiting -= 1
        try:
            async with contextlib.aclosing(self._run(request, counted)) as events:
                async for event in events:
                    yield event
        finally:
            self._turn.release()

    async def _run(self, request: TrainingRequest, counted: CountedTraining) -> AsyncGenerator[Progress | Version]:
        if request.request_id:
            done = await self._workers.run(self._models.find_request, request.request_id, request.request_sha256)
            if done is not None:
                counted.forget()
                yield done
                return
        latest = Progress("reading the features", 0.0)
        cancelled = threading.Event()

        def tell(message: str, fraction: float) -> None:
            nonlocal latest
            latest = Progress(message, max(fraction, latest.fraction))

        work = asyncio.create_task(self._workers.run(self._train, request, tell, cancelled, counted))
        try:
            told = None
            while not work.done():
                if told != latest or told is None:
                    told = latest
                    yield told
                beat = time.monotonic() + _HEARTBEAT_S
                while not work.done() and told == latest and time.monotonic() < beat:
                    await asyncio.wait([work], timeout=0.1)
                if told == latest and not work.done():
                    yield told
            yield work.result()
        finally:
            cancelled.set()
            if not work.done():
                # The thread ends soon after; until then it is still this training's turn.
                with contextlib.suppress(Exception):
                    await asyncio.shield(work)

    def _train(
        self,
        request: TrainingRequest,
        tell: Callable[[str, float], None],
        cancelled: threading.Event,
        counted: CountedTraining,
    ) -> Version:
        """Train and store a version; raises TrainingCancelledError, where nothing is stored."""

        def check() -> None:
            if cancelled.is_set():
                raise TrainingCancelledError

        try:
            version = self._models.add(self._fit(request, tell, cancelled), check)
        finally:
            give_back_free_memory()
        counted.tell("done")  # before the caller hears of it, and whether or not it still listens
        return version

    def _fit(
        self, request: TrainingRequest, tell: Callable[[str, float], None], cancelled: threading.Event
    ) -> NewVersion:
        started = time.monotonic()
        if self._datasets.is_multi_label(request.dataset):
            return self._fit_labels(request, tell, cancelled, started)
        examples = self._datasets.training_set(
            request.dataset,
            lambda backbone, _: needed_taps(backbone, request.recipe, compare=request.compare),
            TrainingProgress(tell, cancelled.is_set),
            choose_sample,
        )
        taps = tap_features(examples.backbone, examples.features, examples.views)
        # Before the features are overwritten, where they are many.
        kept = sample_features(examples.features)
        tried = _try_views(request, taps, examples, cancelled.is_set)
        trained = train(
            taps,
            examples.labels,
            request.recipe,
            class_weight=request.class_weight,
            min_precision=request.min_precision,
            preference=request.preference,
            compare=request.compare,
            unfamiliar_share=request.unfamiliar_share,
            stored=self._stored(request.dataset, examples, cancelled),
            progress=tell,
            cancelled=cancelled.is_set,
        )
        notes = (*_tell_lacking(examples), *tried.notes) if request.recipe is Recipe.AUTO else ()
        trained = replace(trained, notes=(*trained.notes, *notes), trials=(*trained.trials, *tried.trials))
        held_out = _pack_out_of_fold(trained, examples)
        probabilities = trained.out_of_fold.probabilities if trained.out_of_fold is not None else None
        unfamiliar = trained.rejection.unfamiliar_share if trained.rejection is not None else 0.0
        reference = _sum_up(trained.head, kept, probabilities, unfamiliar)
        return self._pack(request, trained, examples, held_out, started, reference)

    def _fit_labels(
        self, request: TrainingRequest, tell: Callable[[str, float], None], cancelled: threading.Event, started: float
    ) -> NewVersion:
        """Train on a multi-label dataset."""
        check_offered(
            request.dataset,
            recipe=request.recipe,
            class_weight=request.class_weight,
            preference=request.preference,
            compare=request.compare,
        )
        trained, examples, kept = fit_labels(
            self._datasets,
            request.dataset,
            min_precision=request.min_precision,
            unfamiliar_share=request.unfamiliar_share,
            tell=tell,
            cancelled=cancelled.is_set,
        )
        trained = replace(trained, notes=(*trained.notes, *_tell_lacking(examples)))
        # By features alone: of labels that all images have, the probabilities out of fold are made up.
        reference = _sum_up(trained.head, kept, None, 0.0)
        return self._pack(request, trained, examples, pack_labels_out_of_fold(trained, examples), started, reference)

    def _pack(
        self,
        request: TrainingRequest,
        trained: Trained | TrainedLabels,
        examples: TrainingSet,
        held_out: bytes | None,
        started: float,
        drift_reference: bytes,
    ) -> NewVersion:
        """Return what the store keeps of a training that began at `started`, of `time.monotonic()`."""
        report = TrainingReport(trained, examples.count, time.monotonic() - started, _read_library_versions())
        return NewVersion(
            model=request.model,
            dataset=request.dataset,
            backbone_name=examples.backbone.name,
            backbone_digest=examples.backbone.digest,
            classes=trained.head.classes,
            description=self._describe(report),
            head=trained.head.to_bytes(),
            held_out=held_out,
            drift_reference=drift_reference,
            request_id=request.request_id,
            request_sha256=request.request_sha256,
        )

    def _stored(self, dataset: str, sample: TrainingSet, cancelled: threading.Event) -> StoredExamples | None:
        """Return all examples where those that were read are a sample."""
        if sample.everything is None:
            return None
        everything = sample.everything
        progress = TrainingProgress(lambda _, __: None, cancelled.is_set)
        return StoredExamples(
            everything.labels,
            sample.rows,
            lambda tap, view: self._datasets.iterate_features(dataset, tap, view, everything.contents, progress),
        )


def _try_views(
    request: TrainingRequest, taps: Sequence[TapFeatures], examples: TrainingSet, cancelled: Callable[[], bool]
) -> ViewTrials:
    """Return what another view than that of the dataset would bring, where a sample of the images has it."""
    sample = examples.sample
    if sample is None or request.recipe is not Recipe.AUTO:
        return ViewTrials()
    other = tap_features(examples.backbone, sample.features, [sample.view])
    known = {tap.name for tap in other}
    own = [replace(tap, values=tap.values[sample.rows]) for tap in taps if tap.name in known]
    return try_views([*own, *other], [examples.labels[row] for row in sample.rows], cancelled)


def _tell_lacking(examples: TrainingSet) -> list[str]:
    count = examples.count
    notes = [
        f"{missing} of the {count} images have no features of the view `{view.label}`, which was left out: add the "
        "images again to have it tried; what is there already is not stored twice."
        for view, missing in examples.lacking_views.items()
    ]
    if examples.lacking:
        notes.append(
            f"{max(examples.lacking.values())} of the {count} images were featurized before the network had the taps "
            f"{', '.join(f'`{tap}`' for tap in examples.lacking)}, which were left out: add the images again for a "
            "better model; what is there already is not stored twice."
        )
    return notes


def _pack_out_of_fold(trained: Trained, examples: TrainingSet) -> bytes | None:
    predictions = trained.out_of_fold
    if predictions is None:
        return None
    validated = [examples.contents[row] for row in predictions.rows]
    # By the deepest tap, where what is alike shows the same kind of thing.
    vectors = mean_over(examples.features, trained.head.taps[-1], trained.head.views)
    if not np.array_equal(predictions.rows, np.arange(len(vectors))):  # else a copy of them all would be for nothing
        vectors = vectors[predictions.rows]
    with one_thread():  # as in training: the service goes on answering meanwhile
        return OutOfFold.of(validated, predictions.y, predictions.probabilities, vectors).to_bytes()


def _sum_up(
    head: Head,
    features: Mapping[str, npt.NDArray[np.float32]],
    held_out: npt.NDArray[np.float64] | None,
    unfamiliar_share: float,
) -> bytes:
    """Return what is kept to tell drift, by the features [n, d] of training images by tap and view; see `summarize`."""
    by_tap = {tap: mean_over(features, tap, head.views) for tap in head.taps}
    with one_thread():
        return summarize(head, by_tap, held_out, unfamiliar_share).to_bytes()


def _read_library_versions() -> dict[str, str]:
    """Return the versions of what has a say in a head's numbers."""
    return {name: importlib.metadata.version(name) for name in ("lastlayer", "numpy", "scikit-learn", "scipy")}
