"""Predicts images: a list by calls of their own, a stream of any length over `PredictStream`; results in order."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import grpc

from lastlayer.client.data.images import ImageSource, name_of, read_image, wire_name
from lastlayer.client.errors import BusyError, ImageError, ServerError, ServerUnavailableError, from_status
from lastlayer.client.results.predictions import Prediction
from lastlayer.client.transport.batching import MAX_IN_FLIGHT, batches
from lastlayer.client.transport.duplex import Duplex
from lastlayer.client.transport.messages.predictions import read_prediction
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2

_Stream = Duplex[classifier_pb2.PredictStreamRequest, classifier_pb2.PredictStreamResponse]
_Key = tuple[int, str]  # the image's place among the results, and its name


class Wanted(NamedTuple):
    """What is asked of each image."""

    model: str
    version: int
    top_k: int
    threshold: float | None
    """None for that of the version."""

    def request(self, batch: list[tuple[_Key, bytes]]) -> classifier_pb2.PredictRequest:
        """Return the request for some images."""
        return classifier_pb2.PredictRequest(
            model=self.model,
            version=self.version,
            top_k=self.top_k,
            threshold=self.threshold,
            images=[types_pb2.Image(id=wire_name(name), content=content) for (_, name), content in batch],
        )


class _Results:
    """Predictions that come in any order and leave in that of the images; images that cannot be read among them."""

    def __init__(self, images: Iterable[ImageSource], wanted: Wanted) -> None:
        self._images = images
        self._wanted = wanted
        self._done: dict[int, Prediction] = {}
        self._next = 0

    def contents(self) -> Iterator[tuple[_Key, bytes]]:
        for index, image in enumerate(self._images):
            name = name_of(image, index)
            try:
                yield (index, name), read_image(image)
            except ImageError as error:
                self._done[index] = Prediction(name, (), self._wanted.model, self._wanted.version, error)

    def add(self, keys: list[_Key], response: classifier_pb2.PredictResponse) -> None:
        if len(keys) != len(response.results):
            raise ServerError(
                f"The server answered {len(response.results)} results for {len(keys)} images.", code="UNKNOWN"
            )
        for (index, name), result in zip(keys, response.results, strict=True):
            self._done[index] = read_prediction(name, result, response.model, response.version)

    def ready(self) -> Iterator[Prediction]:
        while self._next in self._done:
            self._next += 1
            yield self._done.pop(self._next - 1)


def predict(
    stub: "classifier_pb2_grpc.ClassifierStub",
    images: Iterable[ImageSource],
    wanted: Wanted,
    *,
    server: str,
    timeout_s: float,
) -> list[Prediction]:
    """Return one prediction an image, in order; `timeout_s` is for each message of images."""
    results = _Results(images, wanted)
    predictions: list[Prediction] = []
    for batch in batches(results.contents()):
        request, patience = wanted.request(batch), Patience(server, timeout_s)
        while True:
            try:
                response = stub.Predict(request, timeout=patience.remaining_s)
                break
            except grpc.RpcError as error:
                patience.wait_after(error)
        results.add([key for key, _ in batch], response)
        predictions.extend(results.ready())
    predictions.extend(results.ready())
    return predictions


class PredictionStream:
    """Predictions of a stream of images: `predictions` runs it. Memory holds what a few messages hold."""

    def __init__(
        self,
        stub: "classifier_pb2_grpc.ClassifierStub",
        images: Iterable[ImageSource],
        wanted: Wanted,
        *,
        server: str,
        patience: Patience,
    ) -> None:
        """`patience` bounds how long the server may answer nothing."""
        self._stub = stub
        self._wanted = wanted
        self._server = server
        self._patience = patience
        self._results = _Results(images, wanted)
        self._batches = enumerate(batches(self._results.contents()))
        self._again: deque[tuple[int, list[tuple[_Key, bytes]]]] = deque()
        self._in_flight: dict[str, tuple[int, list[tuple[_Key, bytes]]]] = {}

    def predictions(self) -> Iterator[Prediction]:
        """Yield one prediction an image, in the order of the images; raises `ClientError`."""
        while (request := self._next_request()) is not None:
            try:
                with self._open() as stream:
                    yield from self._exchange(stream, request)
                    stream.finish()
            except grpc.RpcError as error:
                self._again.extend(self._in_flight.values())
                self._in_flight.clear()
                self._patience.wait_after(error)
        yield from self._results.ready()

    def _open(self) -> _Stream:
        return Duplex(self._stub.PredictStream, self._patience.remaining_s)

    def _exchange(self, stream: _Stream, request: classifier_pb2.PredictStreamRequest | None) -> Iterator[Prediction]:
        # As with uploads: half-way to its deadline, the stream is left for a new one.
        leave_at = time.monotonic() + self._patience.remaining_s / 2
        while True:
            while request is not None:
                stream.send(request)
                more = len(self._in_flight) < MAX_IN_FLIGHT and time.monotonic() < leave_at
                request = self._next_request() if more else None
            if not self._in_flight:
                return
            if self._read(stream.receive()):
                yield from self._results.ready()
                self._patience.progressed()  # after the yield: the time that our reader takes is not the server's
            request = self._next_request() if time.monotonic() < leave_at else None

    def _next_request(self) -> classifier_pb2.PredictStreamRequest | None:
        entry = self._again.popleft() if self._again else next(self._batches, None)
        if entry is None:
            return None
        number, batch = entry
        self._in_flight[str(number)] = entry
        return classifier_pb2.PredictStreamRequest(request_id=str(number), request=self._wanted.request(batch))

    def _read(self, response: classifier_pb2.PredictStreamResponse) -> bool:
        """Take an answer in; return whether it brought predictions, and not the wish that we come again."""
        entry = self._in_flight.pop(response.request_id, None)
        if entry is None:
            raise ServerError("The server answered a request that it was not asked.", code="UNKNOWN")
        if response.HasField("error"):
            error = from_status(response.error, self._server)
            self._again.append(entry)
            if not isinstance(error, BusyError | ServerUnavailableError):
                raise error
            self._patience.wait_after(error)
            return False
        self._results.add([key for key, _ in entry[1]], response.response)
        return True
