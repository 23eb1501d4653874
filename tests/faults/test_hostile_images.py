"""Hostile files together, sent to a featurizer of the test's own: what it has in memory, with its processes."""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

import grpc
import pytest

from lastlayer.local.services import Service
from lastlayer.rpc.channel import channel_options
from lastlayer.v1 import featurizer_pb2_grpc
from tests.attacks.featurizer import files
from tests.attacks.featurizer.service import reasons, running_featurizer, watched
from tests.faults.conftest import Record

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured and limited on Linux alone")

MOST_MIB = 2048


@pytest.fixture(params=["2", "6"], ids=["two threads", "six threads"])
def featurizer(request: pytest.FixtureRequest, tmp_path: Path, tiny_backbone: Path) -> Iterator[Service]:
    with running_featurizer(tmp_path, tiny_backbone, FEATURIZER_DECODE_THREADS=request.param) as service:
        yield service


@pytest.fixture
def stub(featurizer: Service) -> Iterator[featurizer_pb2_grpc.FeaturizerStub]:
    with grpc.insecure_channel(featurizer.address, options=channel_options()) as channel:
        yield featurizer_pb2_grpc.FeaturizerStub(channel)


def test_memory_is_bounded_whatever_comes_together(
    featurizer: Service, stub: featurizer_pb2_grpc.FeaturizerStub, record: Record
) -> None:
    contents = {
        "scans": files.jpeg_of_scans(60),
        "canvas": files.webp_of_frames(8_000, 5_500),
        "canvas too large": files.webp_of_frames(16_383, 3_906),
        "alpha": files.png_of_zeros(8_000, 8_000, channels=4, colour=6),
        "one line": files.png_of_zeros(1, 64_000_000),
        "tile": files.tiff_of_a_tile(46_000),
        "screen": files.gif(8_000, 8_000),
        "not quite large": files.png_of_zeros(3_900, 3_900, channels=3, colour=2),
    }
    with watched(featurizer) as peak, ThreadPoolExecutor(16) as attackers:
        calls: list[Future[list[str]]] = [
            attackers.submit(reasons, stub, content, thumbnails=True) for content in contents.values() for _ in range(2)
        ]
        seen = Counter(reason for call in as_completed(calls) for reason in call.result())
    assert seen == {"": 10, files.TOO_LARGE: 2, files.TOO_COMPLEX: 4}
    assert peak.mib < MOST_MIB
    record(f"hostile images together, memory at most {peak.mib} MiB", len(calls), "none")
