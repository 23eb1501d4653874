"""What memory, threads and files services hold while thousands of images pass: `python -m benchmarks.services.steady`.

The images come by single calls and over streams, to the featurizer and through the classifier. Some are no images, and
some calls are broken off. In between both processes are looked at, when nothing has been in flight for a few seconds:
memory that batches have used is given back by then. The settings of the featurizer hold.
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from rich.console import Console
from rich.table import Table

from benchmarks.load.photos import chosen_photos, read_photos
from benchmarks.load.processes import machine, usage
from lastlayer.client import Client, read_data
from lastlayer.local.services import Service, running_services
from lastlayer.rpc.channel import channel_options
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, featurizer_pb2, featurizer_pb2_grpc, types_pb2

_MODEL = "benchmark"
_START_TIMEOUT_S = 600.0
_WARM_UP = 500
_SAMPLES = 10
_REST_S = 3.0
"""How long nothing is in flight before processes are looked at."""

_CALLERS, _STREAMS, _PREDICTORS = 6, 2, 4
_IMAGES_IN_MESSAGE = 4
_MESSAGES = 50
"""How many messages a stream has before it is ended."""
_BAD, _BROKEN_OFF = 0.02, 0.05
"""Shares of the images that are none, and of the single calls and the streams that are given up."""
_BAD_ID = "bad"


class _Held(NamedTuple):
    """What a process holds."""

    resident_mb: float
    threads: int
    files: int


class _Load:
    """Callers of both services, which send images until they are told to stop."""

    def __init__(self, featurizer: Any, classifier: Any, photos: Sequence[bytes]) -> None:
        """The services are stubs, whose generated types are of synchronous ones."""
        self._featurizer = featurizer
        self._classifier = classifier
        self._photos = photos
        self._random = random.Random(0)
        self._end = 0
        self.outcomes: Counter[str] = Counter()
        """How many images came to what."""

    async def send(self, images: int) -> None:
        """Send some more images, or slightly more, wait for all answers, and rest."""
        self._end = self.outcomes.total() + images
        callers = [self._calls() for _ in range(_CALLERS)]
        streams = [self._streams() for _ in range(_STREAMS)]
        predictors = [self._predictions() for _ in range(_PREDICTORS)]
        await asyncio.gather(*callers, *streams, *predictors)
        await asyncio.sleep(_REST_S)

    def _more(self) -> bool:
        return self.outcomes.total() < self._end

    async def _calls(self) -> None:
        while self._more():
            request = featurizer_pb2.FeaturizeRequest(images=self._images(self._random.randint(1, _IMAGES_IN_MESSAGE)))
            call = self._featurizer.Featurize(request)
            broken_off = self._random.random() < _BROKEN_OFF
            if broken_off:
                await asyncio.sleep(self._random.uniform(0, 0.2))
                call.cancel()
            try:
                self._count((await call).results)
            except asyncio.CancelledError:
                if not broken_off:
                    raise
                self.outcomes["broken off"] += len(request.images)

    async def _streams(self) -> None:
        while self._more():
            answered, sent = 0, 0

            async def messages() -> AsyncIterator[featurizer_pb2.FeaturizeStreamRequest]:
                nonlocal sent
                for number in range(_MESSAGES):
                    if not self._more():
                        return
                    sent += 1
                    request = featurizer_pb2.FeaturizeRequest(images=self._images(_IMAGES_IN_MESSAGE))
                    yield featurizer_pb2.FeaturizeStreamRequest(request_id=str(number), request=request)

            call = self._featurizer.FeaturizeStream(messages())
            last = self._random.randrange(_MESSAGES) if self._random.random() < _BROKEN_OFF else _MESSAGES
            async for answer in call:
                self._count(answer.response.results)
                answered += 1
                if answered > last:
                    call.cancel()
                    break
            self.outcomes["broken off"] += (sent - answered) * _IMAGES_IN_MESSAGE

    async def _predictions(self) -> None:
        while self._more():
            request = classifier_pb2.PredictRequest(model=_MODEL, images=self._images(1))
            self._count((await self._classifier.Predict(request)).results)

    def _images(self, count: int) -> list[types_pb2.Image]:
        return [self._image() for _ in range(count)]

    def _image(self) -> types_pb2.Image:
        photo = self._random.choice(self._photos)
        if self._random.random() < _BAD:
            return types_pb2.Image(id=_BAD_ID, content=photo[: len(photo) // 2])  # cut short
        return types_pb2.Image(content=photo)

    def _count(self, results: Iterable[featurizer_pb2.ImageFeatures | classifier_pb2.ImagePrediction]) -> None:
        for result in results:
            failed = result.HasField("error")
            if failed != (result.id == _BAD_ID):
                raise RuntimeError(f"an image came to what it should not: {result}")
            self.outcomes["no image" if failed else "answered"] += 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="JPEGs, one folder a class; made up, of 500 x 375, where not given")
    parser.add_argument("--images", type=int, default=20_000, help=f"how many are sent, after a warm-up of {_WARM_UP}")
    options = parser.parse_args(arguments)
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory() as scratch:
        photos = chosen_photos(options.photos, Path(scratch))
        with running_services(Path(scratch), timeout_s=_START_TIMEOUT_S) as services:
            with Client(services[1].address, timeout_s=_START_TIMEOUT_S) as client:
                client.add_examples(read_data(photos).examples, dataset=_MODEL)
                client.train(_MODEL)
            out.print(asyncio.run(_watch(services, read_photos(photos), options.images)))


async def _watch(services: tuple[Service, Service], photos: Sequence[bytes], images: int) -> Table:
    table = Table("images")
    for name in ("featurizer", "classifier"):
        for column in (f"{name} MB", "growth", "threads", "files"):
            table.add_column(column, justify="right")
    channels = [grpc.aio.insecure_channel(service.address, options=channel_options()) for service in services]
    async with channels[0], channels[1]:
        load = _Load(
            featurizer_pb2_grpc.FeaturizerStub(channels[0]), classifier_pb2_grpc.ClassifierStub(channels[1]), photos
        )
        await load.send(_WARM_UP)
        first = [_held(service) for service in services]
        before = load.outcomes.total()
        started = time.perf_counter()
        for sample in range(_SAMPLES + 1):
            if sample:
                await load.send(before + images * sample // _SAMPLES - load.outcomes.total())
            cells = [str(load.outcomes.total() - before)]
            for service, then in zip(services, first, strict=True):
                now = _held(service)
                growth = now.resident_mb / then.resident_mb - 1
                cells += [f"{now.resident_mb:.0f}", f"{growth:+.1%}", str(now.threads), str(now.files)]
            table.add_row(*cells)
        rate = (load.outcomes.total() - before) / (time.perf_counter() - started - _SAMPLES * _REST_S)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in load.outcomes.most_common())
    table.caption = f"{rate:.1f} images a second; with those of the warm-up: {counts}"
    return table


def _held(service: Service) -> _Held:
    assert service.process is not None
    process = Path("/proc") / str(service.process.pid)
    threads, files = (len(list((process / part).iterdir())) for part in ("task", "fd"))
    return _Held(usage(service.process.pid).resident_mb, threads, files)


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
