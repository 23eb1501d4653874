"""Calls the featurizer: within deadlines and message limits, and with its failures as our errors."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn, TypedDict

import grpc
import numpy as np
import numpy.typing as npt
from grpc_health.v1 import health_pb2

from lastlayer.classifier.domain.errors import FeaturizerUnavailableError, NotExplainableError, ViewNotOfferedError
from lastlayer.classifier.domain.types import Backbone, FeatureMaps, Region, Tap
from lastlayer.rpc.channel import FEATURIZER_SERVICE, MAX_MESSAGE_BYTES, channel_options
from lastlayer.rpc.credentials.tls import CertificateFiles, channel_credentials
from lastlayer.rpc.errors import (
    BackboneMismatchError,
    DeadlinePassedError,
    FeaturesTooFarError,
    InvalidFieldError,
    LastlayerError,
    OverloadedError,
    RelayedError,
)
from lastlayer.rpc.observability import request_ids, traces
from lastlayer.rpc.status import ErrorDetails, read_error, read_status
from lastlayer.rpc.vectors import CROP_ALONE, View, place, unpack
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2

_log = logging.getLogger(__name__)

Vectors = Mapping[str, npt.NDArray[np.float32]]


class Featurized(NamedTuple):
    """What the featurizer made of an image."""

    vectors: Vectors
    """By tap and view, see `rpc.vectors.place`."""
    thumbnail: bytes
    """A small JPEG of it; empty where it was not asked for."""
    hashes: bytes = b""
    """Of what it looks like; empty where they were not asked for, or the image is too plain."""
    precision: str = ""
    """In which they were computed, such as `float32`; empty where the featurizer does not say."""


MAX_CONTENT_BYTES: Final = MAX_MESSAGE_BYTES - 16 * 1024
"""The most bytes of images in one request, which leaves room for all else in it."""

DEFAULT_TIMEOUT_S: Final = 60.0
"""How long a call may take whose caller set no deadline."""

_IMAGE_REASONS: Final = ("IMAGE_EMPTY", "IMAGE_UNDECODABLE", "IMAGE_TOO_LARGE", "IMAGE_TOO_COMPLEX")
"""Why a single image fails."""

_MAX_IMAGES: Final = 64
"""The most images in one request: small enough for answers to flow, and for one caller not to fill the queue."""

_IMAGE_OVERHEAD_BYTES: Final = 16
"""What the message adds to an image's bytes."""

_UNAVAILABLE: Final = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,  # its grace period ended
    grpc.StatusCode.INTERNAL,  # the connection broke within a message
    grpc.StatusCode.UNIMPLEMENTED,  # something else listens there
}
"""What gRPC itself says where the other side is gone."""


class FeaturizerSecurity(NamedTuple):
    """How the featurizer is called by TLS."""

    files: CertificateFiles
    """The CA of its certificate, and our certificate where it wants to see one."""
    token_file: Path | None = None
    """The file with the token that it wants to see."""


class FeaturizerClient:
    """A channel to the featurizer, kept open."""

    def __init__(self, target: str, security: FeaturizerSecurity | None = None) -> None:
        """`target` is `host:port` or any other gRPC target; several addresses are used in turn. Without `security` it
        is called without TLS.
        """
        self.target = target
        self._security = security
        self._max_images: int | None = None  # as the featurizer told last
        self._closing: set[asyncio.Task[None]] = set()
        self._open()

    def _open(self) -> None:
        # Nothing is retried here, as our own callers do: retries at both places would multiply, and the caller's time
        # would be up before it hears why.
        # A proxy for the web is none for the service next door; gRPC would use it even for the loopback interface.
        options = [*channel_options(watched_service=FEATURIZER_SERVICE), ("grpc.enable_http_proxy", 0)]
        if self._security is None:
            self._channel = grpc.aio.insecure_channel(self.target, options=options)
        else:
            credentials = channel_credentials(self._security.files.pem, self._security.token_file)
            self._channel = grpc.aio.secure_channel(self.target, credentials, options=options)
        self._stub = featurizer_pb2_grpc.FeaturizerStub(self._channel)

    async def renew_credentials(self) -> None:
        """Call by another channel where the certificate files have changed; calls in flight are left to finish."""
        if self._security is None or await asyncio.to_thread(self._security.files.renew) is None:
            return
        before = self._channel
        self._open()
        closing = asyncio.create_task(before.close(DEFAULT_TIMEOUT_S))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()
        for closing in list(self._closing):
            closing.cancel()

    async def is_serving(self, timeout_s: float) -> bool:
        """Return whether the featurizer says that it serves."""
        check: grpc.aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]
        check = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(service=FEATURIZER_SERVICE), timeout=timeout_s)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def backbone(self, deadline: float | None) -> Backbone:
        """Return the backbone that is served now; `deadline` is of `time.monotonic()`.

        Raises FeaturizerUnavailableError or DeadlinePassedError.
        """
        answer = await self.describe(deadline)
        self._max_images = min(answer.max_images_per_request or _MAX_IMAGES, _MAX_IMAGES)
        taps = (Tap(tap.name, tap.kind == types_pb2.TAP_KIND_CLASS_SCORES, tap.dimension) for tap in answer.taps)
        former = {entry.digest: entry.precision for entry in answer.former_digests}
        known = [view for view in View if view.value in answer.views]
        return Backbone(answer.name, answer.digest, tuple(taps), former, tuple(known) or CROP_ALONE)

    async def describe(self, deadline: float | None) -> types_pb2.Backbone:
        """Return all that the featurizer says of the backbone that is served now; fails as `backbone` does."""
        try:
            answer: types_pb2.Backbone = await self._stub.GetBackbone(
                featurizer_pb2.GetBackboneRequest(), **_options(deadline)
            )
        except grpc.aio.AioRpcError as error:
            self._fail(error)
        return answer

    async def featurize(
        self,
        images: Sequence[bytes],
        taps: Sequence[str],
        *,
        digest: str,
        deadline: float | None,
        views: Sequence[View] = CROP_ALONE,
        patient: bool = False,
        thumbnails: bool = False,
        hashes: bool = False,
        min_mean_cosine: float = 0.0,
    ) -> list[Featurized | LastlayerError]:
        """Return for each image the vectors of its `views` at `taps`, with its thumbnail and its perceptual hashes
        where those are wanted, or why it has none.

        A `patient` caller waits where the featurizer has no room, within the deadline, behind callers that are not.
        Raises BackboneMismatchError where it serves another backbone than `digest`, FeaturesTooFarError where its
        features are farther from those in float32 than `min_mean_cosine` tolerates, ViewNotOfferedError where it is of
        a release without one of the views, FeaturizerUnavailableError, OverloadedError or DeadlinePassedError.
        """
        if self._max_images is None:
            await self.backbone(deadline)
        outcomes: dict[int, Featurized | LastlayerError] = {
            index: _too_large(content) for index, content in enumerate(images) if len(content) > MAX_CONTENT_BYTES
        }
        sendable = [(index, content) for index, content in enumerate(images) if index not in outcomes]
        for part in _parts(sendable, max(1, (self._max_images or _MAX_IMAGES) // len(views))):
            request = featurizer_pb2.FeaturizeRequest(
                images=[types_pb2.Image(content=content) for _, content in part],
                taps=taps,
                backbone_digest=digest,
                thumbnails=thumbnails,
                perceptual_hashes=hashes,
                min_mean_cosine=min_mean_cosine,
                views=[view.wire for view in views],
            )
            response = await (self._wait(request, deadline) if patient else self._ask(request, deadline))
            for (index, _), result in zip(part, response.results, strict=True):
                outcomes[index] = _outcome(result, response.precision, views)
        return [outcomes[index] for index in range(len(images))]

    async def spatial_means(self, *, digest: str, deadline: float | None) -> list[str]:
        """Return the taps that have feature maps; raises BackboneMismatchError as `featurize` does."""
        answer = await self.describe(deadline)
        if digest not in (answer.digest, *(former.digest for former in answer.former_digests)):
            raise BackboneMismatchError("Another backbone is served.", expected=digest, actual=answer.digest)
        return [tap.name for tap in answer.taps if tap.kind == types_pb2.TAP_KIND_SPATIAL_MEAN]

    async def feature_maps(
        self,
        image: bytes,
        taps: Sequence[str],
        *,
        digest: str,
        deadline: float | None,
        view: View = View.CROP,
        min_mean_cosine: float = 0.0,
    ) -> tuple[FeatureMaps, Region]:
        """Return the maps of a view of an image at some of the `spatial_means`, and the part of it that they cover.

        Raises what `featurize` raises, RelayedError or InvalidFieldError for a bad image, and NotExplainableError where
        the maps are too large for a message.
        """
        if len(image) > MAX_CONTENT_BYTES:
            raise _too_large(image, "image.content")
        request = featurizer_pb2.GetFeatureMapsRequest(
            image=types_pb2.Image(content=image),
            taps=taps,
            backbone_digest=digest,
            min_mean_cosine=min_mean_cosine,
            view=view.wire,
        )
        try:
            answer = await self._stub.GetFeatureMaps(request, **_options(deadline))
        except grpc.aio.AioRpcError as error:
            details = read_error(error)
            if details.reason in _IMAGE_REASONS:
                raise RelayedError(details.reason, details.message, details.metadata) from error
            if details.reason == "INVALID_FIELD" and details.field == "taps":
                raise NotExplainableError(details.message) from error
            self._fail(error)
        if (answer.view or View.CROP) != view:
            raise ViewNotOfferedError(view.label)
        region = answer.region
        maps = {
            entry.tap: unpack(entry.values).reshape(entry.height, entry.width, entry.dimension) for entry in answer.maps
        }
        return maps, Region(region.left, region.top, region.right, region.bottom)

    async def _ask(
        self, request: featurizer_pb2.FeaturizeRequest, deadline: float | None
    ) -> featurizer_pb2.FeaturizeResponse:
        options = _options(deadline)
        # Where a caller has no deadline, the featurizer is told of none: it then refuses what would wait for long.
        limit_s = DEFAULT_TIMEOUT_S if deadline is None else None
        if deadline is None:
            options["timeout"] = None
        try:
            async with asyncio.timeout(limit_s):
                return await self._stub.Featurize(request, **options)
        except grpc.aio.AioRpcError as error:
            self._fail(error)
        except TimeoutError as error:
            raise DeadlinePassedError(f"The featurizer has not answered within {limit_s:.0f} s.") from error

    async def _wait(
        self, request: featurizer_pb2.FeaturizeRequest, deadline: float | None
    ) -> featurizer_pb2.FeaturizeResponse:
        """Featurize over a stream: its requests wait for room, and leave that of single calls alone."""
        while True:
            call = self._stub.FeaturizeStream(_only(request), **_options(deadline))
            try:
                answers = [answer async for answer in call]
            except grpc.aio.AioRpcError as error:
                self._fail(error)
            if len(answers) != 1:
                raise FeaturizerUnavailableError(self.target)
            if answers[0].HasField("response"):
                return answers[0].response
            details = read_status(answers[0].error)
            wait_s = details.retry_after_s or 1.0
            late = deadline is not None and time.monotonic() + wait_s >= deadline
            if details.reason != "OVERLOADED" or late:
                raise self._meaning(details) or RuntimeError(f"the featurizer failed: {details}")
            await asyncio.sleep(wait_s * random.uniform(1.0, 1.5))  # noqa: S311 - no secret

    def _fail(self, error: grpc.aio.AioRpcError) -> NoReturn:
        """Raise what the featurizer's answer means to our callers."""
        details = read_error(error)
        if details.code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
            self._max_images = None  # it is another featurizer than the one that told us
        if not details.reason and details.code in _UNAVAILABLE:
            _log.warning("the featurizer at %s failed: %s: %s", self.target, details.code.name, details.message)
            raise FeaturizerUnavailableError(self.target) from error
        meaning = self._meaning(details)
        if meaning is None:
            raise error
        raise meaning from error

    def _meaning(self, details: ErrorDetails) -> LastlayerError | None:
        """Return what a failure means to our callers; None where it is a fault."""
        if details.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            # Our callers cannot help it; who runs us can.
            _log.error("the featurizer at %s does not let us in: %s", self.target, details.message)
            return FeaturizerUnavailableError(self.target)
        if details.code == grpc.StatusCode.UNAVAILABLE:
            return FeaturizerUnavailableError(self.target)
        if details.code == grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlinePassedError("The deadline passed while the featurizer was at work.")
        if details.reason == "OVERLOADED":
            return OverloadedError(details.message, retry_after_s=details.retry_after_s or 1.0)
        if details.reason == "BACKBONE_MISMATCH":
            return BackboneMismatchError(
                details.message,
                expected=details.metadata.get("expected", ""),
                actual=details.metadata.get("actual", ""),
            )
        if details.reason == "FEATURES_TOO_FAR":
            return FeaturesTooFarError(details.message, metadata=details.metadata)
        return None


async def _only(request: featurizer_pb2.FeaturizeRequest) -> AsyncIterator[featurizer_pb2.FeaturizeStreamRequest]:
    yield featurizer_pb2.FeaturizeStreamRequest(request=request)


def _too_large(content: bytes, field: str = "content") -> LastlayerError:
    return InvalidFieldError(
        field, f"The image's file has {len(content)} bytes; at most {MAX_CONTENT_BYTES} are accepted."
    )


class _Options(TypedDict):
    timeout: float | None
    metadata: tuple[tuple[str, str], ...]


def _options(deadline: float | None) -> _Options:
    """Return what goes with every call: how long it may take, and whose request it is for."""
    return {"timeout": _timeout(deadline), "metadata": (*request_ids.to_metadata(), *traces.to_metadata())}


def _timeout(deadline: float | None) -> float:
    if deadline is None:
        return DEFAULT_TIMEOUT_S
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise DeadlinePassedError("The deadline passed before the featurizer was called.")
    return remaining


def _parts(images: Sequence[tuple[int, bytes]], most: int) -> Iterator[list[tuple[int, bytes]]]:
    """Yield numbered images in parts that fit into requests, at most `most` in each."""
    part: list[tuple[int, bytes]] = []
    size = 0
    for index, content in images:
        if part and (len(part) == most or size + len(content) + _IMAGE_OVERHEAD_BYTES > MAX_CONTENT_BYTES):
            yield part
            part, size = [], 0
        part.append((index, content))
        size += len(content) + _IMAGE_OVERHEAD_BYTES
    if part:
        yield part


def _outcome(
    result: featurizer_pb2.ImageFeatures, precision: str, views: Sequence[View]
) -> Featurized | LastlayerError:
    if result.HasField("error"):
        details = read_status(result.error)
        return RelayedError(details.reason, details.message, details.metadata)
    found = result.features.vectors
    # A featurizer of an earlier release answers with the crop, whatever is asked for, and says no view.
    missing = set(views) - {View(vector.view or View.CROP) for vector in found}
    if found and missing:
        raise ViewNotOfferedError(min(missing).label)
    vectors = {place(vector.tap, View(vector.view or View.CROP)): unpack(vector.values) for vector in found}
    return Featurized(vectors, result.thumbnail, result.perceptual_hashes, precision)
