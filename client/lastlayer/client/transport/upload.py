"""Adds examples over one stream, or several where one breaks: first their sha256, then the images that are missing."""

import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import grpc

from lastlayer.client.data.images import LabelledImage, name_of, read_chunks, read_image, wire_name
from lastlayer.client.errors import ImageError, ServerError
from lastlayer.client.results import ExampleOutcome
from lastlayer.client.transport.batching import MAX_BYTES, MAX_IMAGES, MAX_IN_FLIGHT
from lastlayer.client.transport.duplex import Duplex
from lastlayer.client.transport.messages import VIEWS, read_outcome
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc

_Stream = Duplex[classifier_pb2.AddExamplesRequest, classifier_pb2.AddExamplesResponse]


@dataclass(frozen=True, slots=True)
class _Item:
    example: LabelledImage
    name: str
    sha256: bytes
    size: int
    """In bytes; 0 where it is not known before the image is read."""


@dataclass(frozen=True, slots=True)
class _Sent:
    items: tuple[_Item, ...]
    with_content: bool


class Upload:
    """One upload: `outcomes` runs it. Memory holds what a few messages hold, whatever the number of examples."""

    def __init__(
        self,
        stub: "classifier_pb2_grpc.ClassifierStub",
        examples: Iterable[LabelledImage],
        *,
        dataset: str,
        thumbnails: bool,
        patience: Patience,
        views: Sequence[str] = (),
    ) -> None:
        """`patience` bounds how long the server may answer nothing. `views` are names out of `messages.VIEWS`; those of
        the dataset where there are none.
        """
        self._stub = stub
        self._dataset = dataset
        self._thumbnails = thumbnails
        self._views = [VIEWS[view] for view in views]
        self._patience = patience
        self._failed: deque[ExampleOutcome] = deque()  # failures of our own that are not yet reported
        self._items = self._hashed(examples)
        self._again: deque[_Item] = deque()  # sent on a stream that broke, and unanswered
        self._needed: deque[_Item] = deque()  # the server asked for their content
        self._in_flight: deque[_Sent] = deque()

    def outcomes(self) -> Iterator[ExampleOutcome]:
        """Yield what became of each example, as it becomes known; raises `ClientError` where that cannot be."""
        while (request := self._next_request()) is not None:
            try:
                with self._open() as stream:
                    yield from self._exchange(stream, request)
                    stream.finish()
            except grpc.RpcError as error:
                # What was sent may be stored although nobody said so: ask before sending it again.
                for sent in self._in_flight:
                    self._again.extend(sent.items)
                self._in_flight.clear()
                self._patience.wait_after(error)
        yield from self._own_failures()

    def _open(self) -> _Stream:
        return Duplex(self._stub.AddExamples, self._patience.remaining_s)

    def _exchange(self, stream: _Stream, request: classifier_pb2.AddExamplesRequest | None) -> Iterator[ExampleOutcome]:
        # Every call has a deadline, and an upload may take hours: half-way to it, the stream is left for a new one.
        leave_at = time.monotonic() + self._patience.remaining_s / 2
        while True:
            while request is not None:
                request.dataset = self._dataset
                request.no_thumbnails = not self._thumbnails
                request.views.extend(self._views)
                stream.send(request)
                more = len(self._in_flight) < MAX_IN_FLIGHT and time.monotonic() < leave_at
                request = self._next_request() if more else None
            yield from self._own_failures()
            if not self._in_flight:
                return
            response = stream.receive()
            sent = self._in_flight.popleft()
            yield from self._read(sent, response)
            self._patience.progressed()
            request = self._next_request() if time.monotonic() < leave_at else None

    def _read(self, sent: _Sent, response: classifier_pb2.AddExamplesResponse) -> Iterator[ExampleOutcome]:
        if len(response.outcomes) != len(sent.items):
            raise ServerError(
                f"The server answered {len(response.outcomes)} outcomes for {len(sent.items)} examples.", code="UNKNOWN"
            )
        asked_again = False
        for item, outcome in zip(sent.items, response.outcomes, strict=True):
            if not outcome.HasField("content_needed"):
                yield read_outcome(item.name, outcome)
            elif sent.with_content:
                asked_again = True
            else:
                self._needed.append(item)
        if asked_again:
            raise ServerError("The server asked for an image that it had just been sent.", code="UNKNOWN")

    def _next_request(self) -> classifier_pb2.AddExamplesRequest | None:
        """Return what to send next and note it as in flight; None where there is nothing at the moment."""
        if len(self._needed) < MAX_IMAGES:
            asked = tuple(self._take_unasked())
            if asked:
                self._in_flight.append(_Sent(asked, with_content=False))
                return classifier_pb2.AddExamplesRequest(
                    examples=[
                        classifier_pb2.Example(
                            id=wire_name(item.name), label=item.example.label, content_sha256=item.sha256
                        )
                        for item in asked
                    ]
                )
        return self._next_contents()

    def _take_unasked(self) -> Iterator[_Item]:
        for _ in range(MAX_IMAGES):
            item = self._again.popleft() if self._again else next(self._items, None)
            if item is None:
                return
            yield item

    def _next_contents(self) -> classifier_pb2.AddExamplesRequest | None:
        request = classifier_pb2.AddExamplesRequest()
        items: list[_Item] = []
        size = 0
        while self._needed and len(items) < MAX_IMAGES:
            item = self._needed[0]
            if items and size + item.size > MAX_BYTES:
                break
            try:
                content = _read(item)
            except ImageError as error:  # it is not to be found, or not any more
                self._needed.popleft()
                self._failed.append(_failure(item.example, item.name, error))
                continue
            if items and size + len(content) > MAX_BYTES:  # its size was not known, or it has grown since
                break
            self._needed.popleft()
            request.examples.add(id=wire_name(item.name), label=item.example.label, content=content)
            items.append(item)
            size += len(content)
        if not items:
            return None
        self._in_flight.append(_Sent(tuple(items), with_content=True))
        return request

    def _hashed(self, examples: Iterable[LabelledImage]) -> Iterator[_Item]:
        for index, example in enumerate(examples):
            if example.sha256:
                yield _Item(example, example.name, example.sha256, 0)
                continue
            name = example.name or name_of(example.image, index)
            digest, size = hashlib.sha256(), 0
            try:
                for chunk in read_chunks(example.image, origin=example.origin):
                    digest.update(chunk)
                    size += len(chunk)
            except ImageError as error:
                self._failed.append(_failure(example, name, error))
                continue
            yield _Item(example, name, digest.digest(), size)

    def _own_failures(self) -> Iterator[ExampleOutcome]:
        while self._failed:
            yield self._failed.popleft()


def _read(item: _Item) -> bytes:
    content = read_image(item.example.image, origin=item.example.origin)
    if item.example.sha256 and hashlib.sha256(content).digest() != item.sha256:
        raise ImageError("The file changed while it was sent; send it again.", code="ABORTED", reason="FILE_CHANGED")
    return content


def _failure(example: LabelledImage, name: str, error: ImageError) -> ExampleOutcome:
    return ExampleOutcome(name, example.label, "failed", error=error)
