"""Floods of large messages: what the services have in memory meanwhile, and whether others are served."""

import asyncio
import contextlib
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from lastlayer.client import Client, LabelledImage
from lastlayer.local.services import Service, running_services
from lastlayer.rpc.channel import CLASSIFIER_SERVICE, FEATURIZER_SERVICE, channel_options
from lastlayer.rpc.status import read_error, read_status
from lastlayer.testing.tiny_backbone import write_tiny_backbone
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, featurizer_pb2, featurizer_pb2_grpc, types_pb2
from tests.attacks.featurizer.service import MIB, memory_bytes, watched
from tests.attacks.half_sent import half_sent
from tests.faults.conftest import Record
from tests.faults.photos import Photo

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux alone")

MOST_MIB = 2048
"""What the containers of both services may have, of which the classifier's has no more."""

LARGE = bytes(31 * MIB)
"""No image, but it is received and passed on all the same."""

MODEL = "flooded"
Tally = Counter[str]
Attack = Callable[[str], Coroutine[Any, Any, Tally]]


def noise(width: int, height: int, path: Path, **options: Any) -> bytes:
    """Return an image of noise, which no format makes smaller."""
    pixels = np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path.read_bytes()


async def count(tally: Tally, call: Awaitable[str]) -> None:
    """Count what became of a call: a reason, or nothing where it was answered."""
    try:
        tally[await call] += 1
    except grpc.aio.AioRpcError as error:
        details = read_error(error)
        tally[details.reason or details.code.name] += 1


def connect(address: str) -> grpc.aio.Channel:
    """Return a connection of its own."""
    return grpc.aio.insecure_channel(address, options=channel_options())


async def flood_featurizer(address: str, *, calls: int) -> Tally:
    tally: Tally = Counter()
    request = featurizer_pb2.FeaturizeRequest(images=[types_pb2.Image(content=LARGE)])
    async with connect(address) as channel:
        stub = featurizer_pb2_grpc.FeaturizerStub(channel)

        async def call() -> str:
            answer = await stub.Featurize(request, timeout=120)
            return read_status(answer.results[0].error).reason

        await asyncio.gather(*(count(tally, call()) for _ in range(calls)))
    return tally


async def flood_classifier(address: str, content: bytes, *, calls: int) -> Tally:
    tally: Tally = Counter()
    request = classifier_pb2.PredictRequest(model=MODEL, images=[types_pb2.Image(content=content)])
    async with connect(address) as channel:
        stub = classifier_pb2_grpc.ClassifierStub(channel)

        async def call() -> str:
            answer = await stub.Predict(request, timeout=120)
            return read_status(answer.results[0].error).reason

        await asyncio.gather(*(count(tally, call()) for _ in range(calls)))
    return tally


async def stream_to_featurizer(address: str, *, streams: int, messages: int) -> Tally:
    tally: Tally = Counter()
    request = featurizer_pb2.FeaturizeRequest(images=[types_pb2.Image(content=LARGE)])

    async def requests() -> AsyncIterator[featurizer_pb2.FeaturizeStreamRequest]:
        for number in range(messages):
            yield featurizer_pb2.FeaturizeStreamRequest(request_id=str(number), request=request)

    async def stream() -> str:
        async with connect(address) as channel:
            answers = [
                answer async for answer in featurizer_pb2_grpc.FeaturizerStub(channel).FeaturizeStream(requests())
            ]
        return f"{len(answers)} answers"

    await asyncio.gather(*(count(tally, stream()) for _ in range(streams)))
    return tally


async def stream_to_classifier(address: str, *, streams: int, messages: int) -> Tally:
    tally: Tally = Counter()
    request = classifier_pb2.PredictRequest(model=MODEL, images=[types_pb2.Image(content=LARGE)])

    async def requests() -> AsyncIterator[classifier_pb2.PredictStreamRequest]:
        for number in range(messages):
            yield classifier_pb2.PredictStreamRequest(request_id=str(number), request=request)

    async def stream() -> str:
        async with connect(address) as channel:
            answers = [answer async for answer in classifier_pb2_grpc.ClassifierStub(channel).PredictStream(requests())]
        return f"{len(answers)} answers"

    await asyncio.gather(*(count(tally, stream()) for _ in range(streams)))
    return tally


async def begin_messages(address: str, method: str, *, calls: int) -> Tally:
    """Begin large messages on one connection, and end none."""
    with half_sent(address, method, calls) as attack:
        await asyncio.to_thread(attack.push, 4)
        sent = attack.sent_bytes
        # They are refused where others wait, and the rest is kept no longer than a minute.
        end = time.monotonic() + 100
        while attack.open_calls and time.monotonic() < end:
            await asyncio.to_thread(attack.push, 1)
        return Counter({"refused": attack.refused, "open": attack.open_calls, "MiB": sent // MIB})


@dataclass
class Others:
    """What a lone caller with an ordinary photo sees meanwhile."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@contextlib.contextmanager
def predicting(address: str, photo: bytes) -> Iterator[Others]:
    """Predict a photo again and again while the block lasts."""
    others, over = Others(), threading.Event()
    request = classifier_pb2.PredictRequest(model=MODEL, images=[types_pb2.Image(content=photo)])

    def predict() -> None:
        with grpc.insecure_channel(address, options=channel_options()) as channel:
            stub = classifier_pb2_grpc.ClassifierStub(channel)
            while not over.wait(0.05):
                began = time.monotonic()
                try:
                    stub.Predict(request, timeout=60)
                except grpc.RpcError as error:
                    others.failures.append(read_error(error).message)
                others.seconds.append(time.monotonic() - began)

    thread = threading.Thread(target=predict)
    thread.start()
    try:
        yield others
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, photos: Sequence[Photo]) -> Iterator[tuple[Service, Service]]:
    """Both services, with a network that is loaded in a moment, and a model."""
    folder = tmp_path_factory.mktemp("floods")
    backbone = write_tiny_backbone(folder / "backbone")
    environment = {"LASTLAYER_BACKBONE": str(backbone), "LASTLAYER_HOME": str(folder / "home")}
    with running_services(folder / "state", environment=environment) as pair:
        with Client(pair[1].address, timeout_s=60) as client:
            client.add_examples([LabelledImage(photo.path, photo.label) for photo in photos[:30]], dataset=MODEL)
            client.train(MODEL)
        yield pair


FLOODS: dict[str, tuple[int, Attack]] = {
    "60 half-sent messages of 31 MiB to the featurizer": (
        0,
        partial(begin_messages, method=f"/{FEATURIZER_SERVICE}/Featurize", calls=60),
    ),
    "60 half-sent messages of 31 MiB to the classifier": (
        1,
        partial(begin_messages, method=f"/{CLASSIFIER_SERVICE}/Predict", calls=60),
    ),
    "60 half-sent messages of 31 MiB to the classifier's health": (
        1,
        partial(begin_messages, method="/grpc.health.v1.Health/Check", calls=60),
    ),
    "100 calls of 31 MiB to the featurizer": (0, partial(flood_featurizer, calls=100)),
    "50 calls of 31 MiB to the classifier": (1, partial(flood_classifier, content=LARGE, calls=50)),
    "14 streams of ten messages of 31 MiB to the featurizer": (
        0,
        partial(stream_to_featurizer, streams=14, messages=10),
    ),
    "14 streams of ten messages of 31 MiB to the classifier": (
        1,
        partial(stream_to_classifier, streams=14, messages=10),
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods(name: str, trained: tuple[Service, Service], photos: Sequence[Photo], record: Record) -> None:
    number, attack = FLOODS[name]
    flood(name, trained, number, attack, photos[0], record)


def test_a_flood_of_ordinary_photos(
    trained: tuple[Service, Service], photos: Sequence[Photo], tmp_path: Path, record: Record
) -> None:
    photo = noise(2600, 2150, tmp_path / "photo.jpg", quality=90)
    assert 4.5 * MIB < len(photo) < 5.5 * MIB
    flood(
        "200 calls of 5 MiB to the classifier",
        trained,
        1,
        partial(flood_classifier, content=photo, calls=200),
        photos[0],
        record,
    )
    large = noise(3900, 2600, tmp_path / "photo.png", compress_level=0)
    assert 28 * MIB < len(large) < 31 * MIB
    flood(
        "50 calls of 29 MiB to the classifier",
        trained,
        1,
        partial(flood_classifier, content=large, calls=50),
        photos[0],
        record,
    )


def flood(name: str, pair: tuple[Service, Service], number: int, attack: Attack, photo: Photo, record: Record) -> None:
    before = [memory_bytes(service) // MIB for service in pair]
    with (
        watched(pair[0]) as featurizer,
        watched(pair[1]) as classifier,
        predicting(pair[1].address, photo.path.read_bytes()) as others,
    ):
        tally = asyncio.run(attack(pair[number].address))
    waited_ms = sorted(round(1000 * seconds) for seconds in others.seconds)
    record(
        f"{name}: {dict(tally)}",
        1,
        f"featurizer {before[0]} to {featurizer.mib} MiB, classifier {before[1]} to {classifier.mib} MiB; of others "
        f"{len(others.failures)} of {len(waited_ms)} failed, median {waited_ms[len(waited_ms) // 2]}, at most "
        f"{waited_ms[-1]} ms",
    )
    assert others.failures == []
    assert tally["open"] == 0
    assert featurizer.mib < MOST_MIB
    assert classifier.mib < MOST_MIB
