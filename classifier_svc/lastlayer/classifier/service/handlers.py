"""What the methods of the Classifier service call, and what they share."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol, TypeVar

from lastlayer.classifier.evaluation.evaluation import Evaluation
from lastlayer.classifier.evaluation.likeness.mapping import Maps
from lastlayer.classifier.evaluation.likeness.similar import Similar
from lastlayer.classifier.evaluation.review import Review
from lastlayer.classifier.features.client import FeaturizerClient
from lastlayer.classifier.features.given import FeatureImport
from lastlayer.classifier.features.ingest import Ingest
from lastlayer.classifier.prediction.drift.reports import DriftReports
from lastlayer.classifier.prediction.head_export import HeadExport
from lastlayer.classifier.prediction.predictor import Predictor
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.images.examples import ExampleStore
from lastlayer.classifier.store.images.pool import PoolStore
from lastlayer.classifier.store.models import ModelStore
from lastlayer.classifier.training.jobs import TrainingJobs
from lastlayer.classifier.training.selection.suggestions import Suggestions
from lastlayer.rpc.server.streams import answer_each
from lastlayer.rpc.system.workers import Workers
from lastlayer.v1 import classifier_pb2_grpc

_IN_FLIGHT: Final = 3
"""How many messages of one stream are in work at once: one is featurized, one is read, one is stored."""

Context = Any
Answer = TypeVar("Answer")


class BeginIngest(Protocol):
    """Begins to take the examples of one stream; `deadline` is of `time.monotonic()`."""

    def __call__(self, *, deadline: float | None) -> Ingest: ...  # noqa: D102 - as above


class BeginImport(Protocol):
    """Begins to take the features of one stream; `deadline` is of `time.monotonic()`."""

    def __call__(self, *, deadline: float | None) -> FeatureImport: ...  # noqa: D102 - as above


class BeginEvaluation(Protocol):
    """Begins the evaluation of one stream; `deadline` is of `time.monotonic()`."""

    def __call__(self, *, deadline: float | None) -> Evaluation: ...  # noqa: D102 - as above


@dataclass(frozen=True)
class Pools:
    """The workers of a service, by the kind of their work."""

    predictions: Workers
    """Look versions up and compute heads: quick, and waited for by somebody."""
    reads: Workers
    """Read the store for all else."""
    writes: Workers
    """Write to the store; all may wait for as long as another process holds its lock."""
    evaluations: Workers
    """Search for near duplicates and compute metrics: seconds each."""
    searches: Workers
    """Search datasets for similar images: milliseconds, and seconds where one is read into memory first."""
    maps: Workers
    """Lay datasets out: up to minutes."""
    suggestions: Workers
    """Choose which images to label next: seconds, with the features of many images in memory; one at a time."""
    trainings: Workers
    """Train: minutes."""

    @classmethod
    def open(cls) -> "Pools":
        """Return workers with numbers of threads that suit a service of any size."""
        return cls(
            predictions=Workers("predictions", 4),
            reads=Workers("reads", 4),
            writes=Workers("writes", 4),
            evaluations=Workers("evaluations", 2),
            searches=Workers("searches", 1),
            maps=Workers("maps", 1),
            suggestions=Workers("suggestions", 1),
            trainings=Workers("trainings", 1),
        )

    async def close(self) -> None:
        """Close all of them."""
        await asyncio.gather(*(getattr(self, field.name).close() for field in fields(self)))


@dataclass(frozen=True)
class Handlers:
    """What does the work of the service, without messages and gRPC."""

    pools: Pools
    datasets: DatasetStore
    examples: ExampleStore
    waiting: PoolStore
    models: ModelStore
    predictor: Predictor
    drift: DriftReports
    trainings: TrainingJobs
    review: Review
    similar: Similar
    maps: Maps
    suggestions: Suggestions
    head_export: HeadExport
    featurizer: FeaturizerClient
    begin_ingest: BeginIngest
    begin_import: BeginImport
    begin_evaluation: BeginEvaluation


class HandlerServicer(classifier_pb2_grpc.ClassifierServicer):
    """The base of the methods: they convert a request, call a handler, and convert what it returns."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers


def answer_stream(
    requests: Any, answer: Callable[[Any], Awaitable[Answer]], *, in_order: bool
) -> AbstractAsyncContextManager[AsyncGenerator[Answer, None]]:
    """Return the answers of a stream's requests; what is in work is cancelled when the block is left."""
    return contextlib.aclosing(answer_each(requests, answer, in_flight=_IN_FLIGHT, in_order=in_order))
