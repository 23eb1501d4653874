"""Requests and answers of `/v2` as JSON, with what Triton's extension for binary tensors puts behind it."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from lastlayer.open_inference import service_pb2
from lastlayer.rpc.errors import InvalidFieldError
from lastlayer.rpc.server.open_inference.messages import datatype_of, to_raw
from lastlayer.rpc.server.open_inference.models import Inferred
from lastlayer.rpc.server.open_inference.requests import Asked

HEADER_LENGTH: Final = "Inference-Header-Content-Length"
"""How many bytes of a body are JSON; tensors follow."""

_MAX_TENSORS: Final = 64

Parameters = dict[str, bool | int | float | str]


class InputTensor(BaseModel):
    """A tensor to infer from."""

    name: str
    shape: Annotated[list[int], Field(max_length=8)]
    datatype: str
    parameters: Parameters = {}
    data: Annotated[
        list[str] | None, Field(description="files of images in base64; left out where they follow the JSON")
    ] = None


class OutputTensor(BaseModel):
    """A tensor to answer with."""

    name: str
    parameters: Parameters = {}


class InferenceRequest(BaseModel):
    """What to infer."""

    id: str = ""
    parameters: Parameters = {}
    inputs: Annotated[list[InputTensor], Field(max_length=_MAX_TENSORS)]
    outputs: Annotated[list[OutputTensor], Field(max_length=_MAX_TENSORS)] = []


def read_body(headers: Headers, body: bytes) -> tuple[InferenceRequest, bytes]:
    """Return the request of a body, and the tensors behind it; raises InvalidFieldError."""
    told = headers.get(HEADER_LENGTH, str(len(body)))
    if not (told.isascii() and told.isdigit() and len(told) < 10 and int(told) <= len(body)):
        raise InvalidFieldError(
            HEADER_LENGTH, f"The header says `{told[:20]}`, but the body has {len(body)} bytes, of which some are JSON."
        )
    try:
        return InferenceRequest.model_validate_json(body[: int(told)]), body[int(told) :]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise InvalidFieldError(
            place, f"`{place}` is not possible: {first['msg'][:1].lower()}{first['msg'][1:]}."
        ) from error


def to_message(known: InferenceRequest, behind: bytes, model: str, version: str) -> service_pb2.ModelInferRequest:
    """Return a request as gRPC has it; raises InvalidFieldError."""
    message = service_pb2.ModelInferRequest(model_name=model, model_version=version, id=known.id)
    _fill(message.parameters, known.parameters, without=("binary_data_output",))
    at = 0
    for index, given in enumerate(known.inputs):
        size = given.parameters.get("binary_data_size")
        tensor = message.inputs.add(name=given.name, datatype=given.datatype, shape=given.shape)
        _fill(tensor.parameters, given.parameters, without=("binary_data_size", "content_type"))
        if size is None:
            tensor.contents.bytes_contents.extend(_decode(given.data or [], f"inputs[{index}].data"))
        elif isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(behind) - at:
            raise InvalidFieldError(
                f"inputs[{index}].parameters.binary_data_size",
                f"It is {size}, but {len(behind) - at} bytes are left behind the JSON, which ends where the header "
                f"{HEADER_LENGTH} says.",
            )
        else:
            message.raw_input_contents.append(behind[at : at + size])
            at += size
    if at != len(behind):
        raise InvalidFieldError("inputs", f"{len(behind) - at} bytes behind the JSON belong to no input.")
    for asked in known.outputs:
        _fill(message.outputs.add(name=asked.name).parameters, asked.parameters, without=("binary_data",))
    return message


def to_answer(known: InferenceRequest, asked: Asked, inferred: Inferred) -> Response:
    """Return the answer to a request: JSON, and behind it the tensors that were asked for as bytes."""
    by_default = known.parameters.get("binary_data_output") is True
    binary = {output.name: output.parameters.get("binary_data", by_default) is True for output in known.outputs}
    outputs, behind = [], []
    for name in asked.inference.outputs:
        values = inferred.outputs[name]
        output: dict[str, Any] = {"name": name, "datatype": datatype_of(values), "shape": list(values.shape)}
        if binary.get(name, by_default):
            behind.append(to_raw(values))
            output["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            elements = values.ravel().tolist()
            output["data"] = [each.decode() if isinstance(each, bytes) else each for each in elements]
        outputs.append(output)
    told = {
        "model_name": asked.inference.model,
        "model_version": str(inferred.version),
        **({"id": asked.id} if asked.id else {}),
        "outputs": outputs,
    }
    if not behind:
        return JSONResponse(told)
    head = json.dumps(told).encode()
    return Response(
        b"".join([head, *behind]), media_type="application/octet-stream", headers={HEADER_LENGTH: str(len(head))}
    )


def _fill(message: Any, parameters: Mapping[str, bool | int | float | str], *, without: tuple[str, ...]) -> None:
    """Put parameters into a message's map of them; `without` are those of HTTP alone."""
    for name, value in parameters.items():
        if name in without:
            continue
        if isinstance(value, bool):
            message[name].bool_param = value
        elif isinstance(value, int) and abs(value) < 2**63:
            message[name].int64_param = value
        elif isinstance(value, str):
            message[name].string_param = value
        else:
            message[name].double_param = value


def _decode(data: list[str], field: str) -> list[bytes]:
    try:
        return [base64.b64decode(each, validate=True) for each in data]
    except (binascii.Error, ValueError) as error:
        raise InvalidFieldError(
            field,
            "It is no base64, in which the files of images travel in JSON; send them as binary tensors otherwise.",
        ) from error
