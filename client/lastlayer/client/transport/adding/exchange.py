"""How examples are added: some messages in flight, their answers in turn, and a new stream where one breaks."""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import grpc

from lastlayer.client.results.examples import ExampleOutcome
from lastlayer.client.transport.batching import MAX_IN_FLIGHT
from lastlayer.client.transport.duplex import Duplex, RequestT, ResponseT
from lastlayer.client.transport.retry import Patience

SentT = TypeVar("SentT")


class Exchange(ABC, Generic[RequestT, ResponseT, SentT]):
    """One upload: `outcomes` runs it. Memory holds what a few messages hold, whatever the number of examples."""

    def __init__(self, method: Callable[..., Any], patience: Patience) -> None:
        """`method` is that of a stub; `patience` bounds how long the server may answer nothing."""
        self._method = method
        self._patience = patience
        self._failed: deque[ExampleOutcome] = deque()  # failures of our own that are not yet reported
        self._in_flight: deque[SentT] = deque()

    def outcomes(self) -> Iterator[ExampleOutcome]:
        """Yield what became of each example, as it becomes known; raises `ClientError` where that cannot be."""
        while (request := self._next_request()) is not None:
            try:
                with Duplex[RequestT, ResponseT](self._method, self._patience.remaining_s) as stream:
                    yield from self._exchange(stream, request)
                    stream.finish()
            except grpc.RpcError as error:
                # What was sent may be stored although nobody said so: ask before sending it again.
                for sent in self._in_flight:
                    self._take_back(sent)
                self._in_flight.clear()
                self._patience.wait_after(error)
        yield from self._own_failures()

    def _exchange(self, stream: Duplex[RequestT, ResponseT], request: RequestT | None) -> Iterator[ExampleOutcome]:
        # Every call has a deadline, and an upload may take hours: half-way to it, the stream is left for a new one.
        leave_at = time.monotonic() + self._patience.remaining_s / 2
        while True:
            while request is not None:
                stream.send(request)
                more = len(self._in_flight) < MAX_IN_FLIGHT and time.monotonic() < leave_at
                request = self._next_request() if more else None
            yield from self._own_failures()
            if not self._in_flight:
                return
            response = stream.receive()
            yield from self._read(self._in_flight.popleft(), response)
            self._patience.progressed()
            request = self._next_request() if time.monotonic() < leave_at else None

    def _own_failures(self) -> Iterator[ExampleOutcome]:
        while self._failed:
            yield self._failed.popleft()

    @abstractmethod
    def _next_request(self) -> RequestT | None:
        """Return what to send next and note it as in flight; None where there is nothing at the moment."""

    @abstractmethod
    def _read(self, sent: SentT, response: ResponseT) -> Iterator[ExampleOutcome]:
        """Yield what became of what was sent; raises `ServerError` for an answer that is none."""

    @abstractmethod
    def _take_back(self, sent: SentT) -> None:
        """Have what was sent asked for again, as its answer is lost."""
