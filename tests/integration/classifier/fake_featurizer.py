"""A featurizer behind a real socket that follows a script and keeps a record.

`tests/integration/featurizer/test_contract.py` holds it to what the real one does.

An image is any bytes: what comes before the first `-` decides where its features lie, so that images of one kind can be
told from those of another. What begins with `bad` is undecodable; of what begins with `edge` the crop shows nothing by
which its kind could be told, but the whole image does.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
import numpy as np

from lastlayer.featurizer.errors import ImageUndecodableError
from lastlayer.rpc.channel import FEATURIZER_SERVICE, MAX_MESSAGE_BYTES
from lastlayer.rpc.errors import (
    BackboneMismatchError,
    FeaturesTooFarError,
    ImageEmptyError,
    ImageError,
    InvalidFieldError,
    LastlayerError,
)
from lastlayer.rpc.server.lifecycle import GrpcServer
from lastlayer.rpc.status import to_status
from lastlayer.rpc.vectors import View, pack
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2


class Hang:
    """No answer before it is released."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.released = asyncio.Event()
        self.answered = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def wait(self) -> None:
        self.entered.set()
        try:
            await self.released.wait()
            self.answered.set()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


Step = LastlayerError | grpc.StatusCode | Hang | None


@dataclass
class FakeFeaturizer(featurizer_pb2_grpc.FeaturizerServicer):
    """Fails where the script says so, and otherwise answers like a featurizer with a small backbone."""

    name: str = "fake"
    digest: str = "a" * 64
    class_scores: bool = True
    former_digests: dict[str, str] = field(default_factory=dict)
    precision: str = "float32"
    mean_cosine: float = 1.0
    """How near the features of all taps are to those in float32."""
    max_images: int = 64
    knows_views: bool = True
    """Whether it has views, which earlier releases had not."""
    thumbnail: bytes = b""
    """That of every image; where empty, each has its own."""
    script: list[Step] = field(default_factory=list)
    """How the next requests of images go: None is well. After the script, all is well."""
    requests: list[tuple[str, featurizer_pb2.FeaturizeRequest]] = field(default_factory=list)
    """The record: the method and the request, in order."""
    mapped: list[featurizer_pb2.GetFeatureMapsRequest] = field(default_factory=list)
    """The record of the requests of maps."""
    deadlines: list[float | None] = field(default_factory=list)

    @property
    def contents(self) -> list[bytes]:
        """All images that were featurized, in order."""
        return [image.content for _, request in self.requests for image in request.images]

    @property
    def taps(self) -> list[types_pb2.Tap]:
        scores = types_pb2.TAP_KIND_CLASS_SCORES if self.class_scores else types_pb2.TAP_KIND_VECTOR
        return [
            types_pb2.Tap(
                name=name, kind=kind, dimension=dimension, mean_cosine=self.mean_cosine, least_cosine=self.mean_cosine
            )
            for name, kind, dimension in (("conv", types_pb2.TAP_KIND_SPATIAL_MEAN, 8), ("scores", scores, 6))
        ]

    async def GetBackbone(self, request, context):
        return types_pb2.Backbone(
            name=self.name,
            digest=self.digest,
            taps=self.taps,
            max_images_per_request=self.max_images,
            max_message_bytes=MAX_MESSAGE_BYTES,
            engine="tensorflow",
            precision=self.precision,
            former_digests=[
                types_pb2.FormerDigest(digest=digest, precision=precision)
                for digest, precision in self.former_digests.items()
            ],
            imagenet_accuracy=0.7,
            others=[types_pb2.AvailableBackbone(name="xception", imagenet_accuracy=0.79)],
            views=[view.wire for view in View] if self.knows_views else [],
        )

    async def Featurize(self, request, context):
        self.deadlines.append(context.time_remaining())
        try:
            return await self._answer("Featurize", request)
        except grpc.RpcError as error:
            await context.abort(error.args[0], "broken on the way")

    async def GetFeatureMaps(self, request, context):
        self.deadlines.append(context.time_remaining())
        self.mapped.append(request)
        _check_id("image.id", request.image.id)
        self._check_digest(request.backbone_digest)
        if not request.taps:
            raise InvalidFieldError("taps", "No tap is asked for.")
        self._check_taps(request.taps, kinds={types_pb2.TAP_KIND_SPATIAL_MEAN})
        self._check_distance(request.min_mean_cosine)
        _check_image(request.image.content)
        if request.image.content.startswith(b"huge"):
            raise InvalidFieldError("taps", "The maps are too large.")
        known = {tap.name: tap.dimension for tap in self.taps}
        [view] = self._read_views([request.view], "view")
        maps = {tap: map_of(request.image.content, tap, known[tap], view) for tap in request.taps}
        return featurizer_pb2.GetFeatureMapsResponse(
            maps=[
                featurizer_pb2.FeatureMap(
                    tap=tap, height=len(cells), width=len(cells[0]), dimension=known[tap], values=pack(cells)
                )
                for tap, cells in maps.items()
            ],
            region=types_pb2.ImageRegion(left=0.25, top=0, right=0.75, bottom=1)
            if view.upright is View.CROP
            else types_pb2.ImageRegion(left=0, top=0, right=1, bottom=1),
            backbone_digest=self.digest,
            view=view.wire if self.knows_views else None,
        )

    async def FeaturizeStream(self, request_iterator, context):
        self.deadlines.append(context.time_remaining())
        async for request in request_iterator:
            answer = featurizer_pb2.FeaturizeStreamResponse(request_id=request.request_id)
            try:
                answer.response.CopyFrom(await self._answer("FeaturizeStream", request.request))
            except LastlayerError as error:
                answer.error.CopyFrom(to_status(error))
            except grpc.RpcError as error:
                await context.abort(error.args[0], "broken on the way")
            yield answer

    async def _answer(self, method: str, request: featurizer_pb2.FeaturizeRequest) -> featurizer_pb2.FeaturizeResponse:
        self.requests.append((method, request))
        step = self.script.pop(0) if self.script else None
        if isinstance(step, LastlayerError):
            raise step
        if isinstance(step, grpc.StatusCode):
            raise grpc.RpcError(step)
        if isinstance(step, Hang):
            await step.wait()
        if any(image.content.startswith(b"silent") for image in request.images):
            await Hang().wait()
        views = list(dict.fromkeys(self._read_views(request.views, "views"))) or [View.CROP]
        most = max(1, self.max_images // len(views))
        if not 1 <= len(request.images) <= most:
            raise InvalidFieldError("images", f"{len(request.images)} images")
        for index, image in enumerate(request.images):
            _check_id(f"images[{index}].id", image.id)
        self._check_digest(request.backbone_digest)
        self._check_taps(request.taps, kinds=set(types_pb2.TapKind.values()))
        self._check_distance(request.min_mean_cosine)
        taps = list(dict.fromkeys(request.taps)) or [tap.name for tap in self.taps]
        results = [self._features(image.content, taps, views) for image in request.images]
        for image, result in zip(request.images, results, strict=True):
            result.id = image.id
            if request.thumbnails and not result.HasField("error"):
                result.thumbnail = self.thumbnail or b"small " + image.content
            if request.perceptual_hashes and not result.HasField("error"):
                result.perceptual_hashes = hashes_of(image.content)
        return featurizer_pb2.FeaturizeResponse(results=results, backbone_digest=self.digest, precision=self.precision)

    def _check_distance(self, least: float) -> None:
        if not 0 <= least <= 1:
            raise InvalidFieldError("min_mean_cosine", f"It is {least}.")
        if self.mean_cosine < least:
            raise FeaturesTooFarError(
                f"The features have a mean cosine of {self.mean_cosine}.", metadata={"tap": "conv"}
            )

    def _check_digest(self, digest: str) -> None:
        if digest and digest not in (self.digest, *self.former_digests):
            raise BackboneMismatchError("Another backbone is served.", expected=digest, actual=self.digest)

    def _check_taps(self, asked, kinds: set[int]) -> None:
        known = {tap.name for tap in self.taps if tap.kind in kinds}
        for index, tap in enumerate(asked):
            if tap not in known:
                raise InvalidFieldError(f"taps[{index}]", f"There is no tap `{tap}`.")

    def _read_views(self, numbers, field: str) -> list[View]:
        if not self.knows_views:
            return [View.CROP for _ in numbers]
        try:
            return [View(number or View.CROP) for number in numbers]
        except ValueError as error:
            raise InvalidFieldError(field, f"{error}.") from error

    def _features(self, content: bytes, taps: list[str], views: list[View]) -> featurizer_pb2.ImageFeatures:
        try:
            _check_image(content)
        except ImageError as error:
            return featurizer_pb2.ImageFeatures(error=to_status(error))
        known = {tap.name: tap.dimension for tap in self.taps}
        vectors = [
            types_pb2.FeatureVector(
                tap=tap,
                values=pack(vector_of(content, tap, known[tap], view)),
                view=view.wire if self.knows_views else None,
            )
            for view in views
            for tap in taps
        ]
        return featurizer_pb2.ImageFeatures(features=featurizer_pb2.FeatureVectors(vectors=vectors))


def vector_of(content: bytes, tap: str, dimension: int, view: View = View.CROP) -> np.ndarray:
    """Return the features of a view of an image, float32 [dimension]."""
    seen = tap if view is View.CROP else f"{tap} {view.label}"
    shown = b"edge" if content.startswith(b"edge") and view.upright is View.CROP else content.partition(b"-")[0]
    kind = np.random.default_rng(_seed(shown, tap)).normal(size=dimension)
    own = np.random.default_rng(_seed(content, seen)).normal(size=dimension)
    return (3 * kind + 0.3 * own).astype(np.float32)


def hashes_of(content: bytes) -> bytes:
    """Return the hashes of an image, the whole and mirrored; it looks like what its content names after a `~`."""
    return hashlib.sha256(content.partition(b"~")[2] or content).digest()[:30]


def map_of(content: bytes, tap: str, dimension: int, view: View = View.CROP) -> np.ndarray:
    """Return the map of a view of an image, float32 [2, 3, dimension], whose mean is its `vector_of`."""
    noise = np.random.default_rng(_seed(content, f"map of {tap}")).normal(size=(2, 3, dimension))
    noise -= noise.mean((0, 1))
    return (vector_of(content, tap, dimension, view) + noise).astype(np.float32)


def _seed(content: bytes, tap: str) -> int:
    return int.from_bytes(hashlib.sha256(tap.encode() + content).digest()[:8])


def _check_id(field: str, value: str) -> None:
    if len(value.encode()) > 1024:
        raise InvalidFieldError(field, "The id is too long.")


def _check_image(content: bytes) -> None:
    if not content:
        raise ImageEmptyError("The image has no bytes.")
    if content.startswith(b"bad"):
        raise ImageUndecodableError("The bytes are no image.")


@contextlib.asynccontextmanager
async def serving(fake: FakeFeaturizer, address: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """Serve the fake while the block lasts; yields its address."""
    server = GrpcServer(address, services=[FEATURIZER_SERVICE], grace_s=0)
    server.register(featurizer_pb2_grpc.add_FeaturizerServicer_to_server, fake)
    await server.start()
    await server.set_serving(True)
    try:
        yield server.bound_address
    finally:
        await server.stop()
