"""The Classifier service: messages in, messages out."""

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import ServedVersion
from lastlayer.classifier.evaluation.near_duplicates import NearDuplicate
from lastlayer.classifier.evaluation.tally import EvaluationTally, trained_on
from lastlayer.classifier.features.client import FeaturizerClient
from lastlayer.classifier.features.ingest import Ingest, Offered, Prepared
from lastlayer.classifier.features.load_shedding import CongestionWindow
from lastlayer.classifier.prediction.predictor import Predicted, Predictor
from lastlayer.classifier.service import messages as converters
from lastlayer.classifier.service import version_messages as version_converters
from lastlayer.classifier.service.dataset_methods import ExampleMethods
from lastlayer.classifier.service.validation import MAX_REQUEST_ID_BYTES, check_id, check_name, check_version
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.examples import ExampleStore
from lastlayer.classifier.store.models import ModelStore
from lastlayer.classifier.training.jobs import Progress, TrainingRequest, Trainings
from lastlayer.rpc.channel import MAX_MESSAGE_BYTES
from lastlayer.rpc.errors import InvalidFieldError, LastlayerError
from lastlayer.rpc.server.deadlines import deadline_of
from lastlayer.rpc.server.streams import answer_each
from lastlayer.rpc.status import to_status
from lastlayer.v1 import classifier_pb2

MAX_IMAGES: Final = 256
"""The most images or examples that one message may have."""

_IN_FLIGHT: Final = 3
"""How many messages of one stream are in work at once: one is featurized, one is read, one is stored."""

_MAX_RESPONSE_BYTES: Final = MAX_MESSAGE_BYTES - 64 * 1024

_Context = Any
_Evaluated = tuple[classifier_pb2.ExampleEvaluation, Predicted | None]
"""The result of an example, and what was predicted, or None where its image failed."""

Answer = TypeVar("Answer")


class ClassifierServicer(ExampleMethods):
    """The methods that featurize, train and predict, beside those of what is stored."""

    def __init__(
        self,
        datasets: DatasetStore,
        models: ModelStore,
        examples: ExampleStore,
        featurizer: FeaturizerClient,
        trainings: Trainings,
        predictor: Predictor,
    ) -> None:
        super().__init__(datasets, models, examples)
        self._featurizer = featurizer
        self._trainings = trainings
        self._predictor = predictor
        self._window = CongestionWindow()

    async def AddExamples(
        self, request_iterator: Any, context: _Context
    ) -> AsyncIterator[classifier_pb2.AddExamplesResponse]:
        """Take examples into a dataset."""
        dataset = _Once("dataset")
        ingest = Ingest(self._datasets, self._featurizer, deadline=deadline_of(context))

        async def prepare(
            request: classifier_pb2.AddExamplesRequest,
        ) -> tuple[classifier_pb2.AddExamplesRequest, Prepared]:
            if not dataset.name:
                ingest.thumbnails = not request.no_thumbnails
            dataset.read(request.dataset)
            _check_count("examples", len(request.examples), least=0)
            return request, await ingest.prepare(await _offered(request.examples))

        async with _answered(request_iterator, prepare, in_order=True) as prepared:
            async for request, ready in prepared:
                outcomes = await ingest.store(dataset.name, ready)
                yield classifier_pb2.AddExamplesResponse(
                    outcomes=map(converters.example_outcome, request.examples, ready.offered, outcomes)
                )
        if not dataset.name:
            raise InvalidFieldError("dataset", "The stream had no message, and so named no dataset.")

    async def Train(
        self, request: classifier_pb2.TrainRequest, context: _Context
    ) -> AsyncIterator[classifier_pb2.TrainResponse]:
        """Train a version."""
        model = check_name("model", request.model)
        training = TrainingRequest(
            model=model,
            dataset=check_name("dataset", request.dataset or model),
            recipe=converters.recipe(request.recipe),
            class_weight=converters.class_weight(request.class_weight),
            min_precision=converters.min_precision(request.min_precision),
            request_id=check_id("request_id", request.request_id, MAX_REQUEST_ID_BYTES),
            request_sha256=hashlib.sha256(request.SerializeToString(deterministic=True)).digest(),
        )
        # Closed at once where the caller has gone: the training stops, and the next one has its turn.
        async with contextlib.aclosing(self._trainings.run(training)) as events:
            async for event in events:
                if isinstance(event, Progress):
                    progress = classifier_pb2.TrainProgress(message=event.message, fraction=event.fraction)
                    yield classifier_pb2.TrainResponse(progress=progress)
                else:
                    yield classifier_pb2.TrainResponse(version=version_converters.model_version(event))

    async def Predict(
        self, request: classifier_pb2.PredictRequest, context: _Context
    ) -> classifier_pb2.PredictResponse:
        """Predict some images."""
        with self._window.call(len(request.images)):
            return await self._predict(request, deadline_of(context), patient=False)

    async def PredictStream(
        self, request_iterator: Any, context: _Context
    ) -> AsyncIterator[classifier_pb2.PredictStreamResponse]:
        """Predict the images of each request."""
        deadline = deadline_of(context)

        async def answer(request: classifier_pb2.PredictStreamRequest) -> classifier_pb2.PredictStreamResponse:
            message = classifier_pb2.PredictStreamResponse(request_id=request.request_id)
            try:
                check_id("request_id", request.request_id)
                message.response.CopyFrom(await self._predict(request.request, deadline, patient=True))
            except LastlayerError as error:
                message.error.CopyFrom(to_status(error))
            return message

        async with _answered(request_iterator, answer, in_order=False) as responses:
            async for response in responses:
                yield response

    async def _predict(
        self, request: classifier_pb2.PredictRequest, deadline: float | None, *, patient: bool
    ) -> classifier_pb2.PredictResponse:
        _check_count("images", len(request.images), least=1)
        for index, image in enumerate(request.images):
            check_id(f"images[{index}].id", image.id)
        if request.top_k < 0:
            raise InvalidFieldError("top_k", f"The number of classes is {request.top_k}; 0 (for all) or more.")
        version, head = await self._version(request.model, request.version)
        threshold = converters.threshold(request, head.threshold)
        images = [image.content for image in request.images]
        outcomes = await self._predictor.predict(version, head, images, deadline=deadline, patient=patient)
        response = classifier_pb2.PredictResponse(
            results=[
                converters.prediction(image.id, _probabilities(outcome), head.classes, request.top_k, threshold)
                for image, outcome in zip(request.images, outcomes, strict=True)
            ],
            model=version.model,
            version=version.version,
        )
        if response.ByteSize() > _MAX_RESPONSE_BYTES:
            raise InvalidFieldError(
                "top_k",
                f"The answer has {len(head.classes)} classes for each of {len(images)} images, which is too large for "
                "a message; ask for the best ones with `top_k`, or for fewer images.",
            )
        return response

    async def Explain(self, request: classifier_pb2.ExplainRequest, context: _Context) -> classifier_pb2.Explanation:
        """Say where in an image a score comes from."""
        check_id("image.id", request.image.id)
        version, head = await self._version(request.model, request.version)
        explained, region = await self._predictor.explain(
            version, head, request.image.content, request.label, deadline=deadline_of(context)
        )
        return version_converters.explanation(version, head, explained, region)

    async def Evaluate(
        self, request_iterator: Any, context: _Context
    ) -> AsyncIterator[classifier_pb2.EvaluateResponse]:
        """Compare predictions with labels."""
        deadline = deadline_of(context)
        model = _Once("model")
        loading: asyncio.Task[tuple[ServedVersion, Head]] | None = None

        async def answer(request: classifier_pb2.EvaluateRequest) -> list[_Evaluated]:
            nonlocal loading
            name = model.read(request.model)
            _check_count("examples", len(request.examples), least=0)
            if loading is None:
                loading = asyncio.create_task(self._version(name, request.version))
            version, head = await loading
            return await self._evaluate(request.examples, version, head, deadline)

        tally: EvaluationTally | None = None
        async with _answered(request_iterator, answer, in_order=True) as responses:
            async for results in responses:
                assert loading is not None  # noqa: S101 - an answer has loaded it
                tally = tally or EvaluationTally(loading.result()[1].classes)
                for result, predicted in results:
                    result.label_known = tally.add(result.id, result.label, predicted)
                progress = classifier_pb2.EvaluateProgress(results=[result for result, _ in results])
                yield classifier_pb2.EvaluateResponse(progress=progress)
        if tally is None or loading is None or not tally.seen:
            raise InvalidFieldError("examples", "The stream had no examples; at least one is needed.")
        version, head = loading.result()
        stopped = threading.Event()
        try:
            duplicates = await asyncio.to_thread(self._near_duplicates, version, head, tally, stopped)
        finally:
            stopped.set()  # the thread goes on when the caller has gone
        yield classifier_pb2.EvaluateResponse(evaluation=version_converters.evaluation(version, tally, duplicates))

    def _near_duplicates(
        self, version: ServedVersion, head: Head, tally: EvaluationTally, stopped: threading.Event
    ) -> list[NearDuplicate]:
        dataset = self._models.get_version(version.model, version.version).dataset
        stored = self._datasets.tap_features(dataset, version.backbone_digest, head.taps[-1])
        if stored is None:
            return []
        training = trained_on(stored, self._models.held_out(version.key), head.classes)
        return tally.near_duplicates(training, stopped.is_set)

    async def _evaluate(
        self,
        examples: Sequence[classifier_pb2.Example],
        version: ServedVersion,
        head: Head,
        deadline: float | None,
    ) -> list[_Evaluated]:
        offered = await _offered(examples, content_needed=True)
        outcomes = await self._predictor.predict(
            version,
            head,
            [offer.content for offer in offered if offer.error is None],
            deadline=deadline,
            patient=True,
        )
        predicted = iter(outcomes)
        results: list[_Evaluated] = []
        for example, offer in zip(examples, offered, strict=True):
            outcome = offer.error or next(predicted)
            result = converters.example_evaluation(example, _probabilities(outcome), head.classes)
            results.append((result, None if isinstance(outcome, LastlayerError) else outcome))
        return results

    async def _version(self, model: str, number: int) -> tuple[ServedVersion, Head]:
        return await self._predictor.version(check_name("model", model), check_version(number))


def _probabilities(outcome: Predicted | LastlayerError) -> npt.NDArray[np.float64] | LastlayerError:
    return outcome if isinstance(outcome, LastlayerError) else outcome.probabilities


def _answered(
    requests: Any, answer: Callable[[Any], Awaitable[Answer]], *, in_order: bool
) -> AbstractAsyncContextManager[AsyncGenerator[Answer, None]]:
    """Return the answers of a stream's requests; what is in work is cancelled when the block is left."""
    return contextlib.aclosing(answer_each(requests, answer, in_flight=_IN_FLIGHT, in_order=in_order))


async def _offered(examples: Sequence[classifier_pb2.Example], *, content_needed: bool = False) -> list[Offered]:
    """Return the examples of a message; in a thread, as their checksums take a while."""
    return await asyncio.to_thread(
        lambda: [
            converters.offered(index, example, content_needed=content_needed) for index, example in enumerate(examples)
        ]
    )


class _Once:
    """A name that the first message of a stream gives, and that later ones may only repeat."""

    def __init__(self, field: str) -> None:
        self._field = field
        self.name = ""

    def read(self, value: str) -> str:
        """Return the name of the stream; raises InvalidFieldError where a message gives none or another."""
        if not self.name:
            self.name = check_name(self._field, value)
        elif value and value != self.name:
            raise InvalidFieldError(self._field, f"The {self._field} changed within a stream; open one for each.")
        return self.name


def _check_count(field: str, count: int, *, least: int) -> None:
    if not least <= count <= MAX_IMAGES:
        raise InvalidFieldError(field, f"The message has {count} {field}; from {least} to {MAX_IMAGES} are accepted.")
