"""A bidirectional call driven from one thread: send a message, receive an answer, in any order."""

import queue
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from lastlayer.client.errors import ServerError

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class Duplex(Generic[RequestT, ResponseT]):
    """One call. As a context manager it is cancelled on the way out, unless it has ended."""

    def __init__(self, method: Callable[..., Any], timeout_s: float) -> None:
        """`method` is that of a stub."""
        self._requests: queue.SimpleQueue[RequestT | None] = queue.SimpleQueue()
        # gRPC reads the iterator in a thread of its own, which ends with the None.
        self._call = method(iter(self._requests.get, None), timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_sending()
        self._call.cancel()

    def send(self, request: RequestT) -> None:
        """Send a message. It does not block: the caller bounds how many are unanswered."""
        self._requests.put(request)

    def close_sending(self) -> None:
        """Tell the server that no more messages come."""
        self._requests.put(None)

    def receive(self) -> ResponseT:
        """Return the next answer; raises `grpc.RpcError` where the call failed, `ServerError` where it just ended."""
        try:
            response: ResponseT = next(self._call)
        except StopIteration:
            raise ServerError("The server ended the call before it had answered everything.", code="UNKNOWN") from None
        return response

    def finish(self) -> None:
        """Close this side and wait for the server's; raises `grpc.RpcError` where it fails after all."""
        self.close_sending()
        for _ in self._call:
            raise ServerError("The server answered more than it was asked.", code="UNKNOWN")
