"""Reads requests of the Open Inference Protocol: plain, checked data from messages."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lastlayer.open_inference import service_pb2
from lastlayer.rpc.errors import InvalidFieldError
from lastlayer.rpc.observability.escape import escape
from lastlayer.rpc.server.open_inference.elements import split_elements
from lastlayer.rpc.server.open_inference.models import INPUT, Inference, Offer

_MAX_NAME_CHARACTERS: Final = 256
_MAX_ID_BYTES: Final = 1024
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}")
_FINAL: Final = "triton_enable_empty_final_response"
"""How Triton's clients ask to be told which response of a stream is the last one for a request."""


@dataclass(frozen=True)
class Asked:
    """A request."""

    inference: Inference
    id: str
    """The caller's name for it."""
    is_raw: bool
    """Whether tensors travel as bytes, and not as repeated fields."""
    marks_final: bool
    """Whether the response is to say that it is the last one."""


def read_inference(request: service_pb2.ModelInferRequest, offer: Offer) -> Asked:
    """Return what a request asks for; raises InvalidFieldError where that is not in the offer."""
    model, version = read_name("model_name", request.model_name), read_version("model_version", request.model_version)
    size = len(request.id.encode())
    if size > _MAX_ID_BYTES:
        raise InvalidFieldError("id", f"The id has {size} bytes; at most {_MAX_ID_BYTES} are accepted.")
    parameters = _read_parameters(request.parameters, offer.parameters)
    images = _read_images(request, offer.max_images)
    outputs = _read_outputs(request, offer)
    return Asked(
        Inference(model, version, images, outputs, parameters),
        request.id,
        is_raw=len(request.raw_input_contents) > 0,
        marks_final=request.parameters[_FINAL].bool_param if _FINAL in request.parameters else False,
    )


def read_name(field: str, name: str) -> str:
    """Return the name of a model; raises InvalidFieldError for what cannot be one."""
    if not name:
        raise InvalidFieldError(field, "The name of the model is empty; RepositoryIndex lists the models.")
    if len(name) > _MAX_NAME_CHARACTERS or not name.isprintable():
        raise InvalidFieldError(
            field, f"`{_shown(name)}` is no name of a model, which has at most {_MAX_NAME_CHARACTERS} characters."
        )
    return name


def read_version(field: str, text: str) -> int:
    """Return the number of a version, 0 where none is named; raises InvalidFieldError."""
    if text and not _VERSION.fullmatch(text):
        raise InvalidFieldError(
            field, f"The version is `{_shown(text)}`; a number from 1 is accepted, or nothing for the default one."
        )
    return int(text or "0")


def _read_parameters(
    given: Mapping[str, service_pb2.InferParameter], accepted: Iterable[str], field: str = "parameters"
) -> dict[str, int]:
    found = {}
    for name, value in given.items():
        kind = value.WhichOneof("parameter_choice")
        if name == _FINAL and kind == "bool_param":
            continue
        if name not in accepted:
            raise InvalidFieldError(f"{field}.{_shown(name)}", _unknown(name, accepted))
        number = getattr(value, kind) if kind in ("int64_param", "uint64_param") else -1
        if not 0 <= number < 2**31:
            raise InvalidFieldError(f"{field}.{name}", f"`{name}` takes a whole number from 0, as an int64.")
        found[name] = number
    return found


def _unknown(name: str, accepted: Iterable[str]) -> str:
    known = " and ".join(f"`{one}`" for one in accepted)
    hint = ""
    if name.startswith("shared_memory"):
        hint = " Tensors travel in the messages: shared memory is not supported."
    elif name == "classification":
        hint = " Labels are an output of their own, `label`."
    elif name == "timeout":
        hint = " Give the call a deadline instead; tritonclient calls it `client_timeout`."
    return f"There is no parameter `{_shown(name)}` here; {known or 'none'} is accepted.{hint}"


def _read_images(request: service_pb2.ModelInferRequest, most: int) -> list[bytes]:
    for index, given in enumerate(request.inputs):
        if given.name != INPUT:
            raise InvalidFieldError(
                f"inputs[{index}].name", f"There is no input `{_shown(given.name)}`; all models take one, `{INPUT}`."
            )
    if len(request.inputs) != 1:
        raise InvalidFieldError(
            "inputs", f"The request has {len(request.inputs)} inputs; one is needed, `{INPUT}` of BYTES [n]."
        )
    [given] = request.inputs
    _read_parameters(given.parameters, (), "inputs[0].parameters")
    if given.datatype != "BYTES":
        raise InvalidFieldError(
            "inputs[0].datatype",
            f"The datatype is `{_shown(given.datatype)}`; BYTES is accepted: the files of images, as they are.",
        )
    if len(given.shape) != 1:
        shape = ", ".join(map(str, given.shape[:8]))
        raise InvalidFieldError("inputs[0].shape", f"The shape is [{shape}]; [n] is accepted, for n images.")
    [count] = given.shape
    if not 1 <= count <= most:
        raise InvalidFieldError("inputs[0].shape", f"The request has {count} images; from 1 to {most} are accepted.")
    filled = [field.name for field, _ in given.contents.ListFields()]
    if request.raw_input_contents:
        return _read_raw(request, count, filled)
    if filled and filled != ["bytes_contents"]:
        raise InvalidFieldError(
            "inputs[0].contents", f"There are elements in `{filled[0]}`; those of BYTES belong in `bytes_contents`."
        )
    if len(given.contents.bytes_contents) != count:
        raise InvalidFieldError(
            "inputs[0].contents.bytes_contents",
            f"It has {len(given.contents.bytes_contents)} elements, but the shape says {count}.",
        )
    return list(given.contents.bytes_contents)


def _read_raw(request: service_pb2.ModelInferRequest, count: int, filled: list[str]) -> list[bytes]:
    if filled:
        raise InvalidFieldError(
            "inputs[0].contents", "The elements are in `raw_input_contents` as well; one of both is accepted."
        )
    if len(request.raw_input_contents) != 1:
        raise InvalidFieldError(
            "raw_input_contents",
            f"It has {len(request.raw_input_contents)} entries; one for each input is accepted, and there is 1.",
        )
    [raw] = request.raw_input_contents
    return split_elements(raw, count, "raw_input_contents[0]")


def _read_outputs(request: service_pb2.ModelInferRequest, offer: Offer) -> list[str]:
    for index, asked in enumerate(request.outputs):
        if asked.name not in offer.outputs:
            raise InvalidFieldError(
                f"outputs[{index}].name",
                f"There is no output `{_shown(asked.name)}`; there are {', '.join(offer.outputs)}.",
            )
        _read_parameters(asked.parameters, (), f"outputs[{index}].parameters")
    return list(dict.fromkeys(asked.name for asked in request.outputs)) or list(offer.usual_outputs)


def _shown(text: str) -> str:
    return escape(text[:64])
