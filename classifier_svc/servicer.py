"""The Classifier service: messages in, messages out."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, TypeVar

import grpc
from google.protobuf import empty_pb2

from classifier_svc import converters
from classifier_svc.datasets import DatasetStore
from classifier_svc.evaluation import EvaluationTally
from classifier_svc.head import Head
from classifier_svc.ingest import Ingest
from classifier_svc.models import ModelStore
from classifier_svc.predictor import Predictor
from classifier_svc.records import Backbone, Version
from classifier_svc.trainings import Progress, TrainingRequest, Trainings
from classifier_svc.validation import MAX_REQUEST_ID_BYTES, check_id, check_name
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2
from rpc.errors import ImageEmptyError, InvalidFieldError, LastlayerError
from rpc.status import to_status
from rpc.streams import answered

MAX_IMAGES: Final = 256
"""The most images or examples that one message may have."""

_IN_FLIGHT: Final = 3
"""How many messages of one stream are in work at once: one is featurized, one is read, one is stored."""

_Context = Any
Item = TypeVar("Item")
Message = TypeVar("Message")


class ClassifierServicer(classifier_pb2_grpc.ClassifierServicer):
    """Serves datasets and models."""

    def __init__(
        self, datasets: DatasetStore, models: ModelStore, ingest: Ingest, trainings: Trainings, predictor: Predictor
    ) -> None:
        self._datasets = datasets
        self._models = models
        self._ingest = ingest
        self._trainings = trainings
        self._predictor = predictor

    async def AddExamples(
        self, request_iterator: Any, context: _Context
    ) -> AsyncIterator[classifier_pb2.AddExamplesResponse]:
        """Take examples into a dataset."""
        deadline = _deadline(context)
        dataset = _Once("dataset")
        backbone: asyncio.Future[Backbone] | None = None

        async def answer(request: classifier_pb2.AddExamplesRequest) -> classifier_pb2.AddExamplesResponse:
            nonlocal backbone
            name = dataset.read(request.dataset)
            _check_count("examples", len(request.examples))
            # All examples of a stream are featurized by the same backbone: the featurizer is told its digest.
            backbone = backbone or asyncio.ensure_future(self._ingest.backbone(deadline))
            offered = [converters.offered(index, example) for index, example in enumerate(request.examples)]
            outcomes = await self._ingest.add(name, await asyncio.shield(backbone), offered, deadline=deadline)
            return classifier_pb2.AddExamplesResponse(
                outcomes=map(converters.example_outcome, request.examples, offered, outcomes)
            )

        async for response in answered(request_iterator, answer, in_flight=_IN_FLIGHT, in_order=True):
            yield response
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
            request_id=check_id("request_id", request.request_id, MAX_REQUEST_ID_BYTES),
            request_sha256=hashlib.sha256(request.SerializeToString(deterministic=True)).digest(),
        )
        async for event in self._trainings.run(training):
            if isinstance(event, Progress):
                progress = classifier_pb2.TrainProgress(message=event.message, fraction=event.fraction)
                yield classifier_pb2.TrainResponse(progress=progress)
            else:
                yield classifier_pb2.TrainResponse(version=converters.model_version(event))

    async def Predict(
        self, request: classifier_pb2.PredictRequest, context: _Context
    ) -> classifier_pb2.PredictResponse:
        """Predict some images."""
        return await self._predict(request, _deadline(context), patient=False)

    async def PredictStream(
        self, request_iterator: Any, context: _Context
    ) -> AsyncIterator[classifier_pb2.PredictStreamResponse]:
        """Predict the images of each request."""
        deadline = _deadline(context)

        async def answer(request: classifier_pb2.PredictStreamRequest) -> classifier_pb2.PredictStreamResponse:
            message = classifier_pb2.PredictStreamResponse(request_id=request.request_id)
            try:
                message.response.CopyFrom(await self._predict(request.request, deadline, patient=True))
            except LastlayerError as error:
                message.error.CopyFrom(to_status(error))
            return message

        async for response in answered(request_iterator, answer, in_flight=_IN_FLIGHT, in_order=False):
            yield response

    async def _predict(
        self, request: classifier_pb2.PredictRequest, deadline: float | None, *, patient: bool
    ) -> classifier_pb2.PredictResponse:
        _check_count("images", len(request.images))
        for index, image in enumerate(request.images):
            check_id(f"images[{index}].id", image.id)
        if request.top_k < 0:
            raise InvalidFieldError("top_k", f"The number of classes is {request.top_k}; 0 (for all) or more.")
        version, head = await self._version(request.model, request.version)
        images = [image.content for image in request.images]
        outcomes = await self._predictor.predict(version, head, images, deadline=deadline, patient=patient)
        return classifier_pb2.PredictResponse(
            results=[
                converters.prediction(image.id, outcome, head.classes, request.top_k)
                for image, outcome in zip(request.images, outcomes, strict=True)
            ],
            model=version.model,
            version=version.version,
        )

    async def Evaluate(
        self, request_iterator: Any, context: _Context
    ) -> AsyncIterator[classifier_pb2.EvaluateResponse]:
        """Compare predictions with labels."""
        deadline = _deadline(context)
        model = _Once("model")
        loading: asyncio.Future[tuple[Version, Head]] | None = None

        async def answer(
            request: classifier_pb2.EvaluateRequest,
        ) -> list[tuple[classifier_pb2.ExampleEvaluation, Any]]:
            nonlocal loading
            name = model.read(request.model)
            _check_count("examples", len(request.examples))
            loading = loading or asyncio.ensure_future(self._version(name, request.version))
            version, head = await asyncio.shield(loading)
            return await self._evaluate(request, version, head, deadline)

        tally: EvaluationTally | None = None
        async for results in answered(request_iterator, answer, in_flight=_IN_FLIGHT, in_order=True):
            assert loading is not None  # noqa: S101 - an answer has loaded it
            tally = tally or EvaluationTally(loading.result()[1].classes)
            for result, probabilities in results:
                result.label_known = tally.add(result.label, probabilities)
            progress = classifier_pb2.EvaluateProgress(results=[result for result, _ in results])
            yield classifier_pb2.EvaluateResponse(progress=progress)
        if tally is None or loading is None:
            raise InvalidFieldError("examples", "The stream had no examples; at least one is needed.")
        version, _ = loading.result()
        yield classifier_pb2.EvaluateResponse(
            evaluation=classifier_pb2.Evaluation(
                model=version.model,
                version=version.version,
                metrics=converters.metrics(tally.metrics()),
                failed_count=tally.failed,
                unknown_labels=[
                    classifier_pb2.ClassCount(label=label, example_count=count)
                    for label, count in tally.unknown_labels.items()
                ],
            )
        )

    async def _evaluate(
        self, request: classifier_pb2.EvaluateRequest, version: Version, head: Head, deadline: float | None
    ) -> list[tuple[classifier_pb2.ExampleEvaluation, Any]]:
        """Return for each example its result, and its probabilities, float64 [c], or None where its image failed."""
        offered = [converters.offered(index, example) for index, example in enumerate(request.examples)]
        for index, offer in enumerate(offered):
            if offer.error is None and not offer.content:
                raise InvalidFieldError(f"examples[{index}].content", "An example to evaluate needs its content.")
            if offer.error is not None and not isinstance(offer.error, ImageEmptyError):
                raise offer.error
        outcomes = await self._predictor.predict(
            version, head, [example.content for example in request.examples], deadline=deadline, patient=True
        )
        results: list[tuple[classifier_pb2.ExampleEvaluation, Any]] = []
        for example, outcome in zip(request.examples, outcomes, strict=True):
            label = example.label.strip()
            result = classifier_pb2.ExampleEvaluation(id=example.id, label=label, label_trimmed=label != example.label)
            if isinstance(outcome, LastlayerError):
                result.error.CopyFrom(to_status(outcome))
                results.append((result, None))
            else:
                best = int(outcome.argmax())
                result.predicted.CopyFrom(types_pb2.LabelScore(label=head.classes[best], score=outcome[best]))
                results.append((result, outcome))
        return results

    async def _version(self, model: str, number: int) -> tuple[Version, Head]:
        return await self._predictor.version(check_name("model", model), _check_version(number))

    async def ListDatasets(
        self, request: classifier_pb2.ListDatasetsRequest, context: _Context
    ) -> classifier_pb2.ListDatasetsResponse:
        """List datasets."""
        records, token = await _page(
            request,
            lambda size: self._datasets.page(converters.read_page_token(request.page_token), size),
            lambda record: record.name,
        )
        return classifier_pb2.ListDatasetsResponse(datasets=map(converters.dataset, records), next_page_token=token)

    async def GetDataset(self, request: classifier_pb2.GetDatasetRequest, context: _Context) -> classifier_pb2.Dataset:
        """Get a dataset."""
        return converters.dataset(await asyncio.to_thread(self._datasets.get, check_name("name", request.name)))

    async def DeleteDataset(self, request: classifier_pb2.DeleteDatasetRequest, context: _Context) -> empty_pb2.Empty:
        """Delete a dataset."""
        await asyncio.to_thread(self._datasets.delete, check_name("name", request.name))
        return empty_pb2.Empty()

    async def ListModels(
        self, request: classifier_pb2.ListModelsRequest, context: _Context
    ) -> classifier_pb2.ListModelsResponse:
        """List models."""
        records, token = await _page(
            request,
            lambda size: self._models.page(converters.read_page_token(request.page_token), size),
            lambda record: record.name,
        )
        return classifier_pb2.ListModelsResponse(models=map(converters.model, records), next_page_token=token)

    async def GetModel(self, request: classifier_pb2.GetModelRequest, context: _Context) -> classifier_pb2.Model:
        """Get a model."""
        return converters.model(await asyncio.to_thread(self._models.get, check_name("name", request.name)))

    async def DeleteModel(self, request: classifier_pb2.DeleteModelRequest, context: _Context) -> empty_pb2.Empty:
        """Delete a model."""
        await asyncio.to_thread(self._models.delete, check_name("name", request.name))
        return empty_pb2.Empty()

    async def ListModelVersions(
        self, request: classifier_pb2.ListModelVersionsRequest, context: _Context
    ) -> classifier_pb2.ListModelVersionsResponse:
        """List versions."""
        model = check_name("model", request.model)
        before = converters.read_version_token(request.page_token)
        records, token = await _page(
            request, lambda size: self._models.page_versions(model, before, size), lambda record: str(record.version)
        )
        return classifier_pb2.ListModelVersionsResponse(
            versions=map(converters.model_version, records), next_page_token=token
        )

    async def GetModelVersion(
        self, request: classifier_pb2.GetModelVersionRequest, context: _Context
    ) -> classifier_pb2.ModelVersion:
        """Get a version."""
        model, number = check_name("model", request.model), _check_version(request.version)
        return converters.model_version(await asyncio.to_thread(self._models.get_version, model, number))

    async def DeleteModelVersion(
        self, request: classifier_pb2.DeleteModelVersionRequest, context: _Context
    ) -> empty_pb2.Empty:
        """Delete a version."""
        model, number = check_name("model", request.model), _check_version(request.version, least=1)
        await asyncio.to_thread(self._models.delete_version, model, number)
        return empty_pb2.Empty()

    async def SetDefaultVersion(
        self, request: classifier_pb2.SetDefaultVersionRequest, context: _Context
    ) -> classifier_pb2.Model:
        """Make a version the default."""
        model, number = check_name("model", request.model), _check_version(request.version, least=1)
        return converters.model(await asyncio.to_thread(self._models.set_default, model, number))


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


async def _page(
    request: Any, read: Callable[[int], Sequence[Item]], name: Callable[[Item], str]
) -> tuple[Sequence[Item], str]:
    """Return the items of a page, and the token of the next one, empty where this is the last."""
    size = converters.page_size(request.page_size)
    items = await asyncio.to_thread(read, size + 1)
    return items[:size], converters.page_token(name(items[size - 1])) if len(items) > size else ""


def _check_count(field: str, count: int) -> None:
    if not 1 <= count <= MAX_IMAGES:
        raise InvalidFieldError(field, f"The message has {count} {field}; from 1 to {MAX_IMAGES} are accepted.")


def _check_version(number: int, least: int = 0) -> int:
    if number < least:
        raise InvalidFieldError("version", f"The version is {number}; {least} or more is accepted.")
    return number


def _deadline(context: grpc.aio.ServicerContext[Any, Any]) -> float | None:
    """Return the call's deadline of `time.monotonic()`."""
    remaining = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining
