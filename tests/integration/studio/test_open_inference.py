"""The Open Inference Protocol over HTTP: JSON and binary tensors, and failures as the protocol tells them."""

import base64
import json
import struct
from typing import Any

import numpy as np
import pytest

from lastlayer.rpc.errors import ResourceNotFoundError
from tests import triton
from tests.integration.client.fake_classifier import FakeClassifier
from tests.integration.studio.conftest import Answer, Door

LENGTH = "Inference-Header-Content-Length"


def tensor(*images: bytes, **changes: Any) -> dict[str, Any]:
    data = [base64.b64encode(image).decode() for image in images]
    return {"name": "image", "datatype": "BYTES", "shape": [len(images)], "data": data, **changes}


def infer(studio: Door, body: Any, path: str = "/v2/models/default/infer") -> Answer:
    return studio("POST", path, body)


def binary(known: Any, behind: bytes) -> tuple[bytes, dict[str, str]]:
    head = json.dumps(known).encode()
    return head + behind, {LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}


def joined(*images: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(image)) + image for image in images)


def test_images_are_predicted_in_json(studio: Door) -> None:
    answer = infer(studio, {"id": "mine", "inputs": [tensor(b"dog-1", b"cat-1")]})
    assert answer.status == 200
    assert answer.json == {
        "model_name": "default",
        "model_version": "1",
        "id": "mine",
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [2, 2], "data": ["dog", "cat", "cat", "dog"]},
            {"name": "probability", "datatype": "FP32", "shape": [2, 2], "data": [0.75, 0.25, 0.75, 0.25]},
        ],
    }


def test_a_version_outputs_and_a_parameter_can_be_chosen(studio: Door) -> None:
    asked = {
        "inputs": [tensor(b"dog-1")],
        "outputs": [{"name": "rejected"}, {"name": "label"}],
        "parameters": {"top_k": 1},
    }
    answer = infer(studio, asked, "/v2/models/default/versions/3/infer").json
    assert answer["model_version"] == "3"
    assert [(output["name"], output["shape"], output["data"]) for output in answer["outputs"]] == [
        ("rejected", [1], [False]),
        ("label", [1, 1], ["dog"]),
    ]


def test_tensors_travel_as_bytes(studio: Door) -> None:
    behind = joined(b"dog-1", b"cat-1")
    given = {"name": "image", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(behind)}}
    body, headers = binary({"inputs": [given], "parameters": {"binary_data_output": True}}, behind)
    answer = studio("POST", "/v2/models/default/infer", body, headers)
    assert answer.status == 200
    size = int(answer.headers[LENGTH.lower()])
    told, rest = json.loads(answer.content[:size]), answer.content[size:]
    sizes = [output["parameters"]["binary_data_size"] for output in told["outputs"]]
    assert sum(sizes) == len(rest)
    assert rest[: sizes[0]] == joined(b"dog", b"cat", b"cat", b"dog")
    assert np.frombuffer(rest[sizes[0] :], "<f4").tolist() == [0.75, 0.25, 0.75, 0.25]


def test_each_output_can_be_asked_for_in_its_own_form(studio: Door) -> None:
    outputs = [{"name": "label", "parameters": {"binary_data": False}}, {"name": "probability"}]
    asked = {"inputs": [tensor(b"dog-1")], "outputs": outputs, "parameters": {"binary_data_output": True}}
    answer = infer(studio, asked)
    told = json.loads(answer.content[: int(answer.headers[LENGTH.lower()])])
    assert told["outputs"][0]["data"] == ["dog", "cat"]
    assert told["outputs"][1]["parameters"] == {"binary_data_size": 8}


def test_server_and_models_are_described(studio: Door) -> None:
    assert "binary_tensor_data" in studio("GET", "/v2").json["extensions"]
    assert studio("GET", "/v2/health/live").status == 200
    assert studio("GET", "/v2/health/ready").status == 200
    listed = studio("POST", "/v2/repository/index", {}).json
    assert listed
    name, version = listed[0]["name"], listed[0]["version"]
    metadata = studio("GET", f"/v2/models/{name}").json
    assert version in metadata["versions"]
    assert metadata["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert [output["name"] for output in metadata["outputs"]] == ["label", "probability", "rejected"]
    assert studio("GET", f"/v2/models/{name}/versions/{version}").json == metadata
    config = studio("GET", f"/v2/models/{name}/config").json
    assert config["max_batch_size"] == 64
    assert config["input"] == [{"name": "image", "data_type": "TYPE_STRING", "dims": []}]
    assert config["output"][1] == {"name": "probability", "data_type": "TYPE_FP32", "dims": [-1]}
    assert studio("GET", f"/v2/models/{name}/versions/{version}/config").json == config
    assert studio("GET", f"/v2/models/{name}/ready").status == 200


def check_error(answer: Answer, status: int, text: str) -> None:
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json) == ["error"]
    assert text in answer.json["error"]


WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "`body` is not possible"),
    "no inputs": ({}, "`inputs` is not possible"),
    "shape in words": ({"inputs": [tensor(b"a", shape=["one"])]}, "`inputs.0.shape.0` is not possible"),
    "other input": ({"inputs": [tensor(b"a", name="data")]}, "There is no input `data`"),
    "datatype": ({"inputs": [tensor(b"a", datatype="FP32")]}, "`FP32`; BYTES is accepted"),
    "shape": ({"inputs": [tensor(b"a", shape=[1, 1])]}, "[1, 1]; [n] is accepted"),
    "no base64": ({"inputs": [tensor(b"a", data=["a photo"])]}, "It is no base64"),
    "too many": ({"inputs": [tensor(*65 * [b"a"])]}, "65 images; from 1 to 64"),
    "fewer than said": ({"inputs": [tensor(b"a", shape=[2])]}, "1 elements, but the shape says 2"),
    "logits": ({"inputs": [tensor(b"a")], "outputs": [{"name": "logits"}]}, "there are label, probability, rejected"),
    "parameter": ({"inputs": [tensor(b"a")], "parameters": {"topk": 1}}, "no parameter `topk`"),
    "huge parameter": ({"inputs": [tensor(b"a")], "parameters": {"top_k": 10**30}}, "`top_k` takes a whole number"),
    "size without bytes": ({"inputs": [tensor(parameters={"binary_data_size": 9})]}, "0 bytes are left"),
    "size in words": ({"inputs": [tensor(parameters={"binary_data_size": "9"})]}, "0 bytes are left"),
    "bad image": ({"inputs": [tensor(b"cat-1", b"bad")]}, "The image at index 1 fails: "),
}


@pytest.mark.parametrize(("body", "text"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_in_a_sentence(studio: Door, body: Any, text: str) -> None:
    check_error(infer(studio, body), 400, text)


@pytest.mark.parametrize("told", ["-1", "1e3", "99999", "9" * 40, "ten"])
def test_a_length_that_is_wrong_is_refused(studio: Door, told: str) -> None:
    body = json.dumps({"inputs": [tensor(b"a")]}).encode()
    answer = studio("POST", "/v2/models/default/infer", body, {LENGTH: told})
    check_error(answer, 400, f"The header says `{told[:20]}`")


def test_bytes_of_no_input_are_refused(studio: Door) -> None:
    body, headers = binary({"inputs": [tensor(b"cat-1")]}, b"more")
    check_error(studio("POST", "/v2/models/default/infer", body, headers), 400, "4 bytes behind the JSON")


def test_what_is_not_there_is_not_found(studio: Door, fake: FakeClassifier) -> None:
    fake.script["GetModelVersion"] = [ResourceNotFoundError("model", "default"), ResourceNotFoundError("model", "m")]
    check_error(studio("GET", "/v2/models/default"), 404, "There is no model `default`.")
    answer = studio("GET", "/v2/models/m/ready")
    assert (answer.status, answer.json) == (404, {"ready": False})
    check_error(studio("GET", "/v2/unheard/of"), 404, "There is no GET of this path.")
    check_error(studio("GET", "/v2/models/default/versions/newest"), 400, "`newest`; a number from 1")


def test_pages_of_other_sites_are_refused(studio: Door) -> None:
    answer = studio("GET", "/v2/models/default", headers={"Sec-Fetch-Site": "cross-site"})
    check_error(answer, 403, "Pages of other sites")


@pytest.mark.long
@pytest.mark.skipif(not triton.PYTHON.exists(), reason=triton.NO_TRITON)
def test_an_unmodified_tritonclient_predicts(studio: Door) -> None:
    found = triton.call("http", address=studio.address, model="default", images=["dog-1", "cat-1"], bad="bad")
    assert (found["live"], found["ready"], found["model ready"]) == (True, True, True)
    assert found["server"]["name"] == "lastlayer-studio"
    assert found["config"]["name"] == found["metadata"]["name"]
    assert found["index"][0]["state"] == "READY"
    assert found["label"] == found["same label"] == [["dog", "cat"], ["cat", "dog"]]
    assert found["probability"] == [[0.75, 0.25], [0.75, 0.25]]
    assert found["rejected"] == [False, False]
    assert found["async"] == "1"
    assert found["bad image"][0] == "400"
    assert found["bad image"][1].startswith("The image at index 0 fails: ")
