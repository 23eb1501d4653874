"""The methods of the Classifier service on models and their versions."""

from google.protobuf import empty_pb2

from lastlayer.classifier.service import messages, pagination
from lastlayer.classifier.service.handlers import Context, HandlerServicer
from lastlayer.classifier.service.requests import wants_mistakes
from lastlayer.classifier.service.validation import check_name, check_version
from lastlayer.classifier.service.version_messages import to_drift, to_model_version
from lastlayer.v1 import classifier_pb2


class ModelMethods(HandlerServicer):
    """The methods on models and versions."""

    async def ListModels(
        self, request: classifier_pb2.ListModelsRequest, context: Context
    ) -> classifier_pb2.ListModelsResponse:
        """List models."""
        after = pagination.read_token(request.page_token)
        found, token = await pagination.read_page(
            request,
            self._handlers.pools.reads,
            lambda limit: self._handlers.models.page(after, limit),
            messages.to_model,
            lambda model: model.name,
        )
        return classifier_pb2.ListModelsResponse(models=found, next_page_token=token)

    async def GetModel(self, request: classifier_pb2.GetModelRequest, context: Context) -> classifier_pb2.Model:
        """Get a model."""
        name = check_name("name", request.name)
        return messages.to_model(await self._handlers.pools.reads.run(self._handlers.models.get, name))

    async def DeleteModel(self, request: classifier_pb2.DeleteModelRequest, context: Context) -> empty_pb2.Empty:
        """Delete a model."""
        await self._handlers.pools.writes.run(self._handlers.models.delete, check_name("name", request.name))
        return empty_pb2.Empty()

    async def ListModelVersions(
        self, request: classifier_pb2.ListModelVersionsRequest, context: Context
    ) -> classifier_pb2.ListModelVersionsResponse:
        """List versions."""
        model = check_name("model", request.model)
        before = pagination.read_number_token(request.page_token)
        found, token = await pagination.read_page(
            request,
            self._handlers.pools.reads,
            lambda limit: self._handlers.models.page_versions(model, before, limit),
            to_model_version,
            lambda version: str(version.version),
        )
        return classifier_pb2.ListModelVersionsResponse(versions=found, next_page_token=token)

    async def GetModelVersion(
        self, request: classifier_pb2.GetModelVersionRequest, context: Context
    ) -> classifier_pb2.ModelVersion:
        """Get a version."""
        model, number = check_name("model", request.model), check_version(request.version)
        version = await self._handlers.pools.reads.run(self._handlers.models.get_version, model, number)
        return to_model_version(version)

    async def GetDrift(self, request: classifier_pb2.GetDriftRequest, context: Context) -> classifier_pb2.Drift:
        """Say whether the images that come to a version are like those that it was trained on."""
        model, number = check_name("model", request.model), check_version(request.version)
        return to_drift(*await self._handlers.drift.find(model, number))

    async def DeleteModelVersion(
        self, request: classifier_pb2.DeleteModelVersionRequest, context: Context
    ) -> empty_pb2.Empty:
        """Delete a version."""
        model, number = check_name("model", request.model), check_version(request.version, least=1)
        await self._handlers.pools.writes.run(self._handlers.models.delete_version, model, number)
        return empty_pb2.Empty()

    async def SetDefaultVersion(
        self, request: classifier_pb2.SetDefaultVersionRequest, context: Context
    ) -> classifier_pb2.Model:
        """Make a version the default."""
        model, number = check_name("model", request.model), check_version(request.version, least=1)
        changed = await self._handlers.pools.writes.run(self._handlers.models.set_default, model, number)
        return messages.to_model(changed)

    async def ReviewExamples(
        self, request: classifier_pb2.ReviewExamplesRequest, context: Context
    ) -> classifier_pb2.ReviewExamplesResponse:
        """List training examples that are worth a look."""
        limit, mistakes = pagination.check_page_size(request.page_size), wants_mistakes(request.kind)
        reviewed = await self._handlers.pools.reads.run(
            self._handlers.review.find,
            check_name("model", request.model),
            check_version(request.version),
            mistakes=mistakes,
            limit=limit,
            with_thumbnails=request.thumbnails,
        )
        return messages.to_review(reviewed)

    async def GetHead(self, request: classifier_pb2.GetHeadRequest, context: Context) -> classifier_pb2.Head:
        """Get the numbers of a head."""
        model, number = check_name("model", request.model), check_version(request.version)
        return messages.to_head(
            await self._handlers.pools.predictions.run(self._handlers.head_export.export, model, number)
        )
