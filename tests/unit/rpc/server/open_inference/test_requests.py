"""Requests of the Open Inference Protocol are read whole, and what is wrong with one is told in a sentence."""

import struct
from collections.abc import Sequence
from typing import Any

import pytest

from lastlayer.open_inference import service_pb2
from lastlayer.rpc.errors import InvalidFieldError
from lastlayer.rpc.server.open_inference.elements import join_elements, split_elements
from lastlayer.rpc.server.open_inference.requests import read_inference

Tensor = service_pb2.ModelInferRequest.InferInputTensor
Output = service_pb2.ModelInferRequest.InferRequestedOutputTensor
Parameter = service_pb2.InferParameter


class Offered:
    max_images = 3
    outputs: Sequence[str] = ("label", "probability", "logits")
    usual_outputs: Sequence[str] = ("label", "probability")
    parameters: Sequence[str] = ("top_k",)


def tensor(*contents: bytes, **changes: Any) -> Any:
    fields: dict[str, Any] = {"name": "image", "datatype": "BYTES", "shape": [len(contents)]}
    known = Tensor(**(fields | changes))
    known.contents.bytes_contents.extend(contents)
    return known


def request(**changes: Any) -> service_pb2.ModelInferRequest:
    fields: dict[str, Any] = {"model_name": "m", "inputs": [tensor(b"a", b"b")]}
    return service_pb2.ModelInferRequest(**(fields | changes))


def raw(*elements: bytes, **changes: Any) -> service_pb2.ModelInferRequest:
    shape = changes.pop("shape", [len(elements)])
    fields: dict[str, Any] = {
        "inputs": [tensor(shape=shape)],
        "raw_input_contents": [join_elements(elements)],
    }
    return request(**(fields | changes))


def test_images_come_as_elements_or_as_bytes() -> None:
    typed = read_inference(request(), Offered())
    assert (typed.inference.images, typed.is_raw) == ([b"a", b"b"], False)
    as_bytes = read_inference(raw(b"a", b"", b"ccc"), Offered())
    assert (as_bytes.inference.images, as_bytes.is_raw) == ([b"a", b"", b"ccc"], True)


def test_what_is_left_out_has_the_usual_meaning() -> None:
    asked = read_inference(request(), Offered())
    assert (asked.inference.model, asked.inference.version, asked.id) == ("m", 0, "")
    assert asked.inference.outputs == ["label", "probability"]
    assert asked.inference.parameters == {}
    assert not asked.marks_final


def test_what_is_given_is_read() -> None:
    asked = read_inference(
        request(
            model_version="12",
            id="mine",
            parameters={
                "top_k": Parameter(int64_param=2),
                "triton_enable_empty_final_response": Parameter(bool_param=True),
            },
            outputs=[Output(name="logits"), Output(name="label"), Output(name="logits")],
        ),
        Offered(),
    )
    assert (asked.inference.version, asked.id, asked.marks_final) == (12, "mine", True)
    assert asked.inference.outputs == ["logits", "label"]
    assert asked.inference.parameters == {"top_k": 2}


SHARED_MEMORY = {"shared_memory_region": Parameter(string_param="region")}

WRONG: dict[str, tuple[Any, str, str]] = {
    "no model": (request(model_name=""), "model_name", "is empty"),
    "no name": (request(model_name="a\nb"), "model_name", r"`a\nb` is no name"),
    "long name": (request(model_name="m" * 300), "model_name", "at most 256 characters"),
    "version in words": (request(model_version="latest"), "model_version", "`latest`; a number from 1"),
    "version zero": (request(model_version="0"), "model_version", "a number from 1"),
    "version below zero": (request(model_version="-1"), "model_version", "a number from 1"),
    "version too long": (request(model_version="9" * 30), "model_version", "a number from 1"),
    "long id": (request(id="ö" * 600), "id", "1200 bytes; at most 1024"),
    "no input": (request(inputs=[]), "inputs", "0 inputs; one is needed"),
    "two inputs": (request(inputs=[tensor(b"a"), tensor(b"b")]), "inputs", "2 inputs; one is needed"),
    "other input": (request(inputs=[tensor(b"a", name="data\x1b")]), "inputs[0].name", r"no input `data\x1b`"),
    "second input": (request(inputs=[tensor(b"a"), tensor(name="b")]), "inputs[1].name", "no input `b`"),
    "datatype": (request(inputs=[tensor(b"a", datatype="FP32")]), "inputs[0].datatype", "`FP32`; BYTES is accepted"),
    "pixels": (
        request(inputs=[tensor(b"a", shape=[1, 224, 224, 3])]),
        "inputs[0].shape",
        "[1, 224, 224, 3]; [n] is accepted",
    ),
    "no shape": (request(inputs=[tensor(b"a", shape=[])]), "inputs[0].shape", "The shape is []"),
    "no images": (request(inputs=[tensor()]), "inputs[0].shape", "0 images; from 1 to 3"),
    "negative": (request(inputs=[tensor(b"a", shape=[-1])]), "inputs[0].shape", "-1 images; from 1 to 3"),
    "too many images": (request(inputs=[tensor(*4 * [b"a"])]), "inputs[0].shape", "4 images; from 1 to 3"),
    "fewer than said": (
        request(inputs=[tensor(b"a", shape=[2])]),
        "inputs[0].contents.bytes_contents",
        "1 elements, but the shape says 2",
    ),
    "elements of another type": (
        request(inputs=[Tensor(name="image", datatype="BYTES", shape=[1], contents={"fp32_contents": [1.0]})]),
        "inputs[0].contents",
        "in `fp32_contents`; those of BYTES belong in `bytes_contents`",
    ),
    "twice": (raw(b"a", inputs=[tensor(b"a")]), "inputs[0].contents", "one of both is accepted"),
    "raw twice": (raw(b"a", raw_input_contents=[b"", b""]), "raw_input_contents", "2 entries; one for each"),
    "raw without length": (raw(raw_input_contents=[b"a"], shape=[1]), "raw_input_contents[0]", "before the length"),
    "raw empty": (raw(raw_input_contents=[b""], shape=[1]), "raw_input_contents[0]", "ends after 0 bytes"),
    "raw cut short": (
        raw(raw_input_contents=[struct.pack("<I", 9) + b"abc"], shape=[1]),
        "raw_input_contents[0]",
        "Element 0 is to have 9 bytes, but 3 are left of 7",
    ),
    "raw with a huge length": (
        raw(raw_input_contents=[b"\xff\xff\xff\xff"], shape=[1]),
        "raw_input_contents[0]",
        "4294967295 bytes, but 0 are left",
    ),
    "raw with one too few": (raw(b"a", shape=[2]), "raw_input_contents[0]", "length of element 1; the shape says 2"),
    "raw with one too many": (raw(b"a", b"b", shape=[1]), "raw_input_contents[0]", "5 bytes come after the 1"),
    "input in shared memory": (
        request(inputs=[tensor(parameters=SHARED_MEMORY)]),
        "inputs[0].parameters.shared_memory_region",
        "shared memory is not supported",
    ),
    "output in shared memory": (
        request(outputs=[Output(name="label", parameters=SHARED_MEMORY)]),
        "outputs[0].parameters.shared_memory_region",
        "shared memory is not supported",
    ),
    "Triton's classification": (
        request(outputs=[Output(name="probability", parameters={"classification": Parameter(int64_param=2)})]),
        "outputs[0].parameters.classification",
        "Labels are an output of their own, `label`.",
    ),
    "other output": (
        request(outputs=[Output(name="label"), Output(name="score")]),
        "outputs[1].name",
        "no output `score`; there are label, probability, logits",
    ),
    "other parameter": (
        request(parameters={"topk": Parameter(int64_param=2)}),
        "parameters.topk",
        "There is no parameter `topk` here; `top_k` is accepted.",
    ),
    "Triton's timeout": (
        request(parameters={"timeout": Parameter(int64_param=2)}),
        "parameters.timeout",
        "`client_timeout`",
    ),
    "number in words": (request(parameters={"top_k": Parameter(string_param="2")}), "parameters.top_k", "as an int64"),
    "true for a number": (request(parameters={"top_k": Parameter(bool_param=True)}), "parameters.top_k", "as an int64"),
    "broken number": (request(parameters={"top_k": Parameter(double_param=2)}), "parameters.top_k", "as an int64"),
    "negative number": (request(parameters={"top_k": Parameter(int64_param=-1)}), "parameters.top_k", "from 0"),
    "huge number": (request(parameters={"top_k": Parameter(uint64_param=2**63)}), "parameters.top_k", "from 0"),
    "no number": (request(parameters={"top_k": Parameter()}), "parameters.top_k", "from 0"),
}


@pytest.mark.parametrize(("wrong", "field", "text"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_in_a_sentence(wrong: Any, field: str, text: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        read_inference(wrong, Offered())
    assert caught.value.field == field
    assert text in caught.value.message
    assert caught.value.message.endswith(".")
    assert caught.value.message.isprintable()


def test_elements_are_split_as_they_were_joined() -> None:
    elements = [b"", b"abc", bytes(70_000), b"\0\0\0\0"]
    joined = join_elements(elements)
    assert joined[:11] == b"\0\0\0\0\3\0\0\0abc"
    assert split_elements(joined, 4, "raw") == elements
