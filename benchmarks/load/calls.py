"""Callers of a featurizer that send photos as fast as they are answered, each by itself or over a stream.

`python -m benchmarks.load.calls ADDRESS PHOTOS` is a process of them (see `benchmarks.load.workers`).
"""

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from benchmarks.load.closed_loop import Calls, answer_commands, one_by_one
from benchmarks.load.photos import read_photos
from lastlayer.rpc.channel import channel_options
from lastlayer.rpc.vectors import unpack
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2

_IMAGES_IN_MESSAGE = 4
_MESSAGES_AHEAD = 5
"""How many messages of a stream are on their way at once: more than the featurizer works on, so that it never waits."""

_START_TIMEOUT_S = 300.0

Stub = Any  # the generated type is of a synchronous stub


class Callers:
    """Callers that send the same photos round and round."""

    def __init__(self, stub: Stub, photos: Sequence[bytes]) -> None:
        self._stub = stub
        self._photos = itertools.cycle(photos)

    async def one_by_one(self, callers: int, seconds: float) -> Calls:
        """Have callers send an image each, wait for its answer, and so on for a while."""
        return await one_by_one(self.featurize, self._photos, callers, seconds)

    async def streams(self, streams: int, seconds: float) -> Calls:
        """Have callers send messages of 4 images over a stream each; a call is a message."""
        started = time.perf_counter()
        taken = await asyncio.gather(*(self._stream(started + seconds) for _ in range(streams)))
        latencies = list(itertools.chain.from_iterable(taken))
        return len(latencies) * _IMAGES_IN_MESSAGE, time.perf_counter() - started, latencies

    async def featurize(self, photo: bytes) -> featurizer_pb2.FeaturizeResponse:
        """Have the featurizer featurize one photo."""
        answer: featurizer_pb2.FeaturizeResponse = await self._stub.Featurize(_request(photo))
        _check(answer)
        return answer

    async def vectors(self, photo: bytes) -> list[float]:
        """Return the vectors of a photo at all taps, one behind the other."""
        answer = await self.featurize(photo)
        vectors = [unpack(vector.values) for vector in answer.results[0].features.vectors]
        return [float(value) for value in np.concatenate(vectors)]

    async def _stream(self, end: float) -> list[float]:
        latencies = []
        sent: dict[str, float] = {}
        room = asyncio.Semaphore(_MESSAGES_AHEAD)

        async def messages() -> AsyncIterator[featurizer_pb2.FeaturizeStreamRequest]:
            for number in _until(end):
                await room.acquire()
                sent[str(number)] = time.perf_counter()
                request = _request(*itertools.islice(self._photos, _IMAGES_IN_MESSAGE))
                yield featurizer_pb2.FeaturizeStreamRequest(request_id=str(number), request=request)

        async for answer in self._stub.FeaturizeStream(messages()):
            room.release()
            _check(answer.response)
            latencies.append(time.perf_counter() - sent.pop(answer.request_id))
        return latencies


def _request(*photos: bytes) -> featurizer_pb2.FeaturizeRequest:
    return featurizer_pb2.FeaturizeRequest(images=[types_pb2.Image(content=photo) for photo in photos])


def _until(end: float) -> Iterator[int]:
    return itertools.takewhile(lambda _: time.perf_counter() < end, itertools.count())


def _check(answer: featurizer_pb2.FeaturizeResponse) -> None:
    if not answer.results:
        raise RuntimeError("a message has no results")
    for result in answer.results:
        if not result.features.vectors:
            raise RuntimeError(f"a photo has no features: {result.error.message}")


def _tensorflow() -> str:
    """Return the version of TensorFlow, whichever package it came in."""
    packages = packages_distributions()["tensorflow"]
    return version(packages[0])


async def _main(address: str, photos: Sequence[bytes]) -> None:
    async with grpc.aio.insecure_channel(address, options=channel_options()) as channel:
        await asyncio.wait_for(channel.channel_ready(), _START_TIMEOUT_S)
        stub: Stub = featurizer_pb2_grpc.FeaturizerStub(channel)
        callers = Callers(stub, photos)
        await answer_commands(
            callers.featurize,
            callers.vectors,
            photos,
            callers.streams,
            versions=[version("grpcio"), _tensorflow()],
        )


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], read_photos(Path(sys.argv[2]))))
