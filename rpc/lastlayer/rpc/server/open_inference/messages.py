"""Writes answers of the Open Inference Protocol: messages from plain data."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.open_inference import service_pb2
from lastlayer.rpc.channel import MAX_MESSAGE_BYTES
from lastlayer.rpc.errors import InvalidFieldError
from lastlayer.rpc.server.open_inference.elements import join_elements
from lastlayer.rpc.server.open_inference.models import INPUT, Datatype, Inferred, Model
from lastlayer.rpc.server.open_inference.requests import Asked

_PLATFORM: Final = "lastlayer"

_MAX_RESPONSE_BYTES: Final = MAX_MESSAGE_BYTES - 64 * 1024

_CONFIG_TYPES: Final[dict[Datatype, service_pb2.DataType]] = {
    "BOOL": service_pb2.TYPE_BOOL,
    "BYTES": service_pb2.TYPE_STRING,
    "FP32": service_pb2.TYPE_FP32,
}

_DATATYPES: Final[dict[str, Datatype]] = {"b": "BOOL", "f": "FP32", "O": "BYTES"}
"""By the kind of an array's dtype."""


def to_metadata(model: Model) -> service_pb2.ModelMetadataResponse:
    """Return the inputs and outputs of a model."""
    metadata = service_pb2.ModelMetadataResponse.TensorMetadata
    return service_pb2.ModelMetadataResponse(
        name=model.name,
        versions=map(str, model.versions),
        platform=_PLATFORM,
        inputs=[metadata(name=INPUT, datatype="BYTES", shape=[-1])],
        outputs=[
            metadata(name=tensor.name, datatype=tensor.datatype, shape=[-1, *tensor.shape]) for tensor in model.outputs
        ],
    )


def to_config(model: Model, max_images: int) -> service_pb2.ModelConfigResponse:
    """Return a model as Triton's configuration files describe it."""
    config = service_pb2.ModelConfig(
        name=model.name,
        platform=_PLATFORM,
        backend=_PLATFORM,
        max_batch_size=max_images,
        input=[service_pb2.ModelInput(name=INPUT, data_type=service_pb2.TYPE_STRING)],
        output=[
            service_pb2.ModelOutput(name=tensor.name, data_type=_CONFIG_TYPES[tensor.datatype], dims=tensor.shape)
            for tensor in model.outputs
        ],
        dynamic_batching=service_pb2.ModelDynamicBatching(),
    )
    config.parameters["backbone"].string_value = model.backbone
    config.parameters["backbone_digest"].string_value = model.backbone_digest
    return service_pb2.ModelConfigResponse(config=config)


def to_response(asked: Asked, inferred: Inferred) -> service_pb2.ModelInferResponse:
    """Return the answer to a request; raises InvalidFieldError where a message cannot hold it."""
    response = service_pb2.ModelInferResponse(
        model_name=asked.inference.model, model_version=str(inferred.version), id=asked.id
    )
    for name, text in inferred.parameters.items():
        response.parameters[name].string_param = text
    for name in asked.inference.outputs:
        values = inferred.outputs[name]
        output = response.outputs.add(name=name, datatype=datatype_of(values), shape=values.shape)
        if asked.is_raw:
            response.raw_output_contents.append(to_raw(values))
        else:
            _fill(output.contents, values)
    size = response.ByteSize()
    if size > _MAX_RESPONSE_BYTES:
        raise InvalidFieldError(
            "inputs[0].shape",
            f"The answer has {size} bytes, and a message holds {_MAX_RESPONSE_BYTES}; ask for fewer images or outputs.",
        )
    return response


def datatype_of(values: npt.NDArray[Any]) -> Datatype:
    """Return what the protocol calls the type of an output's elements."""
    return _DATATYPES[values.dtype.kind]


def to_raw(values: npt.NDArray[Any]) -> bytes:
    """Return the elements of an output as bytes: little-endian, row by row, of BYTES each after its length."""
    if values.dtype.kind == "O":
        return join_elements(values.ravel())
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _fill(contents: service_pb2.InferTensorContents, values: npt.NDArray[Any]) -> None:
    elements: Sequence[Any] = values.ravel().tolist()
    if values.dtype.kind == "O":
        contents.bytes_contents.extend(elements)
    elif values.dtype == np.bool_:
        contents.bool_contents.extend(elements)
    else:
        contents.fp32_contents.extend(elements)
