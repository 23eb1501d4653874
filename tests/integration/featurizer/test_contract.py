"""What callers of a Featurizer may rely on: the same tests for the service, for the one with the stand-in of a network
that `lastlayer.testing` has, and for the fake that the classifier is tested with, so that they cannot differ."""

import io
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.network.loading import load
from lastlayer.featurizer.service.server import running
from lastlayer.rpc.channel import channel_options
from lastlayer.rpc.status import ErrorDetails, read_error, read_status
from lastlayer.rpc.vectors import View, unpack
from lastlayer.testing import write_tiny_backbone
from lastlayer.testing.tiny_network import load_tiny_network
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, serving

MOST = 8
"""The most images that a request may hold."""

OTHER_DIGEST = "0" * 64
LONG_ID = "x" * 1025

Stub = Any  # the generated type is of a synchronous stub


@pytest.fixture(params=["fake", "stand-in", "service"])
async def stub(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stub]:
    async with AsyncExitStack() as stack:
        if request.param == "fake":
            address = await stack.enter_async_context(serving(FakeFeaturizer(max_images=MOST)))
        else:
            stands_in = request.param == "stand-in"
            settings = {
                "home": tmp_path / "home",
                "backbone": "" if stands_in else str(write_tiny_backbone(tmp_path / "tiny")),
                "address": "127.0.0.1:0",
                "max_images_per_request": MOST,
            }
            served = running(FeaturizerSettings.model_validate(settings), load_tiny_network if stands_in else load)
            address = await stack.enter_async_context(served)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=channel_options()))
        yield featurizer_pb2_grpc.FeaturizerStub(channel)


@pytest.fixture
async def backbone(stub: Stub) -> types_pb2.Backbone:
    found: types_pb2.Backbone = await stub.GetBackbone(featurizer_pb2.GetBackboneRequest())
    return found


def photo(seed: int) -> bytes:
    file = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 256, (45, 60, 3), np.uint8)
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def request(
    *contents: bytes, taps: Iterable[str] = (), digest: str = "", **more: Any
) -> featurizer_pb2.FeaturizeRequest:
    images = [types_pb2.Image(id=f"image {index}", content=content) for index, content in enumerate(contents)]
    return featurizer_pb2.FeaturizeRequest(images=images, taps=taps, backbone_digest=digest, **more)


def maps_request(
    taps: Iterable[str] = (), digest: str = "", image: str = "one", **more: Any
) -> featurizer_pb2.GetFeatureMapsRequest:
    return featurizer_pb2.GetFeatureMapsRequest(
        image=types_pb2.Image(id=image, content=photo(1)), taps=taps, backbone_digest=digest, **more
    )


async def refusal(call: Any) -> ErrorDetails:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return read_error(caught.value)


async def stream(
    stub: Stub, requests: Sequence[featurizer_pb2.FeaturizeRequest]
) -> dict[str, featurizer_pb2.FeaturizeStreamResponse]:
    """Return the answers of one stream, by the ids of the requests."""
    sent = [
        featurizer_pb2.FeaturizeStreamRequest(request_id=f"request {index}", request=part)
        for index, part in enumerate(requests)
    ]
    return {answer.request_id: answer async for answer in stub.FeaturizeStream(iter(sent))}


def taps_of(result: featurizer_pb2.ImageFeatures) -> dict[str, int]:
    assert result.WhichOneof("outcome") == "features", result
    return {vector.tap: len(unpack(vector.values)) for vector in result.features.vectors}


def refused_requests(backbone: types_pb2.Backbone) -> dict[str, tuple[featurizer_pb2.FeaturizeRequest, str, str]]:
    """Return requests with the reason for which each is refused, and the field that is to blame."""
    long_id = request(photo(1), photo(2))
    long_id.images[1].id = LONG_ID
    return {
        "no image": (request(), "INVALID_FIELD", "images"),
        "too many images": (request(*[photo(1)] * (MOST + 1)), "INVALID_FIELD", "images"),
        "an id that is too long": (long_id, "INVALID_FIELD", "images[1].id"),
        "an unknown tap": (request(photo(1), taps=[backbone.taps[0].name, "none"]), "INVALID_FIELD", "taps[1]"),
        "another backbone": (request(photo(1), digest=OTHER_DIGEST), "BACKBONE_MISMATCH", ""),
        "too many images in so many views": (
            request(*[photo(1)] * (MOST // 2 + 1), views=["VIEW_CROP", "VIEW_WHOLE"]),
            "INVALID_FIELD",
            "images",
        ),
        "a view of a later release": (request(photo(1), views=[99]), "INVALID_FIELD", "views"),
        "a tolerance that is none": (request(photo(1), min_mean_cosine=1.5), "INVALID_FIELD", "min_mean_cosine"),
        # Another backbone has other taps: that it is another one is what the caller must know.
        "another backbone and its tap": (
            request(photo(1), taps=["none"], digest=OTHER_DIGEST),
            "BACKBONE_MISMATCH",
            "",
        ),
    }


REFUSED = (
    "no image",
    "too many images",
    "an id that is too long",
    "an unknown tap",
    "another backbone",
    "too many images in so many views",
    "a view of a later release",
    "a tolerance that is none",
    "another backbone and its tap",
)
CODES = {"INVALID_FIELD": grpc.StatusCode.INVALID_ARGUMENT, "BACKBONE_MISMATCH": grpc.StatusCode.FAILED_PRECONDITION}


async def test_the_backbone_says_what_a_caller_must_know(backbone: types_pb2.Backbone) -> None:
    assert backbone.name
    assert len(backbone.digest) == 64
    assert backbone.max_images_per_request == MOST
    assert backbone.max_message_bytes > 0
    kinds = {tap.kind for tap in backbone.taps}
    assert types_pb2.TAP_KIND_UNSPECIFIED not in kinds
    assert types_pb2.TAP_KIND_SPATIAL_MEAN in kinds
    assert all(tap.dimension > 0 for tap in backbone.taps)


async def test_each_image_has_its_vectors_at_all_taps(stub: Stub, backbone: types_pb2.Backbone) -> None:
    for digest in ("", backbone.digest):
        answer = await stub.Featurize(request(photo(1), photo(2), digest=digest))
        assert answer.backbone_digest == backbone.digest
        assert [result.id for result in answer.results] == ["image 0", "image 1"]
        assert [taps_of(result) for result in answer.results] == [
            {tap.name: tap.dimension for tap in backbone.taps}
        ] * 2
        assert answer.results[0].features != answer.results[1].features


async def test_only_the_taps_that_are_asked_for_are_answered_each_once(
    stub: Stub, backbone: types_pb2.Backbone
) -> None:
    last, first = backbone.taps[-1].name, backbone.taps[0].name
    answer = await stub.Featurize(request(photo(1), taps=[last, first, last]))
    assert list(taps_of(answer.results[0])) == [last, first]


async def test_the_same_image_has_the_same_features(stub: Stub) -> None:
    one, other = await stub.Featurize(request(photo(1))), await stub.Featurize(request(photo(1), photo(2)))
    for vector, again in zip(one.results[0].features.vectors, other.results[0].features.vectors, strict=True):
        np.testing.assert_allclose(unpack(vector.values), unpack(again.values), rtol=1e-5, atol=1e-6)


async def test_each_view_has_its_vectors_view_by_view(stub: Stub, backbone: types_pb2.Backbone) -> None:
    assert list(backbone.views) == types_pb2.View.values()[1:] == list(View)
    taps = [tap.name for tap in backbone.taps]
    views = [types_pb2.VIEW_WHOLE, types_pb2.VIEW_CROP, types_pb2.VIEW_WHOLE]
    answer = await stub.Featurize(request(photo(1), b"bad", photo(2), views=views))
    assert [result.WhichOneof("outcome") for result in answer.results] == ["features", "error", "features"]
    found = answer.results[0].features.vectors
    assert [(vector.view, vector.tap) for vector in found] == [(view, tap) for view in views[:2] for tap in taps]
    crop = (await stub.Featurize(request(photo(1)))).results[0].features.vectors
    assert [vector.view for vector in crop] == [types_pb2.VIEW_CROP] * len(taps)
    for vector, same in zip(found[len(taps) :], crop, strict=True):
        np.testing.assert_allclose(unpack(vector.values), unpack(same.values), rtol=1e-5, atol=1e-6)
    assert found[0].values != crop[0].values


async def test_a_bad_image_fails_alone(stub: Stub) -> None:
    answer = await stub.Featurize(request(photo(1), b"bad", b"", photo(2)))
    outcomes = [result.WhichOneof("outcome") for result in answer.results]
    assert outcomes == ["features", "error", "error", "features"]
    reasons = [read_status(result.error).reason for result in answer.results[1:3]]
    assert reasons == ["IMAGE_UNDECODABLE", "IMAGE_EMPTY"]
    assert [result.id for result in answer.results] == [f"image {index}" for index in range(4)]


async def test_thumbnails_come_where_they_are_asked_for(stub: Stub) -> None:
    assert not (await stub.Featurize(request(photo(1)))).results[0].thumbnail
    wanted = (await stub.Featurize(request(photo(1), b"bad", thumbnails=True))).results
    assert [bool(result.thumbnail) for result in wanted] == [True, False]


@pytest.mark.parametrize("case", REFUSED)
async def test_a_call_is_refused(stub: Stub, backbone: types_pb2.Backbone, case: str) -> None:
    refused, reason, field = refused_requests(backbone)[case]
    details = await refusal(stub.Featurize(refused))
    assert (details.code, details.reason, details.field) == (CODES[reason], reason, field)


async def test_a_mismatch_names_both_digests(stub: Stub, backbone: types_pb2.Backbone) -> None:
    details = await refusal(stub.Featurize(request(photo(1), taps=["none"], digest=OTHER_DIGEST)))
    assert details.metadata == {"expected": OTHER_DIGEST, "actual": backbone.digest}


async def test_a_stream_answers_each_request_and_goes_on_after_those_that_are_refused(
    stub: Stub, backbone: types_pb2.Backbone
) -> None:
    refused = list(refused_requests(backbone).values())
    requests = [request(photo(1)), *(case[0] for case in refused), request(photo(2), b"bad")]
    answers = await stream(stub, requests)
    assert set(answers) == {f"request {index}" for index in range(len(requests))}
    assert taps_of(answers["request 0"].response.results[0])
    for index, (_, reason, field) in enumerate(refused, 1):
        details = read_status(answers[f"request {index}"].error)
        assert (details.code, details.reason, details.field) == (CODES[reason], reason, field)
    last = answers[f"request {len(requests) - 1}"].response.results
    assert [result.WhichOneof("outcome") for result in last] == ["features", "error"]


@pytest.mark.parametrize("view", [None, *View])
async def test_a_map_has_the_vector_as_its_mean(stub: Stub, backbone: types_pb2.Backbone, view: View | None) -> None:
    tap = next(tap for tap in backbone.taps if tap.kind == types_pb2.TAP_KIND_SPATIAL_MEAN)
    asked = maps_request([tap.name], backbone.digest, view=view)
    answer = await stub.GetFeatureMaps(asked)
    assert answer.backbone_digest == backbone.digest
    assert answer.view == (view or types_pb2.VIEW_CROP)
    [found] = answer.maps
    assert (found.tap, found.dimension) == (tap.name, tap.dimension)
    values = unpack(found.values).reshape(found.height, found.width, found.dimension)
    seen = request(photo(1), taps=[tap.name], views=[view or types_pb2.VIEW_CROP])
    vector = (await stub.Featurize(seen)).results[0].features.vectors[0]
    np.testing.assert_allclose(values.mean((0, 1)), unpack(vector.values), rtol=1e-4, atol=1e-5)
    region = answer.region
    assert 0 <= region.left < region.right <= 1
    assert 0 <= region.top < region.bottom <= 1
    is_whole = (region.left, region.top, region.right, region.bottom) == (0, 0, 1, 1)
    assert is_whole == (view in (View.WHOLE, View.WHOLE_FLIPPED))


@pytest.mark.parametrize(
    ("taps", "digest", "image", "reason", "field"),
    [
        ((), "", "one", "INVALID_FIELD", "taps"),
        (("none",), "", "one", "INVALID_FIELD", "taps[0]"),
        (("scores",), "", "one", "INVALID_FIELD", "taps[0]"),  # both backbones have these, which are no mean
        (("conv",), "", LONG_ID, "INVALID_FIELD", "image.id"),
        (("conv",), OTHER_DIGEST, "one", "BACKBONE_MISMATCH", ""),
        (("none",), OTHER_DIGEST, "one", "BACKBONE_MISMATCH", ""),
        ((), OTHER_DIGEST, "one", "BACKBONE_MISMATCH", ""),
    ],
)
async def test_a_call_for_maps_is_refused(
    stub: Stub, taps: Sequence[str], digest: str, image: str, reason: str, field: str
) -> None:
    details = await refusal(stub.GetFeatureMaps(maps_request(taps, digest, image)))
    assert (details.code, details.reason, details.field) == (CODES[reason], reason, field)


async def test_maps_of_a_view_of_a_later_release_are_refused(stub: Stub) -> None:
    asked = maps_request(["conv"], view=99)
    assert (await refusal(stub.GetFeatureMaps(asked))).field == "view"


async def test_maps_of_a_bad_image_fail_the_call(stub: Stub) -> None:
    asked = maps_request(["conv"])
    asked.image.content = b"bad"
    assert (await refusal(stub.GetFeatureMaps(asked))).reason == "IMAGE_UNDECODABLE"
