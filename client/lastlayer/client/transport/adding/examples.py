"""Adds images: first their sha256, then the contents that the server lacks."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lastlayer.client.data.images import LabelledImage, name_of, read_chunks, read_image, wire_name
from lastlayer.client.errors import ImageError, ServerError
from lastlayer.client.results.examples import ExampleOutcome
from lastlayer.client.transport.adding.exchange import Exchange
from lastlayer.client.transport.batching import MAX_BYTES, MAX_IMAGES
from lastlayer.client.transport.messages.examples import read_outcome
from lastlayer.client.transport.messages.names import VIEWS
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc


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


class ExampleUpload(Exchange[classifier_pb2.AddExamplesRequest, classifier_pb2.AddExamplesResponse, _Sent]):
    """One upload of images."""

    def __init__(
        self,
        stub: "classifier_pb2_grpc.ClassifierStub",
        examples: Iterable[LabelledImage],
        *,
        dataset: str,
        thumbnails: bool,
        patience: Patience,
        views: Sequence[str] = (),
        pool: bool = False,
        multi_label: bool = False,
    ) -> None:
        """`patience` bounds how long the server may answer nothing. `views` are names out of `messages.VIEWS`; those of
        the dataset where there are none. With `pool` the images, which have no labels, are for the dataset's pool.
        """
        super().__init__(stub.AddExamples, patience)
        self._dataset = dataset
        self._thumbnails = thumbnails
        self._views = [VIEWS[view] for view in views]
        self._pool = pool
        self._multi_label = multi_label
        self._items = self._hashed(examples)
        self._again: deque[_Item] = deque()  # sent on a stream that broke, and unanswered
        self._needed: deque[_Item] = deque()  # the server asked for their content

    def _take_back(self, sent: _Sent) -> None:
        self._again.extend(sent.items)

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
        if len(self._needed) < MAX_IMAGES:
            asked = tuple(self._take_unasked())
            if asked:
                self._in_flight.append(_Sent(asked, with_content=False))
                request = self._empty_request()
                request.examples.extend(
                    classifier_pb2.Example(
                        id=wire_name(item.name),
                        label=item.example.label,
                        labels=item.example.labels,
                        content_sha256=item.sha256,
                    )
                    for item in asked
                )
                return request
        return self._next_contents()

    def _empty_request(self) -> classifier_pb2.AddExamplesRequest:
        return classifier_pb2.AddExamplesRequest(
            dataset=self._dataset,
            no_thumbnails=not self._thumbnails,
            views=self._views,
            pool=self._pool,
            multi_label=self._multi_label,
        )

    def _take_unasked(self) -> Iterator[_Item]:
        for _ in range(MAX_IMAGES):
            item = self._again.popleft() if self._again else next(self._items, None)
            if item is None:
                return
            yield item

    def _next_contents(self) -> classifier_pb2.AddExamplesRequest | None:
        request = self._empty_request()
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
            request.examples.add(
                id=wire_name(item.name), label=item.example.label, labels=item.example.labels, content=content
            )
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


def _read(item: _Item) -> bytes:
    content = read_image(item.example.image, origin=item.example.origin)
    if item.example.sha256 and hashlib.sha256(content).digest() != item.sha256:
        raise ImageError("The file changed while it was sent; send it again.", code="ABORTED", reason="FILE_CHANGED")
    return content


def _failure(example: LabelledImage, name: str, error: ImageError) -> ExampleOutcome:
    return ExampleOutcome(name, example.label, "failed", error=error, labels=example.labels or ())
