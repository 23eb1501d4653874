"""Calls the featurizer: within deadlines and message limits, and with its failures as our errors."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NoReturn

import grpc
import numpy as np
import numpy.typing as npt
from grpc_health.v1 import health_pb2

from classifier_svc.records import Backbone, Tap
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2
from rpc.channel import MAX_MESSAGE_BYTES, channel_options
from rpc.errors import (
    BackboneMismatchError,
    DeadlinePassedError,
    FeaturizerUnavailableError,
    ImageError,
    OverloadedError,
    RelayedError,
)
from rpc.status import read_error, read_status
from rpc.vectors import unpack

Vectors = Mapping[str, npt.NDArray[np.float32]]

SERVICE: Final = "lastlayer.v1.Featurizer"
MAX_CONTENT_BYTES: Final = MAX_MESSAGE_BYTES - 64 * 1024
"""The most bytes of images in one request, which leaves room for all else in it."""

DEFAULT_TIMEOUT_S: Final = 60.0
"""How long a call may take whose caller set no deadline."""

_MAX_IMAGES: Final = 64
"""The most images in one request: small enough for answers to flow, and for one caller not to fill the queue."""


class FeaturizerClient:
    """A channel to the featurizer, kept open."""

    def __init__(self, target: str) -> None:
        """`target` is `host:port` or any other gRPC target; several addresses are used in turn."""
        self.target = target
        retried = [f"{SERVICE}/GetBackbone", f"{SERVICE}/Featurize"]
        # A proxy for the web is none for the service next door; gRPC would use it even for the loopback interface.
        options = [*channel_options(retried_methods=retried), ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.aio.insecure_channel(target, options=options)
        self._stub = featurizer_pb2_grpc.FeaturizerStub(self._channel)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def is_serving(self, timeout_s: float) -> bool:
        """Return whether the featurizer says that it serves."""
        check: grpc.aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]
        check = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=timeout_s)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def backbone(self, deadline: float | None) -> Backbone:
        """Return the backbone that is served now; `deadline` is of `time.monotonic()`."""
        try:
            answer = await self._stub.GetBackbone(featurizer_pb2.GetBackboneRequest(), timeout=_timeout(deadline))
        except grpc.aio.AioRpcError as error:
            self._fail(error)
        taps = (Tap(tap.name, tap.kind == types_pb2.TAP_KIND_CLASS_SCORES, tap.dimension) for tap in answer.taps)
        return Backbone(answer.name, answer.digest, tuple(taps))

    async def featurize(
        self,
        images: Sequence[bytes],
        taps: Sequence[str],
        *,
        digest: str,
        deadline: float | None,
        patient: bool = False,
    ) -> list[Vectors | ImageError]:
        """Return for each image its vectors at `taps`, or why it has none.

        Where the featurizer is overloaded, a `patient` caller waits as it is told to, within the deadline. Raises
        BackboneMismatchError where it serves another backbone than `digest`, FeaturizerUnavailableError,
        OverloadedError or DeadlinePassedError.
        """
        outcomes: list[Vectors | ImageError] = []
        for part in _parts(images):
            request = featurizer_pb2.FeaturizeRequest(
                images=[types_pb2.Image(content=content) for content in part], taps=taps, backbone_digest=digest
            )
            response = await self._featurize(request, deadline, patient)
            outcomes += [_outcome(result) for result in response.results]
        return outcomes

    async def _featurize(
        self, request: featurizer_pb2.FeaturizeRequest, deadline: float | None, patient: bool
    ) -> featurizer_pb2.FeaturizeResponse:
        while True:
            try:
                return await self._stub.Featurize(request, timeout=_timeout(deadline))
            except grpc.aio.AioRpcError as error:
                try:
                    self._fail(error)
                except OverloadedError as overloaded:
                    late = deadline is not None and time.monotonic() + overloaded.retry_after_s >= deadline
                    if not patient or late:
                        raise
                    await asyncio.sleep(overloaded.retry_after_s)

    def _fail(self, error: grpc.aio.AioRpcError) -> NoReturn:
        """Raise what the featurizer's answer means to our callers."""
        details = read_error(error)
        if details.code == grpc.StatusCode.UNAVAILABLE:
            raise FeaturizerUnavailableError(self.target) from error
        if details.code == grpc.StatusCode.DEADLINE_EXCEEDED:
            raise DeadlinePassedError("The deadline passed while the featurizer was at work.") from error
        if details.reason == "OVERLOADED":
            raise OverloadedError(details.message, retry_after_s=details.retry_after_s or 1.0) from error
        if details.reason == "BACKBONE_MISMATCH":
            raise BackboneMismatchError(
                details.message,
                expected=details.metadata.get("expected", ""),
                actual=details.metadata.get("actual", ""),
            ) from error
        raise error


def _timeout(deadline: float | None) -> float:
    if deadline is None:
        return DEFAULT_TIMEOUT_S
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise DeadlinePassedError("The deadline passed before the featurizer was called.")
    return remaining


def _parts(images: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield the images in parts that fit into requests."""
    part: list[bytes] = []
    size = 0
    for image in images:
        if part and (len(part) == _MAX_IMAGES or size + len(image) > MAX_CONTENT_BYTES):
            yield part
            part, size = [], 0
        part.append(image)
        size += len(image)
    if part:
        yield part


def _outcome(result: featurizer_pb2.ImageFeatures) -> Vectors | ImageError:
    if result.HasField("error"):
        details = read_status(result.error)
        return RelayedError(details.reason, details.message, details.metadata)
    return {vector.tap: unpack(vector.values) for vector in result.features.vectors}
