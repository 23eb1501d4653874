"""Callers of a featurizer that send photos as fast as they are answered, each by itself or over a stream."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from lastlayer.v1 import featurizer_pb2, types_pb2

_IMAGES_IN_MESSAGE = 4
_MESSAGES_AHEAD = 5
"""How many messages of a stream are on their way at once: more than the featurizer works on, so that it never waits."""

Stub = Any  # the generated type is of a synchronous stub


class Callers:
    """Callers that send the same photos round and round."""

    def __init__(self, stub: Stub, photos: Sequence[bytes]) -> None:
        self._stub = stub
        self._images = itertools.cycle([types_pb2.Image(content=content) for content in photos])

    async def one_by_one(self, callers: int, seconds: float) -> tuple[int, float, list[float]]:
        """Have callers send an image each, wait for its answer, and so on for a while.

        Returns how many images were answered, in how many seconds, and the seconds of each call.
        """
        started = time.perf_counter()
        taken = await asyncio.gather(*(self._calls(started + seconds) for _ in range(callers)))
        latencies = list(itertools.chain.from_iterable(taken))
        return len(latencies), time.perf_counter() - started, latencies

    async def streams(self, streams: int, seconds: float) -> tuple[int, float, list[float]]:
        """Have callers send messages of 4 images over a stream each; returns the same, a call a message."""
        started = time.perf_counter()
        taken = await asyncio.gather(*(self._stream(started + seconds) for _ in range(streams)))
        latencies = list(itertools.chain.from_iterable(taken))
        return len(latencies) * _IMAGES_IN_MESSAGE, time.perf_counter() - started, latencies

    async def _calls(self, end: float) -> list[float]:
        latencies = []
        while (now := time.perf_counter()) < end:
            answer = await self._stub.Featurize(self._request(1))
            _check(answer)
            latencies.append(time.perf_counter() - now)
        return latencies

    async def _stream(self, end: float) -> list[float]:
        latencies = []
        sent: dict[str, float] = {}
        room = asyncio.Semaphore(_MESSAGES_AHEAD)

        async def messages() -> AsyncIterator[featurizer_pb2.FeaturizeStreamRequest]:
            for number in _until(end):
                await room.acquire()
                sent[str(number)] = time.perf_counter()
                request = self._request(_IMAGES_IN_MESSAGE)
                yield featurizer_pb2.FeaturizeStreamRequest(request_id=str(number), request=request)

        async for answer in self._stub.FeaturizeStream(messages()):
            room.release()
            _check(answer.response)
            latencies.append(time.perf_counter() - sent.pop(answer.request_id))
        return latencies

    def _request(self, images: int) -> featurizer_pb2.FeaturizeRequest:
        return featurizer_pb2.FeaturizeRequest(images=itertools.islice(self._images, images))


def _until(end: float) -> Iterator[int]:
    return itertools.takewhile(lambda _: time.perf_counter() < end, itertools.count())


def _check(answer: featurizer_pb2.FeaturizeResponse) -> None:
    for result in answer.results:
        if not result.features.vectors:
            raise RuntimeError(f"a photo has no features: {result.error.message}")
