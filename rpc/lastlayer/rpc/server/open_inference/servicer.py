"""The service of the Open Inference Protocol over the models of a service: messages in, messages out."""

import contextlib
import importlib.metadata
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from lastlayer.open_inference import service_pb2, service_pb2_grpc
from lastlayer.rpc.errors import LastlayerError, NotReadyError, ResourceNotFoundError
from lastlayer.rpc.server.deadlines import deadline_of
from lastlayer.rpc.server.open_inference.messages import to_config, to_metadata, to_response
from lastlayer.rpc.server.open_inference.models import Models
from lastlayer.rpc.server.open_inference.requests import Asked, read_inference, read_name, read_version
from lastlayer.rpc.server.open_inference.statistics import Statistics
from lastlayer.rpc.server.streams import answer_each

_EXTENSIONS: Final = ("model_configuration", "parameters", "statistics")

_IN_FLIGHT: Final = 4
"""How many requests of one stream are in work at once."""

Context = Any


class InferenceServicer(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves models by the protocol: from the start it says how the server is, the rest once there are models."""

    def __init__(self, name: str) -> None:
        """`name` is what the server calls itself."""
        self._name = name
        self._version = importlib.metadata.version("lastlayer")
        self._models: Models | None = None
        self._statistics = Statistics()

    def serve(self, models: Models) -> None:
        """Answer with these models from now on."""
        self._models = models

    async def ServerLive(
        self, request: service_pb2.ServerLiveRequest, context: Context
    ) -> service_pb2.ServerLiveResponse:
        """Say that the server answers."""
        return service_pb2.ServerLiveResponse(live=True)

    async def ServerReady(
        self, request: service_pb2.ServerReadyRequest, context: Context
    ) -> service_pb2.ServerReadyResponse:
        """Say whether the server can infer."""
        ready = self._models is not None and not self._models.find_obstacle()
        return service_pb2.ServerReadyResponse(ready=ready)

    async def ModelReady(
        self, request: service_pb2.ModelReadyRequest, context: Context
    ) -> service_pb2.ModelReadyResponse:
        """Say whether a model can infer."""
        models = self._loaded()
        try:
            await models.describe(read_name("name", request.name), read_version("version", request.version))
        except ResourceNotFoundError:
            return service_pb2.ModelReadyResponse(ready=False)
        return service_pb2.ModelReadyResponse(ready=not models.find_obstacle())

    async def ServerMetadata(
        self, request: service_pb2.ServerMetadataRequest, context: Context
    ) -> service_pb2.ServerMetadataResponse:
        """Describe the server."""
        return service_pb2.ServerMetadataResponse(name=self._name, version=self._version, extensions=_EXTENSIONS)

    async def ModelMetadata(
        self, request: service_pb2.ModelMetadataRequest, context: Context
    ) -> service_pb2.ModelMetadataResponse:
        """Describe a model."""
        name, version = read_name("name", request.name), read_version("version", request.version)
        return to_metadata(await self._loaded().describe(name, version))

    async def ModelConfig(
        self, request: service_pb2.ModelConfigRequest, context: Context
    ) -> service_pb2.ModelConfigResponse:
        """Describe a model in Triton's terms."""
        models = self._loaded()
        name, version = read_name("name", request.name), read_version("version", request.version)
        return to_config(await models.describe(name, version), models.max_images)

    async def ModelInfer(
        self, request: service_pb2.ModelInferRequest, context: Context
    ) -> service_pb2.ModelInferResponse:
        """Infer from some images."""
        models, came = self._loaded(), time.monotonic_ns()
        asked = read_inference(request, models)
        del request  # the images are copies
        return await self._answer(models, asked, came, deadline_of(context), patient=False)

    async def ModelStreamInfer(
        self, request_iterator: Any, context: Context
    ) -> AsyncIterator[service_pb2.ModelStreamInferResponse]:
        """Infer from the images of each request."""
        models, deadline = self._loaded(), deadline_of(context)

        async def answer(request: service_pb2.ModelInferRequest) -> service_pb2.ModelStreamInferResponse:
            came, name = time.monotonic_ns(), request.id
            try:
                asked = read_inference(request, models)
                del request
                response = await self._answer(models, asked, came, deadline, patient=True)
            except LastlayerError as error:
                return service_pb2.ModelStreamInferResponse(
                    error_message=error.message, infer_response=service_pb2.ModelInferResponse(id=name)
                )
            if asked.marks_final:
                response.parameters["triton_final_response"].bool_param = True
            return service_pb2.ModelStreamInferResponse(infer_response=response)

        # Triton answers a stream in order, and not all of its callers look at the ids.
        answers = answer_each(request_iterator, answer, in_flight=_IN_FLIGHT, in_order=True)
        async with contextlib.aclosing(answers) as responses:
            async for response in responses:
                yield response

    async def ModelStatistics(
        self, request: service_pb2.ModelStatisticsRequest, context: Context
    ) -> service_pb2.ModelStatisticsResponse:
        """Say what became of requests."""
        models = self._loaded()
        version = read_version("version", request.version)
        name = read_name("name", request.name) if request.name or version else ""
        if version:
            await models.describe(name, version)  # which says best what there is instead
        found = [entry for entry in await models.index(name) if version in (0, entry.version)]
        return service_pb2.ModelStatisticsResponse(model_stats=map(self._statistics.to_message, found))

    async def RepositoryIndex(
        self, request: service_pb2.RepositoryIndexRequest, context: Context
    ) -> service_pb2.RepositoryIndexResponse:
        """List the models."""
        models = self._loaded()
        obstacle = models.find_obstacle()
        if request.repository_name or (obstacle and request.ready):
            return service_pb2.RepositoryIndexResponse()
        entry = service_pb2.RepositoryIndexResponse.ModelIndex
        state = "UNAVAILABLE" if obstacle else "READY"
        return service_pb2.RepositoryIndexResponse(
            models=[
                entry(name=name, version=str(version), state=state, reason=obstacle)
                for name, version, _ in await models.index("")
            ]
        )

    async def _answer(
        self, models: Models, asked: Asked, came: int, deadline: float | None, *, patient: bool
    ) -> service_pb2.ModelInferResponse:
        """Infer, and count what becomes of it; `came` is when the request did, of `time.monotonic_ns()`."""
        was_read, now_ms = time.monotonic_ns(), time.time_ns() // 10**6
        inference = asked.inference
        try:
            inferred = await models.infer(inference, deadline=deadline, patient=patient)
            answered = time.monotonic_ns()
            response = to_response(asked, inferred)
        except ResourceNotFoundError:
            raise  # there is nothing to count it for
        except LastlayerError:
            self._statistics.of(inference.model, inference.version).add_failure(time.monotonic_ns() - came, now_ms)
            raise
        self._statistics.of(inference.model, inferred.version).add_success(
            (came, was_read, answered, time.monotonic_ns()), len(inference.images), now_ms
        )
        return response

    def _loaded(self) -> Models:
        """Return the models; raises NotReadyError."""
        if self._models is None:
            raise NotReadyError("The service is still starting; try again in a moment.")
        return self._models
