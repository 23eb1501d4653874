"""The routes of `/v2`."""

from importlib.metadata import version as release
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from lastlayer.client.errors import ClientError, NotFoundError
from lastlayer.open_inference import service_pb2
from lastlayer.rpc.server.open_inference.messages import to_config, to_metadata
from lastlayer.rpc.server.open_inference.requests import read_inference, read_name, read_version
from lastlayer.studio.routes.needs import Classifier
from lastlayer.studio.routes.open_inference.models import InferenceModels
from lastlayer.studio.routes.open_inference.tensors import read_body, to_answer, to_message

_FAILURES: Final[dict[int | str, dict[str, Any]]] = {"default": {"description": 'why it failed, as `{"error": …}`'}}

router = APIRouter(prefix="/v2", tags=["open inference protocol"], responses=_FAILURES)

Name = Annotated[str, Path(description="the name of the model")]
Version = Annotated[str, Path(description="the number of the version")]

_BODY = {
    "requestBody": {
        "required": True,
        "description": "see https://github.com/kserve/open-inference-protocol",
        "content": {"application/json": {"schema": {"type": "object", "required": ["inputs"]}}},
    }
}


@router.get("")
def get_server() -> dict[str, Any]:
    """Describe the server and which extensions of the protocol it has."""
    return {
        "name": "lastlayer-studio",
        "version": release("lastlayer"),
        "extensions": ["binary_tensor_data", "model_configuration", "parameters"],
    }


@router.get("/health/live")
def is_live() -> dict[str, bool]:
    """Say that the server answers."""
    return {"live": True}


@router.get("/health/ready")
def is_ready(request: Request, client: Classifier) -> Response:
    """Say by the status whether the server can infer: 200, or 503 where not."""
    return _readiness(not _find_obstacle(InferenceModels(request, client)))


@router.get("/models/{model}")
async def get_model(request: Request, client: Classifier, model: Name) -> dict[str, Any]:
    """Describe the inputs and outputs of a model."""
    return await _describe(request, client, model, "")


@router.get("/models/{model}/versions/{version}")
async def get_version(request: Request, client: Classifier, model: Name, version: Version) -> dict[str, Any]:
    """Describe the inputs and outputs of a version of a model."""
    return await _describe(request, client, model, version)


@router.get("/models/{model}/ready")
async def is_model_ready(request: Request, client: Classifier, model: Name) -> Response:
    """Say by the status whether a model can infer: 200, 503, or 404 where there is none."""
    return await _model_readiness(request, client, model, "")


@router.get("/models/{model}/versions/{version}/ready")
async def is_version_ready(request: Request, client: Classifier, model: Name, version: Version) -> Response:
    """Say by the status whether a version can infer: 200, 503, or 404 where there is none."""
    return await _model_readiness(request, client, model, version)


@router.get("/models/{model}/config")
async def get_model_config(request: Request, client: Classifier, model: Name) -> dict[str, Any]:
    """Describe a model as Triton's configuration files do."""
    return await _configure(request, client, model, "")


@router.get("/models/{model}/versions/{version}/config")
async def get_version_config(request: Request, client: Classifier, model: Name, version: Version) -> dict[str, Any]:
    """Describe a version of a model as Triton's configuration files do."""
    return await _configure(request, client, model, version)


@router.post("/models/{model}/infer", openapi_extra=_BODY)
async def infer(request: Request, client: Classifier, model: Name) -> Response:
    """Infer from some images by a model's default version."""
    return await _infer(request, client, model, "")


@router.post("/models/{model}/versions/{version}/infer", openapi_extra=_BODY)
async def infer_by_version(request: Request, client: Classifier, model: Name, version: Version) -> Response:
    """Infer from some images."""
    return await _infer(request, client, model, version)


@router.post("/repository/index")
async def get_index(request: Request, client: Classifier) -> list[dict[str, str]]:
    """List all models with their versions."""
    models = InferenceModels(request, client)
    obstacle = await run_in_threadpool(_find_obstacle, models)
    state = "UNAVAILABLE" if obstacle else "READY"
    return [
        {"name": name, "version": str(version), "state": state, "reason": obstacle}
        for name, version, _ in await models.index("")
    ]


def _find_obstacle(models: InferenceModels) -> str:
    try:
        return models.find_obstacle()
    except ClientError as error:
        return error.message


def _readiness(ready: bool) -> Response:
    return JSONResponse({"ready": ready}, 200 if ready else 503)


async def _model_readiness(request: Request, client: Classifier, model: str, version: str) -> Response:
    models = InferenceModels(request, client)
    try:
        await models.describe(read_name("model", model), read_version("version", version))
    except NotFoundError:
        return JSONResponse({"ready": False}, 404)
    return _readiness(not await run_in_threadpool(_find_obstacle, models))


async def _describe(request: Request, client: Classifier, model: str, version: str) -> dict[str, Any]:
    known = to_metadata(
        await InferenceModels(request, client).describe(read_name("model", model), read_version("version", version))
    )
    return {
        "name": known.name,
        "versions": list(known.versions),
        "platform": known.platform,
        "inputs": [_tensor(tensor) for tensor in known.inputs],
        "outputs": [_tensor(tensor) for tensor in known.outputs],
    }


def _tensor(tensor: service_pb2.ModelMetadataResponse.TensorMetadata) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}


async def _configure(request: Request, client: Classifier, model: str, version: str) -> dict[str, Any]:
    models = InferenceModels(request, client)
    described = await models.describe(read_name("model", model), read_version("version", version))
    config = to_config(described, models.max_images).config
    return {
        "name": config.name,
        "platform": config.platform,
        "backend": config.backend,
        "max_batch_size": config.max_batch_size,
        "input": [_port(port) for port in config.input],
        "output": [_port(port) for port in config.output],
        "dynamic_batching": {},
        "parameters": {name: {"string_value": value.string_value} for name, value in config.parameters.items()},
    }


def _port(port: service_pb2.ModelInput | service_pb2.ModelOutput) -> dict[str, Any]:
    return {"name": port.name, "data_type": service_pb2.DataType.Name(port.data_type), "dims": list(port.dims)}


async def _infer(request: Request, client: Classifier, model: str, version: str) -> Response:
    known, behind = read_body(request.headers, await request.body())
    models = InferenceModels(request, client)
    asked = read_inference(to_message(known, behind, model, version), models)
    return to_answer(known, asked, await models.infer(asked.inference))
