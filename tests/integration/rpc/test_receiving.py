"""What a server receives at once, by callers that begin messages and do not end them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lastlayer.rpc.channel import CLASSIFIER_SERVICE, channel_options
from lastlayer.rpc.errors import OverloadedError
from lastlayer.rpc.probe import is_serving
from lastlayer.rpc.server import receiving
from lastlayer.rpc.server.lifecycle import GrpcServer
from lastlayer.rpc.server.receiving import Check, ReceiveLimits
from lastlayer.rpc.status import read_error
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc
from tests.attacks.half_sent import MESSAGE_BYTES, HalfSent, half_sent

PREDICT = f"/{CLASSIFIER_SERVICE}/Predict"
LOOKAHEAD_BYTES = 300 * 1024
"""More than what gRPC takes of a message that nobody reads."""

FOREVER_S = 1e6

Stub = Any  # the generated types are of synchronous stubs


class Counting(classifier_pb2_grpc.ClassifierServicer):
    """Counts the calls that are inside; while it is closed they stay."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.open = asyncio.Event()
        self.open.set()
        self.entered = asyncio.Semaphore(0)

    async def _stay(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.entered.release()
        try:
            await self.open.wait()
        finally:
            self.inside -= 1

    async def Predict(self, request: Any, context: Any) -> classifier_pb2.PredictResponse:
        await self._stay()
        return classifier_pb2.PredictResponse(model=request.model)

    async def PredictStream(
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[classifier_pb2.PredictStreamResponse]:
        async for request in request_iterator:
            await self._stay()
            yield classifier_pb2.PredictStreamResponse(request_id=request.request_id)


@asynccontextmanager
async def serving(
    servicer: Counting, limits: ReceiveLimits, checks: Mapping[str, Check] = MappingProxyType({})
) -> AsyncIterator[str]:
    server = GrpcServer("127.0.0.1:0", services=[CLASSIFIER_SERVICE], grace_s=1, limits=limits)
    await server.start()
    server.register(classifier_pb2_grpc.add_ClassifierServicer_to_server, servicer, checks=checks)
    await server.set_serving(True)
    try:
        yield server.bound_address
    finally:
        servicer.open.set()
        await server.stop()


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[Stub]:
    """Open a connection of its own."""
    async with grpc.aio.insecure_channel(address, options=channel_options()) as channel:
        yield classifier_pb2_grpc.ClassifierStub(channel)


async def push(attack: HalfSent) -> None:
    """Send until the server takes no more."""
    await asyncio.to_thread(attack.push, 60)


async def predict(stub: Stub, model: str = "m") -> str:
    return str((await stub.Predict(classifier_pb2.PredictRequest(model=model), timeout=60)).model)


async def test_few_messages_of_a_connection_are_received_at_once_and_others_are_served() -> None:
    async with serving(Counting(), ReceiveLimits(calls=4)) as address:
        with half_sent(address, PREDICT, 40) as attack:
            pushing = asyncio.create_task(push(attack))
            async with connect(address) as stub:
                while not pushing.done():
                    assert await predict(stub) == "m"
                await pushing
                assert await predict(stub) == "m"
            assert attack.sent_bytes <= 3 * MESSAGE_BYTES + 37 * LOOKAHEAD_BYTES
            assert await asyncio.to_thread(is_serving, address)


async def test_a_call_that_would_be_refused_anyway_is_not_received() -> None:
    def refuse(deadline: float | None) -> None:
        raise OverloadedError("There is no room.", retry_after_s=3)

    async with serving(Counting(), ReceiveLimits(), {PREDICT: refuse}) as address, connect(address) as stub:
        with half_sent(address, PREDICT, 10) as attack:
            while attack.refused < 10:
                await push(attack)
            assert attack.sent_bytes <= 10 * LOOKAHEAD_BYTES
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await predict(stub, "m" * 1_000_000)
        assert read_error(caught.value).retry_after_s == 3


async def test_what_does_not_arrive_is_given_up_once_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_CONTENDED_S", 0.2)
    monkeypatch.setattr(receiving, "_PATIENCE_S", FOREVER_S)
    monkeypatch.setattr(receiving, "_ARRIVAL_S", FOREVER_S)
    async with serving(Counting(), ReceiveLimits(calls=1)) as address, connect(address) as stub:
        assert await predict(stub) == "m"
        with half_sent(address, PREDICT, 1) as attack:
            await push(attack)
            assert attack.refused == 0  # nobody else waits
            assert await predict(stub) == "m"
            await push(attack)
            assert (attack.refused, attack.open_calls) == (1, 0)


async def test_who_waits_too_long_for_room_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_CONTENDED_S", FOREVER_S)
    monkeypatch.setattr(receiving, "_PATIENCE_S", 0.2)
    async with serving(Counting(), ReceiveLimits(calls=1)) as address, connect(address) as stub:
        with half_sent(address, PREDICT, 1) as attack:
            await push(attack)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await predict(stub)
        details = read_error(caught.value)
        assert (details.reason, details.retry_after_s) == ("OVERLOADED", 1.0)
        # Once the connection is closed its room is free.
        for _ in range(100):
            with contextlib.suppress(grpc.aio.AioRpcError):
                assert await predict(stub) == "m"
                return
        pytest.fail("the room is never free")


async def test_a_request_has_its_time_to_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_ARRIVAL_S", 0.5)
    async with serving(Counting(), ReceiveLimits()) as address:
        with half_sent(address, PREDICT, 5) as attack:
            while attack.refused < 5:
                await push(attack)
                assert attack.open_calls + attack.refused == 5


async def test_no_more_bytes_are_inside_than_there_may_be() -> None:
    servicer = Counting()
    servicer.open.clear()
    large = "m" * 600
    async with serving(servicer, ReceiveLimits(call_bytes=1000)) as address, connect(address) as stub:
        calls = [asyncio.create_task(predict(stub, large)) for _ in range(3)]
        await servicer.entered.acquire()
        async with connect(address) as other:
            # Another connection comes first, as it has nothing inside.
            last = asyncio.create_task(predict(other, "small"))
            await servicer.entered.acquire()
            await asyncio.sleep(0.3)  # in which the rest would come inside, if it could
            servicer.open.set()
            assert await asyncio.gather(*calls, last) == [large, large, large, "small"]
    assert servicer.most == 2


async def test_a_stream_waits_for_room_for_its_messages() -> None:
    servicer = Counting()
    servicer.open.clear()

    async def follow(stub: Stub) -> list[str]:
        requests = [classifier_pb2.PredictStreamRequest(request_id=f"{number}" * 600) for number in range(3)]
        return [answer.request_id[0] async for answer in stub.PredictStream(iter(requests), timeout=60)]

    async with serving(servicer, ReceiveLimits(stream_bytes=1000)) as address, connect(address) as stub:
        streams = [asyncio.create_task(follow(stub)) for _ in range(3)]
        await servicer.entered.acquire()
        await asyncio.sleep(0.3)  # as above
        servicer.open.set()
        assert await asyncio.gather(*streams) == [["0", "1", "2"]] * 3
    assert servicer.most == 1


async def test_a_stream_that_is_silent_gives_its_place_to_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_CONTENDED_S", 0.2)
    async with serving(Counting(), ReceiveLimits(streams=1)) as address, connect(address) as stub:
        silent = stub.PredictStream()
        await silent.write(classifier_pb2.PredictStreamRequest(request_id="first"))
        assert (await silent.read()).request_id == "first"
        answers = stub.PredictStream(iter([classifier_pb2.PredictStreamRequest(request_id="second")]), timeout=60)
        assert [answer.request_id async for answer in answers] == ["second"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await silent.read()
    assert read_error(caught.value).reason == "OVERLOADED"


async def test_a_stream_whose_answers_nobody_takes_makes_room(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(receiving, "_TAKING_S", 0.5)
    large = "x" * 2_000_000

    async def send(call: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            for _ in range(20):
                await call.write(classifier_pb2.PredictStreamRequest(request_id=large))

    async with (
        serving(Counting(), ReceiveLimits(stream_bytes=3_000_000)) as address,
        connect(address) as greedy,
        connect(address) as stub,
    ):
        stuck = greedy.PredictStream()
        sending = asyncio.create_task(send(stuck))
        while "has not taken an answer" not in caplog.text:
            answers = stub.PredictStream(iter([classifier_pb2.PredictStreamRequest(request_id=large)]), timeout=60)
            assert [len(answer.request_id) async for answer in answers] == [len(large)]
        stuck.cancel()  # before it could be told
        await sending
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_large_requests_for_health_are_refused() -> None:
    async with serving(Counting(), ReceiveLimits()) as address:
        async with grpc.aio.insecure_channel(address) as channel:
            health: Stub = health_pb2_grpc.HealthStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await health.Check(health_pb2.HealthCheckRequest(service="s" * 70_000), timeout=60)
            assert "at most 65536 are accepted" in read_error(caught.value).message
        assert await asyncio.to_thread(is_serving, address)


async def test_a_call_that_ends_without_a_request_is_told_so() -> None:
    async with serving(Counting(), ReceiveLimits()) as address, grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.stream_unary(PREDICT)(iter(()), timeout=60)
    assert read_error(caught.value).message == "The call has no request."
