"""The featurizer as its callers see it: a real server on a free port with a real, tiny graph."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from google.rpc import status_pb2
from PIL import Image

from lastlayer.featurizer.backbones.spec import read_backbone
from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network.tuning import Distance
from lastlayer.featurizer.pipeline.decoding import decode
from lastlayer.featurizer.service.server import running
from lastlayer.rpc.channel import MAX_MESSAGE_BYTES, channel_options
from lastlayer.rpc.errors import BindError
from lastlayer.rpc.probe import is_serving
from lastlayer.rpc.status import ErrorDetails, read_error, read_status
from lastlayer.testing.tiny_backbone import TAPS
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2
from tests.integration.featurizer.calls import Stub, calling, failure, photo, request, settings, vectors
from tests.lazy import LazyModule
from tests.shared import SHARED, needs_shared

if TYPE_CHECKING:
    from lastlayer.featurizer.network import graph as network
else:
    network = LazyModule("lastlayer.featurizer.network.graph")

LONG_S = 60.0
"""How long a test waits for what must come; nothing waits for this to pass."""


@pytest.fixture
def misfit(declaration: Path) -> Path:
    """A declaration with a tap that the graph has not."""
    declaration.write_text(declaration.read_text().replace('"pool:0"', '"pol:0"'))
    return declaration


def slow_photo() -> bytes:
    """A file of a few kilobytes that takes some ten milliseconds to decode."""
    file = io.BytesIO()
    Image.new("RGB", (1000, 1000), "red").save(file, "PNG")
    return file.getvalue()


def error(result: featurizer_pb2.ImageFeatures) -> ErrorDetails:
    assert result.WhichOneof("outcome") == "error", result
    return read_status(result.error)


async def test_the_backbone_is_described(stub: Stub) -> None:
    backbone = await stub.GetBackbone(featurizer_pb2.GetBackboneRequest())
    assert (backbone.name, backbone.image_width, backbone.image_height) == ("tiny", 32, 32)
    assert [(tap.name, tap.dimension) for tap in backbone.taps] == list(TAPS.items())
    assert [types_pb2.TapKind.Name(tap.kind) for tap in backbone.taps] == [
        "TAP_KIND_SPATIAL_MEAN",
        "TAP_KIND_SPATIAL_MEAN",
        "TAP_KIND_CLASS_SCORES",
    ]
    assert len(bytes.fromhex(backbone.digest)) == hashlib.sha256().digest_size
    assert backbone.device.startswith(("CPU", "GPU"))
    assert (backbone.engine, backbone.precision) == ("tensorflow", "float32")
    assert [(tap.mean_cosine, tap.least_cosine) for tap in backbone.taps] == [(1, 1)] * 3
    assert {former.precision for former in backbone.former_digests} == {"bfloat16", "float16"}
    assert (backbone.max_images_per_request, backbone.max_image_pixels) == (32, 1_000_000)
    assert backbone.max_message_bytes == MAX_MESSAGE_BYTES


async def test_other_networks_on_disk_are_told(tmp_path: Path, declaration: Path) -> None:
    for name in ("xception/model.weights.h5", "googlenet/graph.pb"):
        path = tmp_path / "home" / "weights" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"weights")
    async with calling(settings(tmp_path, declaration)) as stub:
        backbone = await stub.GetBackbone(featurizer_pb2.GetBackboneRequest())
    assert not backbone.HasField("imagenet_accuracy")  # of a network of the user's own
    assert [(other.name, other.imagenet_accuracy) for other in backbone.others] == [
        ("googlenet", 0.687),
        ("xception", 0.79),
    ]
    assert 0 < backbone.others[1].relative_speed < backbone.others[0].relative_speed


async def test_hashes_come_where_they_are_asked_for(stub: Stub) -> None:
    asked = request([photo(1), photo(1, "BMP"), photo(2)])
    asked.perceptual_hashes = True
    first, same, other = (await stub.Featurize(asked)).results
    assert len(first.perceptual_hashes) == 110 * 15
    assert first.perceptual_hashes == same.perceptual_hashes != other.perceptual_hashes
    [without] = (await stub.Featurize(request([photo(1)]))).results
    assert without.perceptual_hashes == b""


async def test_the_vectors_are_those_of_the_graph(stub: Stub, declaration: Path) -> None:
    contents = [photo(seed) for seed in range(20)]
    response = await stub.Featurize(request(contents))
    graph = network.Graph(read_backbone(declaration), declaration.with_name("graph.pb"))
    crops = np.stack([decode(content, width=32, height=32, max_pixels=10_000) for content in contents])
    expected = graph.run(crops, list(TAPS))
    assert [result.id for result in response.results] == [f"image {index}" for index in range(20)]
    for index, result in enumerate(response.results):
        assert list(vectors(result)) == list(TAPS)
        for tap, vector in vectors(result).items():
            np.testing.assert_allclose(vector, expected[tap][index], rtol=1e-4, atol=1e-5)


async def test_taps_come_in_the_order_in_which_they_are_asked_for(stub: Stub) -> None:
    response = await stub.Featurize(request([photo(0)], ["scores", "conv"]))
    assert list(vectors(response.results[0])) == ["scores", "conv"]


async def test_a_bad_image_fails_alone(stub: Stub) -> None:
    large = photo(0, size=(1200, 1000))
    response = await stub.Featurize(request([photo(1), b"", b"<html>", large, photo(2)], ["pool"]))
    assert [result.WhichOneof("outcome") for result in response.results] == [
        *("features", "error", "error", "error", "features")
    ]
    details = [error(result) for result in response.results[1:4]]
    assert [detail.reason for detail in details] == ["IMAGE_EMPTY", "IMAGE_UNDECODABLE", "IMAGE_TOO_LARGE"]
    assert all(detail.code == grpc.StatusCode.INVALID_ARGUMENT for detail in details)
    assert details[2].metadata == {"pixels": "1200000", "max_pixels": "1000000"}


@pytest.mark.parametrize(
    ("bad", "field", "said"),
    [
        (request([]), "images", "The request has 0 images; from 1 to 32 are accepted."),
        (request([b"x"] * 33), "images", "The request has 33 images; from 1 to 32 are accepted."),
        (request([b"x"], ["pool", "pol"]), "taps[1]", "There is no tap `pol`; there are conv, pool, scores."),
        (
            featurizer_pb2.FeaturizeRequest(images=[types_pb2.Image(), types_pb2.Image(id="ä" * 513)]),
            "images[1].id",
            "The id has 1026 bytes; at most 1024 are accepted.",
        ),
    ],
)
async def test_a_wrong_field_is_named(stub: Stub, bad: featurizer_pb2.FeaturizeRequest, field: str, said: str) -> None:
    details = await failure(stub.Featurize(bad))
    assert (details.code, details.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert (details.field, details.message) == (field, said)


async def test_another_backbone_is_refused(stub: Stub) -> None:
    backbone = await stub.GetBackbone(featurizer_pb2.GetBackboneRequest())
    assert len((await stub.Featurize(request([photo(0)], digest=backbone.digest))).results) == 1
    details = await failure(stub.Featurize(request([photo(0)], digest="0" * 64)))
    assert (details.code, details.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BACKBONE_MISMATCH")
    assert details.metadata == {"expected": "0" * 64, "actual": backbone.digest}


async def test_the_digests_of_earlier_releases_are_taken_for_the_backbone(stub: Stub) -> None:
    """They had the precision in them, which heads of theirs still name."""
    backbone = await stub.GetBackbone(featurizer_pb2.GetBackboneRequest())
    assert len(backbone.former_digests) == 3
    for former in backbone.former_digests:
        answer = await stub.Featurize(request([photo(0)], digest=former.digest))
        assert (answer.backbone_digest, answer.precision) == (backbone.digest, "float32")
        mapped = featurizer_pb2.GetFeatureMapsRequest(
            image=types_pb2.Image(content=photo(0)), taps=["conv"], backbone_digest=former.digest
        )
        assert (await stub.GetFeatureMaps(mapped)).backbone_digest == backbone.digest


async def test_features_that_are_farther_than_is_tolerated_are_refused(
    tmp_path: Path, declaration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(expected: dict[str, Any], got: dict[str, Any]) -> dict[str, Distance]:
        return {tap: Distance(0.995, 0.98) if tap == "conv" else Distance(0.9, 0.5) for tap in expected}

    monkeypatch.setattr("lastlayer.featurizer.network.tuning.compare", compare)
    async with calling(settings(tmp_path, declaration, engine="openvino")) as stub:
        backbone = await stub.GetBackbone(featurizer_pb2.GetBackboneRequest())
        assert backbone.engine == "openvino"
        assert [round(tap.mean_cosine, 3) for tap in backbone.taps] == [0.995, 0.9, 0.9]
        asked = request([photo(0)], taps=["conv"])
        asked.min_mean_cosine = 0.99
        answer = await stub.Featurize(asked)
        assert vectors(answer.results[0]).keys() == {"conv"}
        asked.taps.append("pool")
        details = await failure(stub.Featurize(asked))
        assert (details.code, details.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "FEATURES_TOO_FAR")
        assert details.message == (
            "The features of tiny at the tap `pool` in float32 by openvino have a mean cosine of 0.9000 to those in "
            "float32, but 0.9900 was asked for; FEATURIZER_PRECISION=float32 serves those themselves."
        )
        assert (details.metadata["tap"], details.metadata["mean_cosine"]) == ("pool", "0.900000")
        mapped = featurizer_pb2.GetFeatureMapsRequest(
            image=types_pb2.Image(content=photo(0)), taps=["pool"], min_mean_cosine=0.99
        )
        assert (await failure(stub.GetFeatureMaps(mapped))).reason == "FEATURES_TOO_FAR"
        asked.min_mean_cosine = 0.0
        assert (await stub.Featurize(asked)).precision == "float32"


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
async def test_a_tolerance_that_is_none_is_refused(stub: Stub, value: float) -> None:
    bad = request([photo(0)])
    bad.min_mean_cosine = value
    details = await failure(stub.Featurize(bad))
    assert (details.reason, details.field) == ("INVALID_FIELD", "min_mean_cosine")


async def test_more_than_the_queue_holds_is_refused_with_a_time_to_come_again(stub: Stub) -> None:
    calls = [stub.Featurize(request([photo(0, size=(350, 350))] * 32)) for _ in range(12)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    refused = [read_error(outcome) for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    answered = [outcome for outcome in outcomes if isinstance(outcome, featurizer_pb2.FeaturizeResponse)]
    assert len(refused) + len(answered) == 12
    assert refused
    assert answered
    assert all(len(response.results) == 32 for response in answered)
    for details in refused:
        assert (details.code, details.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert details.retry_after_s is not None
        assert details.retry_after_s > 0
    assert len((await stub.Featurize(request([photo(0)]))).results) == 1


async def test_a_stream_answers_every_request_under_its_id(stub: Stub) -> None:
    async def requests() -> AsyncIterator[featurizer_pb2.FeaturizeStreamRequest]:
        for number in range(12):  # more images than the queue of single calls has room for
            yield featurizer_pb2.FeaturizeStreamRequest(
                request_id=str(number), request=request([photo(number)] * 16, ["pool"])
            )

    answers = {answer.request_id: answer.response async for answer in stub.FeaturizeStream(requests())}
    assert set(answers) == {str(number) for number in range(12)}
    for number in range(12):
        alone = await stub.Featurize(request([photo(number)], ["pool"]))
        for result in answers[str(number)].results:
            np.testing.assert_allclose(vectors(result)["pool"], vectors(alone.results[0])["pool"], rtol=1e-4, atol=1e-5)


async def test_thumbnails_come_with_the_features_where_they_are_asked_for(stub: Stub) -> None:
    contents = [photo(0, size=(400, 300)), b"<html>", photo(1, size=(40, 30))]
    asked = request(contents, ["pool"])
    plain = await stub.Featurize(asked)
    asked.thumbnails = True
    pictured = await stub.Featurize(asked)

    async def requests() -> AsyncIterator[featurizer_pb2.FeaturizeStreamRequest]:
        yield featurizer_pb2.FeaturizeStreamRequest(request=asked)

    [streamed] = [answer.response async for answer in stub.FeaturizeStream(requests())]
    assert [result.thumbnail for result in plain.results] == [b"", b"", b""]
    for response in (pictured, streamed):
        first, bad, second = response.results
        assert [Image.open(io.BytesIO(result.thumbnail)).size for result in (first, second)] == [(160, 120), (40, 30)]
        assert (error(bad).reason, bad.thumbnail) == ("IMAGE_UNDECODABLE", b"")
        np.testing.assert_allclose(vectors(first)["pool"], vectors(plain.results[0])["pool"], rtol=1e-4, atol=1e-5)


async def test_a_bad_request_on_a_stream_fails_alone(stub: Stub) -> None:
    async def requests() -> AsyncIterator[featurizer_pb2.FeaturizeStreamRequest]:
        yield featurizer_pb2.FeaturizeStreamRequest(request_id="none", request=request([]))
        yield featurizer_pb2.FeaturizeStreamRequest(request_id="x" * 1025, request=request([photo(0)]))
        yield featurizer_pb2.FeaturizeStreamRequest(request_id="good", request=request([photo(0), b""]))

    answers = {answer.request_id: answer async for answer in stub.FeaturizeStream(requests())}

    def refused(status: status_pb2.Status) -> tuple[str, str]:
        details = read_status(status)
        return details.reason, details.field

    assert refused(answers["none"].error) == ("INVALID_FIELD", "images")
    assert refused(answers["x" * 1025].error) == ("INVALID_FIELD", "request_id")
    good = answers["good"].response.results
    assert [result.WhichOneof("outcome") for result in good] == ["features", "error"]


async def test_a_stream_that_is_given_up_leaves_room_for_others(stub: Stub) -> None:
    async def requests() -> AsyncIterator[featurizer_pb2.FeaturizeStreamRequest]:
        for number in range(1000):
            yield featurizer_pb2.FeaturizeStreamRequest(request_id=str(number), request=request([photo(0)] * 32))

    call = stub.FeaturizeStream(requests())
    async for _ in call:
        break
    call.cancel()
    assert len((await stub.Featurize(request([photo(0)] * 32), timeout=LONG_S)).results) == 32


async def test_a_photo_of_12_megabytes_simply_works(tmp_path: Path, declaration: Path) -> None:
    content = photo(0, "BMP", size=(2100, 2000))
    assert len(content) > 12_000_000
    async with calling(settings(tmp_path, declaration, max_image_megapixels=64)) as stub:
        response = await stub.Featurize(request([content], ["pool"]))
        assert vectors(response.results[0])["pool"].shape == (16,)


async def test_health_says_serving_until_the_stop(tmp_path: Path, declaration: Path) -> None:
    async with running(settings(tmp_path, declaration)) as address:
        for service in ("", "lastlayer.v1.Featurizer"):
            assert await asyncio.to_thread(is_serving, address, service)
    assert not await asyncio.to_thread(is_serving, address)


async def test_a_port_that_is_taken_is_said(tmp_path: Path, declaration: Path) -> None:
    async with running(settings(tmp_path, declaration)) as address:
        with pytest.raises(BindError, match=f"Cannot listen on {address}"):
            await running(settings(tmp_path, declaration, address=address)).__aenter__()


async def test_a_graph_that_does_not_fit_ends_the_start(tmp_path: Path, misfit: Path) -> None:
    with pytest.raises(BackboneError, match="has no tensor `pol:0` for the tap `pool`"):
        await running(settings(tmp_path, misfit)).__aenter__()


async def test_a_stop_finishes_what_is_in_flight(tmp_path: Path, declaration: Path) -> None:
    async def requests() -> AsyncIterator[featurizer_pb2.FeaturizeStreamRequest]:
        for number in range(6):
            yield featurizer_pb2.FeaturizeStreamRequest(request_id=str(number), request=request([slow_photo()] * 4))

    context = running(settings(tmp_path, declaration))
    address = await context.__aenter__()
    async with grpc.aio.insecure_channel(address, options=channel_options()) as channel:
        stub: Stub = featurizer_pb2_grpc.FeaturizerStub(channel)
        answers = aiter(stub.FeaturizeStream(requests()))
        first = await anext(answers)
        stopping = asyncio.create_task(context.__aexit__(None, None, None))
        rest = [answer async for answer in answers]
        await stopping
    assert {answer.request_id for answer in (first, *rest)} == {str(number) for number in range(6)}
    assert all(answer.WhichOneof("outcome") == "response" for answer in rest)


@needs_shared
async def test_googlenet_from_a_mirror_recognises_a_toaster(tmp_path: Path) -> None:
    chosen = settings(tmp_path, "googlenet", mirror=SHARED / "models", max_image_megapixels=64)
    labels = (SHARED / "models/googlenet/labels.txt").read_text().splitlines()
    content = (SHARED / "data/tutorial/toaster3.jpg").read_bytes()
    async with calling(chosen) as stub:
        response = await stub.Featurize(request([content], ["softmax2_pre_activation"]))
    scores = vectors(response.results[0])["softmax2_pre_activation"]
    assert "toaster" in labels[int(scores.argmax())]
