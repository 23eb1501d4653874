"""Maps of features as callers see them, by a real server with a real, tiny graph."""

from collections.abc import Iterable
from pathlib import Path

import grpc
import numpy as np
import pytest

from lastlayer.rpc.vectors import unpack
from lastlayer.v1 import featurizer_pb2, types_pb2
from tests.integration.featurizer.calls import Stub, calling, failure, photo, request, settings, vectors


def map_request(content: bytes, taps: Iterable[str], digest: str = "") -> featurizer_pb2.GetFeatureMapsRequest:
    return featurizer_pb2.GetFeatureMapsRequest(
        image=types_pb2.Image(content=content), taps=taps, backbone_digest=digest
    )


async def test_the_mean_of_a_map_is_the_vector(stub: Stub) -> None:
    content = photo(1)
    answer = await stub.GetFeatureMaps(map_request(content, ["pool", "conv"]))
    assert [(entry.tap, entry.height, entry.width, entry.dimension) for entry in answer.maps] == [
        ("pool", 7, 7, 16),
        ("conv", 15, 15, 8),
    ]
    featurized = await stub.Featurize(request([content]))
    assert answer.backbone_digest == featurized.backbone_digest
    expected = vectors(featurized.results[0])
    for entry in answer.maps:
        values = unpack(entry.values).reshape(entry.height, entry.width, entry.dimension)
        np.testing.assert_allclose(values.mean((0, 1), np.float64), expected[entry.tap], rtol=1e-5)
    assert (answer.region.top, answer.region.bottom) == (0, 1)
    # 60 x 45 pixels are scaled to 43 x 32, of which the 32 in the middle are kept.
    assert (answer.region.left, answer.region.right) == pytest.approx((5 / 43, 37 / 43))


@pytest.mark.parametrize(
    ("taps", "field", "sentence"),
    [
        ([], "taps", "No tap is asked for, and at least one is needed; those that are spatial means are conv, pool."),
        (["conv", "nosuch"], "taps[1]", "There is no tap `nosuch`; there are conv, pool, scores."),
        (["scores"], "taps[0]", "The tap `scores` of tiny is no spatial mean, and so has no map; those that are"),
    ],
)
async def test_taps_without_a_map(stub: Stub, taps: list[str], field: str, sentence: str) -> None:
    found = await failure(stub.GetFeatureMaps(map_request(photo(1), taps)))
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert found.field == field
    assert found.message.startswith(sentence)


@pytest.mark.parametrize(("content", "reason"), [(b"", "IMAGE_EMPTY"), (b"<html>", "IMAGE_UNDECODABLE")])
async def test_a_bad_image_has_no_maps(stub: Stub, content: bytes, reason: str) -> None:
    found = await failure(stub.GetFeatureMaps(map_request(content, ["conv"])))
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


async def test_maps_of_another_backbone_are_refused_whatever_the_taps(stub: Stub) -> None:
    found = await failure(stub.GetFeatureMaps(map_request(photo(1), ["other"], "0" * 64)))
    assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BACKBONE_MISMATCH")


@pytest.fixture
def large(declaration: Path) -> Path:
    """A network whose tap `conv` has maps of 23 million bytes (849 x 849 cells), and `pool` of 11.5 million."""
    declaration.write_text(declaration.read_text().replace("= 32", "= 1700"))
    return declaration


async def test_maps_that_no_message_holds_are_refused(tmp_path: Path, large: Path) -> None:
    async with calling(settings(tmp_path, large)) as stub:
        found = await failure(stub.GetFeatureMaps(map_request(photo(1), ["conv", "pool"])))
        assert (found.code, found.field) == (grpc.StatusCode.INVALID_ARGUMENT, "taps")
        assert "an answer holds at most" in found.message
        assert len((await stub.GetFeatureMaps(map_request(photo(1), ["conv"]))).maps) == 1
