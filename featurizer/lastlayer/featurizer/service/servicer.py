"""The Featurizer service: messages in, messages out."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import grpc
import numpy as np
import numpy.typing as npt
from google.rpc import status_pb2

from lastlayer.featurizer.pipeline.pipeline import Featurized, Pipeline
from lastlayer.rpc.channel import MAX_MESSAGE_BYTES
from lastlayer.rpc.errors import (
    BackboneMismatchError,
    FeaturesTooFarError,
    ImageError,
    InvalidFieldError,
    LastlayerError,
)
from lastlayer.rpc.server.deadlines import deadline_of
from lastlayer.rpc.server.streams import answer_each
from lastlayer.rpc.status import to_status
from lastlayer.rpc.vectors import CROP_ALONE, View, pack
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2

_IN_FLIGHT: Final = 4
"""How many requests of one stream are in work at once: enough to keep the graph busy while answers travel."""

_MAX_ID_BYTES: Final = 1024

_MAX_MAP_BYTES: Final = MAX_MESSAGE_BYTES - 64 * 1024
"""The most bytes of maps in an answer, which leaves room for all else in it."""


class FeaturizerServicer(featurizer_pb2_grpc.FeaturizerServicer):
    """Serves one backbone."""

    def __init__(self, backbone: types_pb2.Backbone, pipeline: Pipeline) -> None:
        self._backbone = backbone
        self._taps = [tap.name for tap in backbone.taps]
        self._cosines = {tap.name: tap.mean_cosine for tap in backbone.taps}
        self._digests = {backbone.digest, *(former.digest for former in backbone.former_digests)}
        self._pipeline = pipeline

    async def GetBackbone(
        self, request: featurizer_pb2.GetBackboneRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> types_pb2.Backbone:
        """Return the backbone."""
        return self._backbone

    async def Featurize(
        self, request: featurizer_pb2.FeaturizeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> featurizer_pb2.FeaturizeResponse:
        """Return the features of some images."""
        return await self._featurize(request, deadline=deadline_of(context), wait=False)

    async def FeaturizeStream(
        self,
        request_iterator: Any,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[featurizer_pb2.FeaturizeStreamResponse]:
        """Return the features of the images of each request."""
        deadline = deadline_of(context)

        async def answer(
            request: featurizer_pb2.FeaturizeStreamRequest,
        ) -> featurizer_pb2.FeaturizeStreamResponse:
            answer = featurizer_pb2.FeaturizeStreamResponse(request_id=request.request_id)
            try:
                _check_id("request_id", request.request_id)
                answer.response.CopyFrom(await self._featurize(request.request, deadline=deadline, wait=True))
            except LastlayerError as error:
                answer.error.CopyFrom(to_status(error))
            return answer

        answers = answer_each(request_iterator, answer, in_flight=_IN_FLIGHT, in_order=False)
        async with contextlib.aclosing(answers):
            async for response in answers:
                yield response

    async def GetFeatureMaps(
        self, request: featurizer_pb2.GetFeatureMapsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> featurizer_pb2.GetFeatureMapsResponse:
        """Return the feature maps of one image."""
        taps = self._check_maps(request)
        [view] = _read_views([request.view], "view")
        maps, region = await self._pipeline.feature_maps(
            request.image.content, taps, deadline=deadline_of(context), view=view
        )
        size = sum(array.nbytes for array in maps.values())
        if size > _MAX_MAP_BYTES:
            raise InvalidFieldError(
                "taps",
                f"The maps of these taps have {size} bytes, but an answer holds at most {_MAX_MAP_BYTES}; ask for "
                "fewer of them.",
            )
        return featurizer_pb2.GetFeatureMapsResponse(
            maps=[_map(tap, maps[tap]) for tap in taps],
            region=types_pb2.ImageRegion(**region._asdict()),
            backbone_digest=self._backbone.digest,
            view=view.wire,
        )

    async def _featurize(
        self, request: featurizer_pb2.FeaturizeRequest, *, deadline: float | None, wait: bool
    ) -> featurizer_pb2.FeaturizeResponse:
        views = list(dict.fromkeys(_read_views(request.views, "views"))) or CROP_ALONE
        taps = self._check(request, views)
        outcomes = await self._pipeline.featurize(
            [image.content for image in request.images],
            taps,
            deadline=deadline,
            wait=wait,
            views=views,
            thumbnails=request.thumbnails,
            hashes=request.perceptual_hashes,
        )
        results = [
            _result(image.id, outcome, views, taps) for image, outcome in zip(request.images, outcomes, strict=True)
        ]
        return featurizer_pb2.FeaturizeResponse(
            results=results, backbone_digest=self._backbone.digest, precision=self._backbone.precision
        )

    def _check(self, request: featurizer_pb2.FeaturizeRequest, views: Sequence[View]) -> list[str]:
        """Return the taps that are asked for.

        Raises InvalidFieldError, BackboneMismatchError or FeaturesTooFarError.
        """
        most = max(1, self._backbone.max_images_per_request // len(views))
        if not 1 <= len(request.images) <= most:
            seen = f" in {len(views)} views" if len(views) > 1 else ""
            raise InvalidFieldError(
                "images", f"The request has {len(request.images)} images{seen}; from 1 to {most} are accepted."
            )
        for index, image in enumerate(request.images):
            _check_id(f"images[{index}].id", image.id)
        # Another backbone has other taps. That it is another one is what the caller must know, so that comes first.
        self._check_digest(request.backbone_digest)
        taps = self._known(request.taps) or self._taps
        self._check_distance(taps, request.min_mean_cosine)
        return taps

    def _check_maps(self, request: featurizer_pb2.GetFeatureMapsRequest) -> list[str]:
        """Return the taps whose maps are asked for; raises what `_check` raises."""
        _check_id("image.id", request.image.id)
        self._check_digest(request.backbone_digest)
        spatial = [tap.name for tap in self._backbone.taps if tap.kind == types_pb2.TAP_KIND_SPATIAL_MEAN]
        known = f"those that are spatial means are {', '.join(spatial)}" if spatial else "none of its taps is one"
        if not request.taps:
            raise InvalidFieldError("taps", f"No tap is asked for, and at least one is needed; {known}.")
        taps = self._known(request.taps)
        for index, tap in enumerate(request.taps):
            if tap not in spatial:
                raise InvalidFieldError(
                    f"taps[{index}]",
                    f"The tap `{tap}` of {self._backbone.name} is no spatial mean, and so has no map; {known}.",
                )
        self._check_distance(taps, request.min_mean_cosine)
        return taps

    def _known(self, asked: Sequence[str]) -> list[str]:
        """Return the taps that are asked for, each once; raises InvalidFieldError where there is no such tap."""
        for index, tap in enumerate(asked):
            if tap not in self._taps:
                raise InvalidFieldError(
                    f"taps[{index}]", f"There is no tap `{tap[:100]}`; there are {', '.join(self._taps)}."
                )
        return list(dict.fromkeys(asked))

    def _check_digest(self, digest: str) -> None:
        if digest and digest not in self._digests:
            raise BackboneMismatchError(
                f"The featurizer serves {self._backbone.name} with the digest {self._backbone.digest}, but "
                f"{digest[:64]} was asked for.",
                expected=digest[:64],
                actual=self._backbone.digest,
            )

    def _check_distance(self, taps: Sequence[str], least: float) -> None:
        if not 0 <= least <= 1:
            raise InvalidFieldError("min_mean_cosine", f"It is {least}; from 0 to 1 is accepted.")
        farthest = min(taps, key=self._cosines.__getitem__)
        if self._cosines[farthest] < least:
            backbone = self._backbone
            raise FeaturesTooFarError(
                f"The features of {backbone.name} at the tap `{farthest}` in {backbone.precision} by {backbone.engine} "
                f"have a mean cosine of {self._cosines[farthest]:.4f} to those in float32, but {least:.4f} was asked "
                "for; FEATURIZER_PRECISION=float32 serves those themselves.",
                metadata={
                    "tap": farthest,
                    "precision": backbone.precision,
                    "engine": backbone.engine,
                    "mean_cosine": f"{self._cosines[farthest]:.6f}",
                    "min_mean_cosine": f"{least:.6f}",
                },
            )


def _check_id(field: str, value: str) -> None:
    size = len(value.encode())
    if size > _MAX_ID_BYTES:
        raise InvalidFieldError(field, f"The id has {size} bytes; at most {_MAX_ID_BYTES} are accepted.")


def _read_views(numbers: Iterable[int], field: str) -> list[View]:
    """Return views; raises InvalidFieldError for a number that this release does not know."""
    try:
        return [View(number or View.CROP) for number in numbers]
    except ValueError as error:
        known = ", ".join(view.wire for view in View)
        raise InvalidFieldError(field, f"{error}; {known} are accepted.") from error


def _result(
    image_id: str, outcome: Featurized | ImageError, views: Sequence[View], taps: Sequence[str]
) -> featurizer_pb2.ImageFeatures:
    if isinstance(outcome, ImageError):
        status: status_pb2.Status = to_status(outcome)
        return featurizer_pb2.ImageFeatures(id=image_id, error=status)
    vectors = [
        types_pb2.FeatureVector(tap=tap, values=pack(vectors[tap]), view=view.wire)
        for view, vectors in zip(views, outcome.views, strict=True)
        for tap in taps
    ]
    return featurizer_pb2.ImageFeatures(
        id=image_id,
        features=featurizer_pb2.FeatureVectors(vectors=vectors),
        thumbnail=outcome.thumbnail,
        perceptual_hashes=outcome.hashes,
    )


def _map(tap: str, values: npt.NDArray[np.float32]) -> featurizer_pb2.FeatureMap:
    height, width, dimension = values.shape
    return featurizer_pb2.FeatureMap(tap=tap, height=height, width=width, dimension=dimension, values=pack(values))
