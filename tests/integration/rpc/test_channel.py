"""Calls go to servers that say that they serve, and to no other."""

import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

from lastlayer.rpc.channel import FEATURIZER_SERVICE, channel_options
from lastlayer.rpc.server.lifecycle import GrpcServer
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2


class Named(featurizer_pb2_grpc.FeaturizerServicer):
    """Answers with its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def GetBackbone(self, request, context):
        return types_pb2.Backbone(name=self._name)


@asynccontextmanager
async def two_servers() -> AsyncIterator[tuple[dict[str, GrpcServer], "featurizer_pb2_grpc.FeaturizerAsyncStub"]]:
    """Two servers that are started and do not serve yet, and a stub of both."""
    async with AsyncExitStack() as stack:
        servers = {}
        for name in ("one", "two"):
            servers[name] = GrpcServer("127.0.0.1:0", services=[FEATURIZER_SERVICE], grace_s=1)
            await servers[name].start()
            stack.push_async_callback(servers[name].stop)
            servers[name].register(featurizer_pb2_grpc.add_FeaturizerServicer_to_server, Named(name))
        target = "ipv4:" + ",".join(server.bound_address for server in servers.values())
        options = channel_options(watched_service=FEATURIZER_SERVICE)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(target, options=options))
        yield servers, featurizer_pb2_grpc.FeaturizerStub(channel)


async def ask(stub: "featurizer_pb2_grpc.FeaturizerAsyncStub", times: int = 20) -> Counter[str]:
    request = featurizer_pb2.GetBackboneRequest()
    return Counter([(await stub.GetBackbone(request, wait_for_ready=True, timeout=30)).name for _ in range(times)])


async def test_a_server_that_starts_gets_no_calls() -> None:
    async with two_servers() as (servers, stub):
        await servers["two"].set_serving(True)
        assert await ask(stub) == {"two": 20}


async def test_a_server_that_serves_again_gets_its_share() -> None:
    async with two_servers() as (servers, stub):
        await servers["two"].set_serving(True)
        assert "one" not in await ask(stub)
        await servers["one"].set_serving(True)
        while not (await ask(stub))["one"]:
            pass


async def test_a_server_that_stops_fails_no_call() -> None:
    async with two_servers() as (servers, stub):
        for server in servers.values():
            await server.set_serving(True)
        while set(await ask(stub)) != {"one", "two"}:
            pass
        await servers["one"].stop()
        assert await ask(stub) == {"two": 20}


async def test_where_none_serves_a_call_fails_at_once() -> None:
    async with two_servers() as (_, stub):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetBackbone(featurizer_pb2.GetBackboneRequest(), timeout=30)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_a_new_channel_does_not_wait_for_the_next_attempt_of_another() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
    request = featurizer_pb2.GetBackboneRequest()
    async with grpc.aio.insecure_channel(address, options=channel_options()) as early:
        with pytest.raises(grpc.aio.AioRpcError, match="refused"):
            await featurizer_pb2_grpc.FeaturizerStub(early).GetBackbone(request)
        server = GrpcServer(address, services=[FEATURIZER_SERVICE], grace_s=1)
        await server.start()
        server.register(featurizer_pb2_grpc.add_FeaturizerServicer_to_server, Named("late"))
        await server.set_serving(True)
        async with grpc.aio.insecure_channel(address, options=channel_options()) as late:
            found = await featurizer_pb2_grpc.FeaturizerStub(late).GetBackbone(request)
        await server.stop()
    assert found.name == "late"
