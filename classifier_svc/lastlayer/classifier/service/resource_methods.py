"""The resource methods of the Classifier service: list, get and delete datasets, models and versions."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from google.protobuf import empty_pb2

from lastlayer.classifier.service import messages as converters
from lastlayer.classifier.service import version_messages as version_converters
from lastlayer.classifier.service.validation import check_name, check_version
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.models import ModelStore
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc

_Context = Any
Message = TypeVar("Message", classifier_pb2.Dataset, classifier_pb2.Model, classifier_pb2.ModelVersion)


class ResourceMethods(classifier_pb2_grpc.ClassifierServicer):
    """The methods that need the store alone."""

    def __init__(self, datasets: DatasetStore, models: ModelStore) -> None:
        self._datasets = datasets
        self._models = models

    async def ListDatasets(
        self, request: classifier_pb2.ListDatasetsRequest, context: _Context
    ) -> classifier_pb2.ListDatasetsResponse:
        """List datasets."""
        after = converters.read_page_token(request.page_token)
        found, token = await _page(
            request,
            lambda limit: map(converters.dataset, self._datasets.page(after, limit)),
            lambda dataset: dataset.name,
        )
        return classifier_pb2.ListDatasetsResponse(datasets=found, next_page_token=token)

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
        after = converters.read_page_token(request.page_token)
        found, token = await _page(
            request,
            lambda limit: map(converters.model, self._models.page(after, limit)),
            lambda model: model.name,
        )
        return classifier_pb2.ListModelsResponse(models=found, next_page_token=token)

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
        found, token = await _page(
            request,
            lambda limit: map(version_converters.model_version, self._models.page_versions(model, before, limit)),
            lambda version: str(version.version),
        )
        return classifier_pb2.ListModelVersionsResponse(versions=found, next_page_token=token)

    async def GetModelVersion(
        self, request: classifier_pb2.GetModelVersionRequest, context: _Context
    ) -> classifier_pb2.ModelVersion:
        """Get a version."""
        model, number = check_name("model", request.model), check_version(request.version)
        return version_converters.model_version(await asyncio.to_thread(self._models.get_version, model, number))

    async def DeleteModelVersion(
        self, request: classifier_pb2.DeleteModelVersionRequest, context: _Context
    ) -> empty_pb2.Empty:
        """Delete a version."""
        model, number = check_name("model", request.model), check_version(request.version, least=1)
        await asyncio.to_thread(self._models.delete_version, model, number)
        return empty_pb2.Empty()

    async def SetDefaultVersion(
        self, request: classifier_pb2.SetDefaultVersionRequest, context: _Context
    ) -> classifier_pb2.Model:
        """Make a version the default."""
        model, number = check_name("model", request.model), check_version(request.version, least=1)
        return converters.model(await asyncio.to_thread(self._models.set_default, model, number))


async def _page(
    request: Any, read: Callable[[int], Iterable[Message]], name: Callable[[Message], str]
) -> tuple[list[Message], str]:
    """Return the messages of a page, and the token of the next one, empty where this is the last."""
    size = converters.page_size(request.page_size)
    found = await asyncio.to_thread(lambda: list(read(size + 1)))
    page = converters.fitting(found[:size])
    return page, converters.page_token(name(page[-1])) if len(found) > len(page) else ""
