"""The Open Inference Protocol on the featurizer: its vectors are those of Featurize, and so are its limits."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from lastlayer.featurizer.service import server
from lastlayer.open_inference import service_pb2, service_pb2_grpc
from lastlayer.rpc.channel import channel_options
from lastlayer.rpc.server.lifecycle import GrpcServer
from lastlayer.rpc.server.open_inference.elements import join_elements
from lastlayer.testing.tiny_backbone import TAPS
from lastlayer.v1 import featurizer_pb2_grpc
from tests import triton
from tests.integration.featurizer.calls import failure, photo, request, settings, vectors

Tensor = service_pb2.ModelInferRequest.InferInputTensor
Output = service_pb2.ModelInferRequest.InferRequestedOutputTensor


@pytest.fixture
async def channel(tmp_path: Path, tiny_backbone: Path) -> AsyncIterator[grpc.aio.Channel]:
    async with (
        server.running(settings(tmp_path, tiny_backbone)) as address,
        grpc.aio.insecure_channel(address, options=channel_options()) as connection,
    ):
        yield connection


def infer(*images: bytes, **changes: Any) -> service_pb2.ModelInferRequest:
    fields: dict[str, Any] = {
        "model_name": "tiny",
        "inputs": [Tensor(name="image", datatype="BYTES", shape=[len(images)])],
        "raw_input_contents": [join_elements(images)],
    }
    return service_pb2.ModelInferRequest(**(fields | changes))


async def test_vectors_are_those_of_featurize_and_failures_tell_of_one_image(channel: grpc.aio.Channel) -> None:
    native: Any = featurizer_pb2_grpc.FeaturizerStub(channel)
    stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    contents = [photo(seed) for seed in range(3)]
    expected = await native.Featurize(request(contents))
    response = await stub.ModelInfer(infer(*contents))
    assert [output.name for output in response.outputs] == list(TAPS)
    for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        assert (output.datatype, list(output.shape)) == ("FP32", [3, TAPS[output.name]])
        found = np.frombuffer(raw, "<f4").reshape(output.shape)
        theirs = np.stack([vectors(result)[output.name] for result in expected.results])
        np.testing.assert_allclose(found, theirs, rtol=1e-4, atol=1e-5)
    assert response.parameters["backbone_digest"].string_param == expected.backbone_digest
    assert response.parameters["precision"].string_param == "float32"

    some = await stub.ModelInfer(infer(contents[0], outputs=[Output(name="scores"), Output(name="conv")]))
    assert [output.name for output in some.outputs] == ["scores", "conv"]

    metadata = await stub.ModelMetadata(service_pb2.ModelMetadataRequest(name="tiny"))
    assert list(metadata.versions) == ["1"]
    assert {output.name: list(output.shape) for output in metadata.outputs} == {
        tap: [-1, dimension] for tap, dimension in TAPS.items()
    }
    config = (await stub.ModelConfig(service_pb2.ModelConfigRequest(name="tiny", version="1"))).config
    assert config.max_batch_size == 32
    [entry] = (await stub.RepositoryIndex(service_pb2.RepositoryIndexRequest())).models
    assert (entry.name, entry.version, entry.state) == ("tiny", "1", "READY")
    assert (await stub.ServerReady(service_pb2.ServerReadyRequest())).ready

    for wrong, code, text in (
        (infer(photo(1), model_name="huge"), "NOT_FOUND", "This featurizer serves `tiny`."),
        (infer(photo(1), model_version="2"), "NOT_FOUND", "There is 1."),
        (infer(photo(1), b"no image"), "INVALID_ARGUMENT", "The image at index 1 fails: "),
        (infer(photo(1), b"", b""), "INVALID_ARGUMENT", "So does another."),
        (infer(photo(1, size=(2000, 1000))), "INVALID_ARGUMENT", "at most 1 megapixels"),
        (infer(*33 * [b"a"]), "INVALID_ARGUMENT", "33 images; from 1 to 32"),
        (infer(photo(1), outputs=[Output(name="mixed4e")]), "INVALID_ARGUMENT", "there are conv, pool, scores"),
    ):
        details = await failure(stub.ModelInfer(wrong))
        assert details.code.name == code
        assert text in details.message

    answers = [answer async for answer in stub.ModelStreamInfer(iter([infer(photo(1), id="a"), infer(b"x", id="b")]))]
    assert [(answer.infer_response.id, bool(answer.error_message)) for answer in answers] == [("a", False), ("b", True)]


async def test_while_it_loads_it_is_live_and_not_ready(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    go_on = threading.Event()

    class Slow:
        """Loads once it is told to, and finds no network."""

        def __call__(self, *_: object) -> object:
            assert go_on.wait(60)
            raise RuntimeError("nothing was loaded")

    class Watched(GrpcServer):
        async def start(self) -> None:
            await super().start()
            if not bound.done():
                bound.set_result(self.bound_address)

    monkeypatch.setattr(server, "_load", Slow())
    monkeypatch.setattr(server, "GrpcServer", Watched)

    async def serve() -> None:
        async with server.running(settings(tmp_path, tiny_backbone)):
            raise AssertionError("it served without a network")

    serving = asyncio.create_task(serve())
    address = await asyncio.wait_for(bound, 60)
    async with grpc.aio.insecure_channel(address) as connection:
        stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(connection)
        assert (await stub.ServerLive(service_pb2.ServerLiveRequest(), wait_for_ready=True)).live
        assert not (await stub.ServerReady(service_pb2.ServerReadyRequest())).ready
        for call in (
            stub.ModelInfer(infer(b"a")),
            stub.ModelReady(service_pb2.ModelReadyRequest(name="tiny")),
            stub.RepositoryIndex(service_pb2.RepositoryIndexRequest()),
        ):
            details = await failure(call)
            assert (details.code, details.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_READY")
    go_on.set()
    with pytest.raises(RuntimeError, match="nothing was loaded"):
        await serving


@pytest.mark.long
@pytest.mark.skipif(not triton.PYTHON.exists(), reason=triton.NO_TRITON)
async def test_an_unmodified_tritonclient_gets_vectors(tmp_path: Path, tiny_backbone: Path) -> None:
    images = [photo(seed).decode("latin-1") for seed in (1, 2)]
    told: dict[str, Any] = {"model": "tiny", "images": images, "bad": "no image"}
    async with server.running(settings(tmp_path, tiny_backbone)) as address:
        found = await asyncio.to_thread(triton.call, "grpc", address=address, **told)
    assert found["describe"]["ready"] is True
    assert {tap: np.shape(values) for tap, values in found["infer"]["outputs"].items()} == {
        tap: (2, dimension) for tap, dimension in TAPS.items()
    }
    assert list(found["infer"]["one"]) == ["conv"]
    assert len(found["asynchronous"]) == 4
    assert found["stream"][1].startswith("The image at index 0 fails: ")
    assert found["errors"]["model"] == [
        "StatusCode.NOT_FOUND",
        "There is no model `unheard-of`. This featurizer serves `tiny`.",
    ]
    assert int(found["statistics"]["model_stats"][0]["execution_count"]) > 5
