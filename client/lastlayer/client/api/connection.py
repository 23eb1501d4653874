"""What the calls of a client share: the channel, time, and attempts."""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import grpc

from lastlayer.client.errors import InvalidInputError, from_call
from lastlayer.client.transport.channel import Security, check_server, close_after_interrupt, open_channel
from lastlayer.client.transport.defaults import DEFAULT_SERVER, DEFAULT_TIMEOUT_S
from lastlayer.client.transport.retry import Patience
from lastlayer.v1 import classifier_pb2_grpc

if TYPE_CHECKING:
    from google.protobuf.message import Message

PAGE_SIZE: Final = 1000
"""How many entries of a list are asked for at once."""

_ResponseT = TypeVar("_ResponseT", bound="Message")


class Connection:
    """What the calls of a client share: the channel, time, and attempts."""

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        security: Security | None = None,
        open_channel: Callable[[str, Security | None], grpc.Channel] = open_channel,
    ) -> None:
        """Get ready to call `server`, which is `host:port`; it is connected to by the first call.

        Several classifiers that share a store are given as IP addresses and ports between commas: calls go to each in
        turn, and to the others while one is away.

        `timeout_s` is how many seconds to wait for an answer: to a call, or to one message of a stream of images. With
        `security` the server is called by TLS. `open_channel` makes the connection: for tests, and for channels with
        options of your own. Raises `InvalidInputError` where the server or the time is none, or the files of `security`
        cannot be used.
        """
        check_server(server)
        if not timeout_s > 0:
            raise InvalidInputError(f"A timeout of {timeout_s:g} seconds is not possible; give more than 0.")
        self.server = server
        self._timeout_s = timeout_s
        self._channel = open_channel(server, security)
        self._stub = classifier_pb2_grpc.ClassifierStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            self.close()
        else:
            close_after_interrupt(self._channel)

    def close(self) -> None:
        """Close the connection. The client cannot be used any more; closing it twice does no harm.

        >>> client = Client("localhost:50052")
        >>> client.close()
        """
        self._channel.close()

    def _call(self, method: Callable[..., _ResponseT], request: "Message", *, repeat: bool = True) -> _ResponseT:
        patience = Patience(self.server, self._timeout_s)
        while True:
            try:
                return method(request, timeout=patience.remaining_s)
            except grpc.RpcError as error:
                if not repeat:
                    raise from_call(error, self.server) from error
                patience.wait_after(error)

    def _pages(self, method: Callable[..., _ResponseT], request: Any) -> Iterator[_ResponseT]:
        while True:
            page: Any = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
