"""What HTTP/2, compression and protobuf let a caller ask for with few bytes, against a running classifier."""

import asyncio
import contextlib
import resource
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest
from grpc_health.v1 import health_pb2

from lastlayer.classifier.server import running
from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.rpc.channel import CLASSIFIER_SERVICE
from lastlayer.rpc.probe import is_serving
from lastlayer.rpc.settings import load_settings
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc
from tests.integration.classifier.calls import channel
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, serving

MIB = 2**20
LIST_MODELS = f"/{CLASSIFIER_SERVICE}/ListModels"


@pytest.fixture
async def classifier(tmp_path: Path) -> AsyncIterator[str]:
    async with serving(FakeFeaturizer()) as featurizer:
        store = f"sqlite:///{tmp_path}/store.db"
        settings = load_settings(ClassifierSettings, address="127.0.0.1:0", featurizer=featurizer, store_url=store)
        async with running(settings) as address:
            yield address


class Attacker:
    """Speaks HTTP/2 by hand."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._h2.initiate_connection()
        self.flush()

    def close(self) -> None:
        self._socket.close()

    def flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())

    def open(self, method: str, more: Sequence[tuple[str, str]] = ()) -> int:
        stream: int = self._h2.get_next_available_stream_id()
        headers = [
            *((":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "localhost")),
            *(("content-type", "application/grpc"), ("te", "trailers"), *more),
        ]
        self._h2.send_headers(stream, headers)
        return stream

    def reset(self, stream: int) -> None:
        self._h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)

    def call(self, method: str, body: bytes, more: Sequence[tuple[str, str]] = (), *, compressed: bool = False) -> str:
        """Send a message as it is; return the status of the call, or what became of the connection instead."""
        stream = self.open(method, more)
        left = memoryview(struct.pack(">BI", compressed, len(body)) + body)
        while True:
            while left and (room := min(self._h2.local_flow_control_window(stream), 16384, len(left))) > 0:
                self._h2.send_data(stream, bytes(left[:room]), end_stream=room == len(left))
                left = left[room:]
            self.flush()
            data = self._socket.recv(65536)
            if not data:
                return "closed"
            for event in self._h2.receive_data(data):
                if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                    told = {bytes(name): bytes(value) for name, value in event.headers}
                    if b"grpc-status" in told:
                        return told[b"grpc-status"].decode()
                if isinstance(event, h2.events.StreamReset):
                    return "reset"
                if isinstance(event, h2.events.ConnectionTerminated):
                    return "closed"


def attack(address: str, method: str, body: bytes, more: Sequence[tuple[str, str]] = (), **how: bool) -> str:
    with contextlib.closing(Attacker(address)) as attacker:
        return attacker.call(method, body, more, **how)


async def check_it_serves(address: str) -> None:
    async with channel(address) as connection:
        await classifier_pb2_grpc.ClassifierStub(connection).ListModels(classifier_pb2.ListModelsRequest(), timeout=20)


@pytest.mark.parametrize("method", [LIST_MODELS, "/grpc.health.v1.Health/Check"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_message_that_swells_is_refused_before_it_does(classifier: str, method: str, encoding: str) -> None:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(256)) + packer.flush()
    assert len(bomb) < 3 * MIB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = await asyncio.to_thread(attack, classifier, method, bomb, [("grpc-encoding", encoding)], compressed=True)
    assert status == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 150 * MIB
    await check_it_serves(classifier)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xfb\x7f" * 100_000, id="groups in groups"),
        pytest.param(b"\xfb\x7f" * 90 + b"\xfc\x7f" * 90 + b"\x00", id="a field of no number"),
        pytest.param(b"\x12\xff\xff\xff\xff\x0f", id="a string of 4 GiB"),
        pytest.param(b"\x12\x01\xff", id="a string that is not UTF-8"),
    ],
)
async def test_hostile_protobuf_is_an_invalid_argument(classifier: str, body: bytes) -> None:
    assert await asyncio.to_thread(attack, classifier, LIST_MODELS, body) == "3"
    await check_it_serves(classifier)


async def test_a_million_unknown_fields_are_passed_over(classifier: str) -> None:
    assert await asyncio.to_thread(attack, classifier, LIST_MODELS, b"\xf8\x7f\x01" * 1_000_000) == "0"


async def test_calls_that_are_reset_at_once_leave_nothing_behind(classifier: str) -> None:
    """Rapid reset (CVE-2023-44487)."""

    def run() -> None:
        with contextlib.closing(Attacker(classifier)) as attacker, contextlib.suppress(OSError):
            for _ in range(200):
                for _ in range(100):
                    attacker.reset(attacker.open(LIST_MODELS))
                attacker.flush()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flood = asyncio.create_task(asyncio.to_thread(run))
    while not flood.done():
        await check_it_serves(classifier)
    await flood
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 200 * MIB
    await check_it_serves(classifier)


async def test_watchers_of_health_leave_health_to_others(classifier: str) -> None:
    async with grpc.aio.insecure_channel(classifier) as connection:
        watch: Any = connection.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        watching = [watch(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(900)]
        first = await asyncio.gather(*(call.read() for call in watching))
        assert all(answer.status == health_pb2.HealthCheckResponse.SERVING for answer in first)
        await check_it_serves(classifier)
        assert await asyncio.to_thread(is_serving, classifier)
        for call in watching:
            call.cancel()


@pytest.mark.parametrize("token", ["x", "AAAA", "////", "bTpc", "\0", "9" * 100_000, "..", "‮", "e30=", "W10="])
async def test_forged_page_tokens_are_invalid_arguments(classifier: str, token: str) -> None:
    async with channel(classifier) as connection:
        stub: Any = classifier_pb2_grpc.ClassifierStub(connection)
        for method, request in (
            (stub.ListModels, classifier_pb2.ListModelsRequest(page_token=token)),
            (stub.ListDatasets, classifier_pb2.ListDatasetsRequest(page_token=token)),
            (stub.ListExamples, classifier_pb2.ListExamplesRequest(dataset="d", page_token=token)),
            (stub.ListModelVersions, classifier_pb2.ListModelVersionsRequest(model="m", page_token=token)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await method(request, timeout=20)
            assert caught.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND), token
            assert len(caught.value.details() or "") < 1_000


@pytest.mark.parametrize("name", ["..", "../x", "/etc/passwd", "a\0b", "‮cod", "a\nb", "a" * 1_000_000, " a", "é"])
async def test_names_that_are_none_are_invalid_arguments(classifier: str, name: str) -> None:
    async with channel(classifier) as connection:
        stub: Any = classifier_pb2_grpc.ClassifierStub(connection)
        for method, request in (
            (stub.GetModel, classifier_pb2.GetModelRequest(name=name)),
            (stub.DeleteModel, classifier_pb2.DeleteModelRequest(name=name)),
            (stub.GetDataset, classifier_pb2.GetDatasetRequest(name=name)),
            (stub.DeleteDataset, classifier_pb2.DeleteDatasetRequest(name=name)),
            (stub.GetHead, classifier_pb2.GetHeadRequest(model=name)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await method(request, timeout=20)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert len(caught.value.details() or "") < 1_000
            assert name not in (caught.value.details() or "") or name.isprintable()
