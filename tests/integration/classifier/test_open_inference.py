"""The Open Inference Protocol on the classifier: its answers are those of Predict, and so are its limits."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import grpc
import numpy as np
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import REGISTRY

from lastlayer.classifier.domain.head import softmax
from lastlayer.classifier.server import running
from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.open_inference import service_pb2, service_pb2_grpc
from lastlayer.rpc.channel import INFERENCE_SERVICE
from lastlayer.rpc.errors import OverloadedError
from lastlayer.rpc.server.open_inference.elements import join_elements, split_elements
from lastlayer.rpc.status import read_error
from lastlayer.v1 import classifier_pb2_grpc
from tests.integration.classifier.calls import channel, failure, predict, train_anew
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, Hang
from tests.programs import until

Tensor = service_pb2.ModelInferRequest.InferInputTensor
Output = service_pb2.ModelInferRequest.InferRequestedOutputTensor


class Both:
    """The classifier by its own service and by the protocol."""

    def __init__(self, connection: grpc.aio.Channel) -> None:
        self.own: Any = classifier_pb2_grpc.ClassifierStub(connection)
        self.open: Any = service_pb2_grpc.GRPCInferenceServiceStub(connection)
        self.connection = connection

    async def until_ready(self) -> None:
        """Return once it knows that the featurizer is there."""
        for _ in range(3000):
            if (await self.open.ServerReady(service_pb2.ServerReadyRequest())).ready:
                return
            await asyncio.sleep(0.02)
        raise AssertionError("waited in vain")


@pytest.fixture
async def both(settings: ClassifierSettings) -> AsyncIterator[Both]:
    async with running(settings) as address, channel(address) as connection:
        yield Both(connection)


def infer(*images: bytes, **changes: Any) -> service_pb2.ModelInferRequest:
    """A request as tritonclient makes it."""
    fields: dict[str, Any] = {
        "model_name": "m",
        "inputs": [Tensor(name="image", datatype="BYTES", shape=[len(images)])],
        "raw_input_contents": [join_elements(images)],
    }
    return service_pb2.ModelInferRequest(**(fields | changes))


def wanting(*names: str) -> list[Output]:
    return [Output(name=name) for name in names]


def read(response: service_pb2.ModelInferResponse) -> dict[str, Any]:
    """The outputs of a raw response."""
    kinds = {"FP32": "<f4", "BOOL": "?"}
    found = {}
    for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        assert not output.HasField("contents")
        if output.datatype == "BYTES":
            count = int(np.prod(output.shape))
            values = np.array([each.decode() for each in split_elements(raw, count, "raw")])
        else:
            values = np.frombuffer(raw, kinds[output.datatype])
        found[output.name] = values.reshape(output.shape)
    return found


async def test_answers_are_those_of_predict(both: Both) -> None:
    await train_anew(both.own)
    contents = [b"dog-77", b"cat-77", b"dog-78"]
    native = (await predict(both.own, contents)).results
    response = await both.open.ModelInfer(infer(*contents, id="mine"))
    outputs = read(response)
    assert (response.model_name, response.model_version, response.id) == ("m", "1", "mine")
    assert [output.name for output in response.outputs] == ["label", "probability"]
    assert outputs["label"].tolist() == [[score.label for score in one.prediction.scores] for one in native]
    assert outputs["probability"] == pytest.approx(
        np.array([[score.score for score in one.prediction.scores] for one in native]), abs=1e-6
    )


async def test_outputs_come_in_the_order_in_which_they_are_asked_for(both: Both) -> None:
    version = await train_anew(both.own)
    asked = infer(b"cat-1", b"dog-1", outputs=wanting("rejected", "logits", "probability", "label"))
    outputs = read(await both.open.ModelInfer(asked))
    assert list(outputs) == ["rejected", "logits", "probability", "label"]
    assert outputs["rejected"].tolist() == [False, False]
    # Logits are in the order of the model's classes.
    probabilities = softmax(outputs["logits"].astype(np.float64))
    assert outputs["probability"][:, 0] == pytest.approx(probabilities.max(1), abs=1e-6)
    assert outputs["label"][:, 0].tolist() == [version.classes[best] for best in probabilities.argmax(1)]
    best = read(await both.open.ModelInfer(infer(b"cat-1", parameters={"top_k": {"int64_param": 1}})))
    assert best["label"].tolist() == [["cat"]]
    assert best["probability"].shape == (1, 1)


async def test_what_predict_rejects_is_rejected(both: Both) -> None:
    await train_anew(both.own)
    contents = [b"cat-9", b"stranger-1"]
    native = [one.prediction.rejected for one in (await predict(both.own, contents)).results]
    assert (
        read(await both.open.ModelInfer(infer(*contents, outputs=wanting("rejected"))))["rejected"].tolist() == native
    )


async def test_elements_are_answered_with_elements(both: Both) -> None:
    await train_anew(both.own)
    tensor = Tensor(name="image", datatype="BYTES", shape=[1], contents={"bytes_contents": [b"dog-1"]})
    asked = infer(inputs=[tensor], raw_input_contents=[], outputs=wanting("label", "probability", "rejected"))
    response = await both.open.ModelInfer(asked)
    label, probability, rejected = (output.contents for output in response.outputs)
    assert label.bytes_contents == [b"dog", b"cat"]
    assert sum(probability.fp32_contents) == pytest.approx(1)
    assert rejected.bool_contents == [False]
    assert not response.raw_output_contents


async def test_models_are_described(both: Both) -> None:
    for _ in range(2):
        await train_anew(both.own)
    await train_anew(both.own, "other")
    await both.until_ready()
    assert (await both.open.ServerLive(service_pb2.ServerLiveRequest())).live
    server = await both.open.ServerMetadata(service_pb2.ServerMetadataRequest())
    assert server.name == "lastlayer-classifier"
    assert "statistics" in server.extensions
    index = (await both.open.RepositoryIndex(service_pb2.RepositoryIndexRequest())).models
    assert [(one.name, one.version, one.state) for one in index] == [
        ("m", "1", "READY"),
        ("m", "2", "READY"),
        ("other", "1", "READY"),
    ]
    metadata = await both.open.ModelMetadata(service_pb2.ModelMetadataRequest(name="m", version="1"))
    assert list(metadata.versions) == ["1", "2"]
    assert [(one.name, one.datatype, list(one.shape)) for one in metadata.inputs] == [("image", "BYTES", [-1])]
    assert [(one.name, one.datatype, list(one.shape)) for one in metadata.outputs] == [
        ("label", "BYTES", [-1, -1]),
        ("probability", "FP32", [-1, -1]),
        ("logits", "FP32", [-1, 2]),
        ("rejected", "BOOL", [-1]),
    ]
    config = (await both.open.ModelConfig(service_pb2.ModelConfigRequest(name="m"))).config
    assert (config.name, config.max_batch_size) == ("m", 256)
    assert [(one.name, one.data_type, list(one.dims)) for one in config.input] == [
        ("image", service_pb2.TYPE_STRING, [])
    ]
    assert config.HasField("dynamic_batching")
    assert config.parameters["backbone_digest"].string_value == "a" * 64


async def test_readiness_is_told_of_models_and_without_a_featurizer(both: Both, fake: FakeFeaturizer) -> None:
    await train_anew(both.own)
    await both.until_ready()

    async def is_ready(name: str, version: str = "") -> bool:
        answer = await both.open.ModelReady(service_pb2.ModelReadyRequest(name=name, version=version))
        return bool(answer.ready)

    assert [await is_ready("m"), await is_ready("m", "1")] == [True, True]
    assert [await is_ready("m", "2"), await is_ready("other")] == [False, False]
    assert (await failure(is_ready("m", "newest"))).code == grpc.StatusCode.INVALID_ARGUMENT


async def test_without_a_featurizer_nothing_is_ready(tmp_path: Path) -> None:
    alone = ClassifierSettings.model_validate(
        {
            "address": "127.0.0.1:0",
            "featurizer": "127.0.0.1:9",  # the discard port: nobody listens
            "store_url": f"sqlite:///{tmp_path}/x.db",
        }
    )
    async with running(alone) as address, channel(address) as connection:
        stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(connection)
        assert (await stub.ServerLive(service_pb2.ServerLiveRequest())).live
        assert not (await stub.ServerReady(service_pb2.ServerReadyRequest())).ready


async def test_what_became_of_requests_is_counted(both: Both) -> None:
    await train_anew(both.own)
    await both.open.ModelInfer(infer(b"cat-1", b"dog-1"))
    await both.open.ModelInfer(infer(b"cat-1", model_version="1"))
    await failure(both.open.ModelInfer(infer(b"bad-1")))
    await failure(both.open.ModelInfer(infer(b"bad-1", model_name="unknown")))
    [counted] = (await both.open.ModelStatistics(service_pb2.ModelStatisticsRequest())).model_stats
    assert (counted.name, counted.version, counted.inference_count, counted.execution_count) == ("m", "1", 3, 2)
    stats = counted.inference_stats
    assert (stats.success.count, stats.fail.count, stats.compute_infer.count) == (2, 1, 2)
    parts = stats.compute_input.ns + stats.compute_infer.ns + stats.compute_output.ns
    assert stats.success.ns == parts > 0
    for name, version, code in (("m", "7", "NOT_FOUND"), ("unknown", "", "NOT_FOUND"), ("", "1", "INVALID_ARGUMENT")):
        request = service_pb2.ModelStatisticsRequest(name=name, version=version)
        assert (await failure(both.open.ModelStatistics(request))).code.name == code


@pytest.mark.parametrize(
    ("request_", "code", "reason", "text"),
    [
        (infer(b"cat-1", model_name="cats"), "NOT_FOUND", "RESOURCE_NOT_FOUND", "no model `cats`. There are: m."),
        (infer(b"cat-1", model_version="5"), "NOT_FOUND", "RESOURCE_NOT_FOUND", "The newest are 1."),
        (infer(b"cat-1", b"bad-1"), "INVALID_ARGUMENT", "IMAGE_UNDECODABLE", "The image at index 1 fails: "),
        (infer(b"bad-1", b"bad-2"), "INVALID_ARGUMENT", "IMAGE_UNDECODABLE", "The image at index 0 fails: "),
        (infer(b"cat-1", b""), "INVALID_ARGUMENT", "IMAGE_EMPTY", "The image at index 1 fails: "),
        (infer(*257 * [b"a"]), "INVALID_ARGUMENT", "INVALID_FIELD", "257 images; from 1 to 256 are accepted."),
        (infer(b"cat-1", outputs=wanting("score")), "INVALID_ARGUMENT", "INVALID_FIELD", "no output `score`"),
    ],
    ids=["model", "version", "bad", "all bad", "empty", "too many", "output"],
)
async def test_failures(both: Both, request_: Any, code: str, reason: str, text: str) -> None:
    await train_anew(both.own)
    details = await failure(both.open.ModelInfer(request_))
    assert (details.code.name, details.reason) == (code, reason)
    assert text in details.message


async def test_the_index_of_a_bad_image_is_in_the_metadata(both: Both) -> None:
    await train_anew(both.own)
    details = await failure(both.open.ModelInfer(infer(b"cat-1", b"bad-1", b"bad-2", b"bad-3")))
    assert details.metadata["index"] == "1"
    assert details.message.endswith("So do 2 others.")


async def test_a_stream_is_answered_in_order_and_outlives_errors(both: Both, fake: FakeFeaturizer) -> None:
    await train_anew(both.own)
    asked = [
        infer(b"cat-1", id="a"),
        infer(b"bad-1", id="b"),
        infer(b"cat-1", id="c", model_name="unknown"),
        infer(b"cat-1", id="d", inputs=[]),
        infer(b"dog-1", id="e", parameters={"triton_enable_empty_final_response": {"bool_param": True}}),
    ]
    answers = [answer async for answer in both.open.ModelStreamInfer(iter(asked))]
    assert [answer.infer_response.id for answer in answers] == list("abcde")
    assert [bool(answer.error_message) for answer in answers] == [False, True, True, True, False]
    assert "The image at index 0 fails" in answers[1].error_message
    assert "no model `unknown`" in answers[2].error_message
    assert read(answers[0].infer_response)["label"][0, 0] == "cat"
    assert read(answers[4].infer_response)["label"][0, 0] == "dog"
    assert "triton_final_response" not in answers[0].infer_response.parameters
    assert answers[4].infer_response.parameters["triton_final_response"].bool_param


async def test_overload_and_deadlines_are_told_as_of_predict(both: Both, fake: FakeFeaturizer) -> None:
    await train_anew(both.own)
    hang = Hang()
    fake.script = [hang, OverloadedError("The queue is full.", retry_after_s=30)]
    inside = asyncio.ensure_future(both.open.ModelInfer(infer(b"cat-1")))
    await hang.entered.wait()
    details = await failure(both.open.ModelInfer(infer(b"cat-1")))
    assert (details.code.name, details.reason, details.retry_after_s) == ("RESOURCE_EXHAUSTED", "OVERLOADED", 30)
    # From then on calls are refused before they are received, as those of Predict.
    sent = len(fake.requests)
    details = await failure(both.open.ModelInfer(infer(b"cat-1")))
    assert (details.reason, "beside the 1 images of ours" in details.message) == ("OVERLOADED", True)
    assert len(fake.requests) == sent
    hang.released.set()
    assert read(await inside)["label"][0, 0] == "cat"
    fake.script = [Hang()]
    late = await failure(both.open.ModelInfer(infer(b"cat-1"), timeout=0.05))
    assert late.code == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_what_is_no_message_and_what_is_too_large_is_refused(both: Both) -> None:
    garbled: Any = both.connection.unary_unary(f"/{INFERENCE_SERVICE}/ModelInfer")
    details = await failure(garbled(b"\xff\xff"))
    assert (details.code, details.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    # Whoever needs no token may send no more than for the health service.
    probe: Any = both.connection.unary_unary(f"/{INFERENCE_SERVICE}/ServerLive")
    details = await failure(probe(bytes(70_000)))
    assert (details.code, "at most 65536" in details.message) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_calls_are_counted_as_others_and_reflection_knows_the_service(both: Both) -> None:
    def count(code: str) -> float:
        labels = {"grpc_service": INFERENCE_SERVICE, "grpc_method": "ModelInfer", "grpc_code": code}
        return REGISTRY.get_sample_value("grpc_server_handled_total", labels) or 0.0

    before = count("NOT_FOUND")
    await failure(both.open.ModelInfer(infer(b"cat-1")))
    # A call is counted once its answer has left.
    await asyncio.to_thread(until, lambda: count("NOT_FOUND") > before)
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast(grpc.Channel, both.connection))
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=INFERENCE_SERVICE),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="lastlayer.v1.Classifier"),
    ]
    listed, file, own = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
    assert INFERENCE_SERVICE in {service.name for service in listed.list_services_response.service}
    assert b"ModelStreamInfer" in file.file_descriptor_response.file_descriptor_proto[0]
    assert len(own.file_descriptor_response.file_descriptor_proto) > 3


def write_tokens(path: Path) -> Path:
    sha256 = {scope: hashlib.sha256(scope.encode()).hexdigest() for scope in ("predict", "admin")}
    path.write_text(
        "".join(
            f'[[tokens]]\nname = "{scope}"\nsha256 = "{digest}"\nscopes = ["{scope}"]\n'
            for scope, digest in sha256.items()
        )
    )
    return path


@pytest.mark.parametrize(("open_services", "without"), [("health", "OK"), ("none", "UNAUTHENTICATED")])
async def test_probes_need_a_token_where_health_does_and_the_rest_always(
    settings: ClassifierSettings, tmp_path: Path, open_services: str, without: str
) -> None:
    guarded = settings.model_copy(
        update={"tokens_file": write_tokens(tmp_path / "tokens.toml"), "open_services": open_services}
    )

    async def code_of(call: Any) -> str:
        try:
            await call
        except grpc.aio.AioRpcError as error:
            return read_error(error).code.name
        return "OK"

    async with running(guarded) as address, channel(address) as connection:
        stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(connection)
        assert await code_of(stub.ServerLive(service_pb2.ServerLiveRequest())) == without
        assert await code_of(stub.ServerReady(service_pb2.ServerReadyRequest())) == without
        for call in (
            stub.ServerMetadata(service_pb2.ServerMetadataRequest()),
            stub.ModelReady(service_pb2.ModelReadyRequest(name="m")),
            stub.ModelInfer(infer(b"cat-1")),
            stub.RepositoryIndex(service_pb2.RepositoryIndexRequest()),
        ):
            assert await code_of(call) == "UNAUTHENTICATED"
        told = (("authorization", "Bearer predict"),)
        assert await code_of(stub.ModelInfer(infer(b"cat-1"), metadata=told)) == "NOT_FOUND"
        assert await code_of(stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(), metadata=told)) == "OK"
