"""A real server through a real socket: its life, and errors of every shape of call."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import REGISTRY

from lastlayer.rpc.channel import CLASSIFIER_SERVICE, MAX_MESSAGE_BYTES, channel_options
from lastlayer.rpc.errors import BindError, InvalidFieldError, OverloadedError
from lastlayer.rpc.probe import is_serving
from lastlayer.rpc.server.lifecycle import GrpcServer, run_until_signal
from lastlayer.rpc.status import read_error
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc


class Scripted(classifier_pb2_grpc.ClassifierServicer):
    """Fails each call in the way that its model's name says."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def _behave(self, name: str, context: grpc.aio.ServicerContext) -> None:
        if name == "refused":
            raise InvalidFieldError("model", "The model is refused.")
        if name == "overloaded":
            raise OverloadedError("There is no room.", retry_after_s=1)
        if name == "broken":
            raise RuntimeError("the secret of the house")
        if name == "aborted":
            await context.abort(grpc.StatusCode.ABORTED, "aborted on purpose")
        if name == "slow":
            self.entered.set()
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise

    async def Predict(self, request, context):
        await self._behave(request.model, context)
        return classifier_pb2.PredictResponse(model=request.model)

    async def Train(self, request, context):
        yield classifier_pb2.TrainResponse(progress=classifier_pb2.TrainProgress(message="begun"))
        await self._behave(request.model, context)

    async def Evaluate(self, request_iterator, context):
        async for request in request_iterator:
            await self._behave(request.model, context)
            yield classifier_pb2.EvaluateResponse()


@asynccontextmanager
async def serving(servicer: Scripted, grace_s: float = 5.0) -> AsyncIterator[tuple[GrpcServer, grpc.aio.Channel]]:
    server = GrpcServer("127.0.0.1:0", services=[CLASSIFIER_SERVICE], grace_s=grace_s)
    await server.start()
    server.register(classifier_pb2_grpc.add_ClassifierServicer_to_server, servicer)
    await server.set_serving(True)
    try:
        async with grpc.aio.insecure_channel(server.bound_address, options=channel_options()) as channel:
            yield server, channel
    finally:
        servicer.release.set()
        await server.stop()


async def call(channel: grpc.aio.Channel, shape: str, name: str) -> None:
    stub = classifier_pb2_grpc.ClassifierStub(channel)
    if shape == "unary":
        await stub.Predict(classifier_pb2.PredictRequest(model=name))
    elif shape == "server stream":
        async for _ in stub.Train(classifier_pb2.TrainRequest(model=name)):
            pass
    else:
        async for _ in stub.Evaluate(iter([classifier_pb2.EvaluateRequest(model=name)])):
            pass


SHAPES = pytest.mark.parametrize("shape", ["unary", "server stream", "bidirectional"])


@SHAPES
async def test_our_errors_arrive_with_all_their_details(shape: str) -> None:
    async with serving(Scripted()) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, shape, "refused")
    details = read_error(caught.value)
    assert (details.code, details.reason, details.field, details.message) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        "model",
        "The model is refused.",
    )


async def test_a_method_that_the_contract_does_not_have_is_unimplemented_and_makes_no_metric() -> None:
    async with serving(Scripted()) as (_, channel):
        for method in (f"/{CLASSIFIER_SERVICE}/Invented", f"/{CLASSIFIER_SERVICE}/", "/no.Service/Method"):
            invented: Any = channel.unary_unary(method)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await invented(b"", timeout=20)
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        await call(channel, "unary", "fine")
    methods = {
        sample.labels["grpc_method"]
        for family in REGISTRY.collect()
        if family.name == "grpc_server_handled"
        for sample in family.samples
    }
    assert "Predict" in methods
    assert not methods & {"Invented", ""}


@SHAPES
async def test_a_fault_is_told_by_its_id_alone_and_logged_under_it(
    shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Scripted()) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, shape, "broken")
    details = read_error(caught.value)
    assert (details.code, details.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in details.message
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert details.metadata["error_id"] in record.getMessage()
    assert "the secret of the house" in caplog.text


async def test_calls_without_room_are_logged_together(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)

    async def is_refused() -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, "unary", "overloaded")
        assert read_error(caught.value).reason == "OVERLOADED"

    async with serving(Scripted()) as (_, channel):
        monkeypatch.setattr("lastlayer.rpc.server.error_interceptor._OVERLOAD_LINE_S", 3600)
        for _ in range(3):
            await is_refused()
        monkeypatch.setattr("lastlayer.rpc.server.error_interceptor._OVERLOAD_LINE_S", 0)
        for _ in range(2):
            await is_refused()
    failed = f"/{CLASSIFIER_SERVICE}/Predict failed: OVERLOADED: There is no room."
    lines = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
    assert lines == [failed, f"{failed} (2 more since the line before)", failed]


@SHAPES
async def test_an_abort_passes_untouched(shape: str) -> None:
    async with serving(Scripted()) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, shape, "aborted")
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.ABORTED, "aborted on purpose")


async def test_a_server_that_is_loading_says_so() -> None:
    server = GrpcServer("127.0.0.1:0", services=[CLASSIFIER_SERVICE], grace_s=1)
    await server.start()
    try:
        assert not await asyncio.to_thread(is_serving, server.bound_address)
        async with grpc.aio.insecure_channel(server.bound_address) as channel:
            for shape in ("unary", "server stream", "bidirectional"):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call(channel, shape, "any")
                details = read_error(caught.value)
                assert (details.code, details.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_READY")
            unheard: Any = channel.unary_unary("/lastlayer.v1.Unheard/Of")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await unheard(b"")
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    finally:
        await server.stop()


async def test_health_is_told_by_name_and_reflection_lists_the_services() -> None:
    async with serving(Scripted()) as (server, channel):
        assert await asyncio.to_thread(is_serving, server.bound_address)
        await server.set_serving(False, f"{CLASSIFIER_SERVICE}/features")
        assert await asyncio.to_thread(is_serving, server.bound_address, CLASSIFIER_SERVICE)
        assert not await asyncio.to_thread(is_serving, server.bound_address, f"{CLASSIFIER_SERVICE}/features")
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast(Any, channel))
        [answer] = [
            answer
            async for answer in stub.ServerReflectionInfo(
                iter([reflection_pb2.ServerReflectionRequest(list_services="")])
            )
        ]
        assert {service.name for service in answer.list_services_response.service} == {
            CLASSIFIER_SERVICE,
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }


async def test_a_taken_port_is_refused_in_a_sentence() -> None:
    async with serving(Scripted()) as (server, _):
        second = GrpcServer(server.bound_address, services=[CLASSIFIER_SERVICE], grace_s=1)
        with pytest.raises(BindError, match=f"Cannot listen on {server.bound_address}: another program uses the port"):
            await second.start()


async def test_a_message_of_just_under_32_mib_passes_and_a_larger_one_is_refused() -> None:
    async with serving(Scripted()) as (_, channel):
        stub = classifier_pb2_grpc.ClassifierStub(channel)
        request = classifier_pb2.PredictRequest(model="m", images=[{"content": bytes(MAX_MESSAGE_BYTES - 100)}])
        assert (await stub.Predict(request)).model == "m"
        request.images[0].content = bytes(MAX_MESSAGE_BYTES)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Predict(request)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_stopping_lets_a_call_in_flight_finish_and_refuses_new_ones() -> None:
    servicer = Scripted()
    async with serving(servicer) as (server, channel):
        health_stub: Any = health_pb2_grpc.HealthStub(cast(Any, channel))
        watch = health_stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        in_flight = asyncio.create_task(call(channel, "unary", "slow"))
        await servicer.entered.wait()
        stopping = asyncio.create_task(server.stop())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        async with grpc.aio.insecure_channel(server.bound_address) as late:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(late, "unary", "any")
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        servicer.release.set()
        await in_flight
        await stopping


async def test_a_call_that_outlasts_the_grace_period_is_cancelled() -> None:
    servicer = Scripted()
    async with serving(servicer, grace_s=0.05) as (server, channel):
        in_flight = asyncio.create_task(call(channel, "unary", "slow"))
        await servicer.entered.wait()
        await server.stop()
        with pytest.raises(grpc.aio.AioRpcError):
            await in_flight
        await servicer.cancelled.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_leaves_the_context(number: signal.Signals) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def running() -> AsyncIterator[str]:
        events.append("entered")
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        yield "address"
        events.append("left")

    await run_until_signal(running())
    assert events == ["entered", "left"]


async def test_what_was_loaded_is_never_looked_through_for_garbage() -> None:
    frozen: list[int] = []

    def note_and_end() -> None:
        frozen.append(gc.get_freeze_count())
        os.kill(os.getpid(), signal.SIGTERM)

    @asynccontextmanager
    async def running() -> AsyncIterator[str]:
        asyncio.get_running_loop().call_soon(note_and_end)
        yield "address"

    loaded = len(gc.get_objects())
    await run_until_signal(running())
    gc.unfreeze()
    assert frozen[0] > loaded // 2


async def test_a_signal_while_loading_breaks_it_off() -> None:
    @asynccontextmanager
    async def running() -> AsyncIterator[str]:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
        yield "never"

    await run_until_signal(running())
