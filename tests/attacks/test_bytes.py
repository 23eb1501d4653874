"""Bytes that are no messages, for every method of both services and of those beside them."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2  # noqa: F401 - registers the contract of the service
from grpc_reflection.v1alpha import reflection_pb2  # noqa: F401 - as above

from lastlayer.classifier.server import running
from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.rpc.channel import CLASSIFIER_SERVICE, FEATURIZER_SERVICE
from lastlayer.rpc.settings import load_settings
from lastlayer.rpc.status import read_error
from tests.integration.classifier.calls import channel
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, serving

MALFORMED = b"\xff\xff\xff\xff no message"
SERVICES = (
    FEATURIZER_SERVICE,
    CLASSIFIER_SERVICE,
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
)
METHODS = [
    pytest.param(method, id=f"{service}.{method.name}")
    for service in SERVICES
    for method in descriptor_pool.Default().FindServiceByName(service).methods
]


@pytest.fixture
async def addresses(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Where each service is: both have interceptors of the same kinds."""
    async with serving(FakeFeaturizer()) as featurizer:
        store = f"sqlite:///{tmp_path}/store.db"
        settings = load_settings(ClassifierSettings, address="127.0.0.1:0", featurizer=featurizer, store_url=store)
        async with running(settings) as classifier:
            yield {FEATURIZER_SERVICE: featurizer, CLASSIFIER_SERVICE: classifier}


async def send(connection: grpc.aio.Channel, method: Any, *raw: bytes) -> None:
    """Send raw bytes to a method of any shape, and read what it answers."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    shape = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    call = getattr(connection, shape)(path)(iter(raw) if method.client_streaming else raw[0], timeout=20)
    if not method.server_streaming:
        await call
        return
    async for _ in call:
        pass


@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_no_message_are_an_invalid_argument_and_leave_no_trace_in_the_log(
    method: Any, addresses: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    address = addresses.get(method.containing_service.full_name, addresses[CLASSIFIER_SERVICE])
    async with channel(address) as connection:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await send(connection, method, MALFORMED)
    details = read_error(caught.value)
    assert (details.code, details.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert details.message.startswith("The request cannot be read: its bytes are no message")
    assert "Error" not in details.message
    assert [record for record in caplog.records if record.levelno >= logging.WARNING or record.exc_info] == []
