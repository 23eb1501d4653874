"""Ten times as many calls as the featurizer can answer, at a steady rate whatever it answers (an open loop)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from PIL import Image

from lastlayer.local.services import Service, running_services
from lastlayer.rpc.channel import channel_options
from lastlayer.rpc.status import read_error
from lastlayer.testing.tiny_backbone import write_tiny_backbone
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2
from tests.faults.conftest import Record

QUEUE_IMAGES = 16
SECONDS = 15.0
TIMES = 10
PIXELS = 4000
"""The side of the images: few bytes, as they are of one colour, and much to decode."""


@pytest.fixture
def featurizer(tmp_path: Path) -> Iterator[Service]:
    backbone = write_tiny_backbone(tmp_path / "backbone")
    environment = {
        "LASTLAYER_BACKBONE": str(backbone),
        "LASTLAYER_HOME": str(tmp_path / "home"),
        "FEATURIZER_MAX_QUEUED_IMAGES": str(QUEUE_IMAGES),
        "FEATURIZER_MAX_IMAGES_PER_REQUEST": "1",
    }
    with running_services(tmp_path / "state", environment=environment) as pair:
        yield pair[0]


@dataclass
class Answer:
    """What became of a call."""

    seconds: float
    reason: str = ""
    """Why it failed; empty where it was answered."""
    retry_after_s: float | None = None


async def test_ten_times_the_capacity(featurizer: Service, tmp_path: Path, record: Record) -> None:
    Image.new("RGB", (PIXELS, PIXELS), "red").save(tmp_path / "large.png")
    image = types_pb2.Image(content=(tmp_path / "large.png").read_bytes())
    request = featurizer_pb2.FeaturizeRequest(images=[image])
    async with grpc.aio.insecure_channel(featurizer.address, options=channel_options()) as channel:
        stub = featurizer_pb2_grpc.FeaturizerStub(channel)

        async def call() -> Answer:
            began = time.monotonic()
            try:
                await stub.Featurize(request, timeout=120)
            except grpc.aio.AioRpcError as error:
                details = read_error(error)
                return Answer(time.monotonic() - began, details.reason or details.code.name, details.retry_after_s)
            return Answer(time.monotonic() - began)

        capacity = await closed_loop(call)
        before = resident_bytes(featurizer)
        sent = []
        began = time.monotonic()
        for number in range(int(capacity * TIMES * SECONDS)):
            await asyncio.sleep(max(0.0, began + number / (capacity * TIMES) - time.monotonic()))
            sent.append(asyncio.create_task(call()))
        answers = await asyncio.gather(*sent)
        grown = resident_bytes(featurizer) - before
        after = await closed_loop(call)
    accepted = sorted(answer.seconds for answer in answers if not answer.reason)
    refused = sorted(answer.seconds for answer in answers if answer.reason)
    assert {answer.reason for answer in answers} == {"", "OVERLOADED"}
    assert all(answer.retry_after_s for answer in answers if answer.reason)
    p99 = accepted[int(0.99 * len(accepted))]
    record(
        f"{TIMES} times the capacity for {SECONDS:.0f} s",
        1,
        f"{len(accepted)} answered (p99 {p99:.1f} s; {QUEUE_IMAGES} in the queue take {QUEUE_IMAGES / capacity:.1f} s),"
        f" {len(refused)} refused (median {refused[len(refused) // 2] * 1000:.0f} ms), memory {grown / 1e6:+.0f} MB,"
        f" goodput {len(accepted) / SECONDS / capacity:.2f} and afterwards {after / capacity:.2f} of the capacity",
    )
    # Bounded by the queue, with room for a machine that is busy with the load itself.
    assert p99 < 5 * QUEUE_IMAGES / capacity
    assert refused[len(refused) // 2] < accepted[len(accepted) // 2]
    # Each image in work takes its pixels, and its decoder's copy of them.
    assert grown < 6 * PIXELS * PIXELS * 3 + 100e6


async def closed_loop(call: Callable[[], Awaitable[Answer]]) -> float:
    """Return how many calls a second are answered where four callers each wait for their answers."""
    began = time.monotonic()

    async def caller() -> int:
        count = 0
        while time.monotonic() - began < 5:
            answer = await call()
            assert not answer.reason
            count += 1
        return count

    return sum(await asyncio.gather(*(caller() for _ in range(4)))) / (time.monotonic() - began)


def resident_bytes(service: Service) -> int:
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
