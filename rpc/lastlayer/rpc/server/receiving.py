"""Receives requests: no more at once than there is memory for, and none before its call may be made.

gRPC holds of a message what has arrived, and asks its sender for all of it once somebody reads it. What nobody reads
stays with its sender, but for the first 256 KiB (see `lastlayer.rpc.server.lifecycle.OPTIONS`). So whoever is to read
waits for a place first. Methods that take a single request read it as those do that take a stream of them: else gRPC
would read it by itself. On the wire both are the same.
"""

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from lastlayer.rpc.channel import MAX_MESSAGE_BYTES
from lastlayer.rpc.errors import DeadlinePassedError, InvalidFieldError, OverloadedError
from lastlayer.rpc.server.deadlines import deadline_of
from lastlayer.rpc.server.handlers import Context, Handler, each, function_of, service_of
from lastlayer.rpc.server.open_inference.descriptors import PROBES
from lastlayer.rpc.server.turns import TooManyWaitError, Turns

_MALFORMED: Final = (
    "The request cannot be read: its bytes are no message of the type that the method takes, as the contract "
    "declares it."
)
_MIB: Final = 2**20

_STANDARD_BYTES: Final = 64 * 1024
"""The most bytes of a request for health or reflection. Whoever needs no token may send them."""

_STANDARD_PLACES: Final = 4

_PATIENCE_S: Final = 5.0
"""How long a call waits for room; a stream waits as long as it takes."""

_ARRIVAL_S: Final = 60.0
"""How long a single request may take to arrive."""

_TAKING_S: Final = 60.0
"""How long an answer of a stream may wait for its caller to take it."""

_CONTENDED_S: Final = 5.0
"""How long one may be waited for while others wait for its place."""

_LOOK_S: Final = 0.5
"""How often somebody looks for those, while others wait."""

_RETRY_AFTER_S: Final = 1.0


Check = Callable[[float | None], None]
"""Raises where a call would be refused whatever its request, by its deadline, of `time.monotonic()`."""


@dataclass(frozen=True)
class ReceiveLimits:
    """How much a server receives at once. A message has up to 32 MiB."""

    calls: int = 8
    """Single requests that are received at once."""
    streams: int = 12
    """Streams that the next message is awaited of at once, or received."""
    call_bytes: int = 128 * _MIB
    """Bytes of single requests that are inside."""
    stream_bytes: int = 64 * _MIB
    """Bytes of messages of streams that are inside."""


DEFAULT_LIMITS: Final = ReceiveLimits()


class ReceiveGate:
    """Bounds how many messages are received at once, and the bytes of those that are inside."""

    def __init__(
        self, places: int, inside_bytes: int, *, most_bytes: int = MAX_MESSAGE_BYTES, waits: bool = False
    ) -> None:
        """`places` messages are received at once, three quarters of them from one connection. A message of at most
        `most_bytes` is inside once `inside_bytes` suffice for it and those that are. A call that `waits` does so as
        long as it takes, for room and for its messages.
        """
        self._places = Turns(places, most_each=-(-places * 3 // 4))
        self._inside = Turns(inside_bytes)
        self._most_bytes = most_bytes
        self._patience_s = None if waits else _PATIENCE_S
        self._arrival_s = None if waits else _ARRIVAL_S
        self._receiving: dict[asyncio.Timeout, float] = {}
        """What bounds each message that is being received, and since when it is, by the loop's clock."""
        self._looking: asyncio.TimerHandle | None = None

    async def read(self, context: Context, connection: str) -> bytes | None:
        """Return the next message of a call once there is room for it, to be told `done` of; None where there is none.

        Raises OverloadedError or DeadlinePassedError where that takes too long.
        """
        if not self._places.take_now(connection, 1):
            self._look_soon()
            await self._wait(self._places, connection, 1)
        try:
            raw = await self._receive(context)
            if raw is not None and len(raw) > self._most_bytes:
                raise InvalidFieldError(
                    "", f"The request has {len(raw)} bytes; at most {self._most_bytes} are accepted."
                )
            # It keeps its place meanwhile: what waits here is in memory.
            if raw is not None and not self._inside.take_now(connection, len(raw)):
                await self._wait(self._inside, connection, len(raw))
            return raw
        finally:
            self._places.give_back(connection, 1)

    def done(self, connection: str, size: int) -> None:
        """Take note that a message is no longer inside."""
        self._inside.give_back(connection, size)

    async def _wait(self, turns: Turns, connection: str, amount: int) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await turns.take(connection, amount)
        except (TimeoutError, TooManyWaitError) as error:
            raise OverloadedError(
                "So many requests are being received that there is no room for this one.", retry_after_s=_RETRY_AFTER_S
            ) from error

    async def _receive(self, context: Context) -> bytes | None:
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._arrival_s) as limit:
                self._receiving[limit] = started
                try:
                    raw: Any = await context.read()
                finally:
                    del self._receiving[limit]
        except TimeoutError as error:
            seconds = asyncio.get_running_loop().time() - started
            if self._arrival_s is not None and seconds >= self._arrival_s:
                raise DeadlinePassedError(f"The request has not arrived within {seconds:.0f} s.") from error
            raise OverloadedError(
                f"No whole message has arrived for {seconds:.0f} s, and others wait for the room to receive theirs.",
                retry_after_s=_RETRY_AFTER_S,
            ) from error
        return None if raw is grpc.aio.EOF else raw

    def _look_soon(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        """End what has been waited for too long, if others wait."""
        self._looking = None
        if self._places.is_awaited:
            now = asyncio.get_running_loop().time()
            for limit, started in self._receiving.items():
                if now - started >= _CONTENDED_S:
                    limit.reschedule(now)
            self._look_soon()


class ReceiveInterceptor(grpc.aio.ServerInterceptor):
    """Has requests received through gates, and parsed: InvalidFieldError is raised for what is no message.

    Where gRPC parses them, such a call ends with UNKNOWN and the name of a Python class, and its trace is logged. To be
    the innermost, so that calls that are refused are not received.
    """

    def __init__(self, services: Iterable[str], limits: ReceiveLimits) -> None:
        """`services` are the full names of ours. All others have gates of their own, as they need no token, and so have
        the probes of the Open Inference Protocol.
        """
        self._services = frozenset(services)
        self._ours = {
            False: ReceiveGate(limits.calls, limits.call_bytes),
            True: ReceiveGate(limits.streams, limits.stream_bytes, waits=True),
        }
        self._standard = {
            waits: ReceiveGate(_STANDARD_PLACES, sys.maxsize, most_bytes=_STANDARD_BYTES, waits=waits)
            for waits in (False, True)
        }
        """By whether a method takes a stream. Of what is as small, as much as comes may be inside."""
        self._checks: dict[str, Check] = {}

    def check_first(self, checks: Mapping[str, Check]) -> None:
        """Check calls before their requests are received; by the paths of their methods."""
        self._checks.update(checks)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the handler of the call, which receives by itself; one that takes no message is left alone."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler
        method: str = handler_call_details.method
        ours = service_of(method) in self._services and method not in PROBES
        gates = self._ours if ours else self._standard
        if handler.request_streaming:
            return _receive_each(handler, gates[True])
        return _receive_one(handler, gates[False], self._checks.get(method))


def _receive_one(handler: Handler, gate: ReceiveGate, check: Check | None) -> Handler:
    function = function_of(handler)

    async def answer_once(_requests: object, context: Context) -> object:
        if check is not None:
            check(deadline_of(context))
        async with _received(handler, gate, context) as requests:
            return await function(requests.pop(), context)

    async def answer_many(_requests: object, context: Context) -> AsyncIterator[object]:
        async with (
            _received(handler, gate, context) as requests,
            contextlib.aclosing(each(function(requests.pop(), context))) as responses,
        ):
            async for response in responses:
                yield response

    if handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(answer_many, response_serializer=handler.response_serializer)
    return grpc.stream_unary_rpc_method_handler(answer_once, response_serializer=handler.response_serializer)


@contextlib.asynccontextmanager
async def _received(handler: Handler, gate: ReceiveGate, context: Context) -> AsyncIterator[list[object]]:
    """Receive a request, which is inside while the block lasts. In a list, so that its memory is free once it is taken
    and done with.
    """
    connection = context.peer()
    raw = await gate.read(context, connection)
    if raw is None:
        raise InvalidFieldError("", "The call has no request.")
    size = len(raw)
    try:
        request = _parse(handler, raw)
        del raw
        requests = [request]
        del request
        yield requests
    finally:
        gate.done(connection, size)


def _receive_each(handler: Handler, gate: ReceiveGate) -> Handler:
    function = function_of(handler)

    async def read_each(context: Context, connection: str, inside: deque[int]) -> AsyncIterator[object]:
        while (raw := await gate.read(context, connection)) is not None:
            inside.append(len(raw))
            requests = [_parse(handler, raw)]
            del raw
            yield requests.pop()  # kept here no longer than there

    async def answer_many(_requests: object, context: Context) -> None:
        connection = context.peer()
        inside: deque[int] = deque()
        try:
            requests = read_each(context, connection, inside)
            async with contextlib.aclosing(each(function(requests, context))) as responses:
                async for response in responses:
                    # Each message of a stream is answered by one. Which one it was makes no difference for long.
                    if inside:
                        gate.done(connection, inside.popleft())
                    await _write(response, context)
        finally:
            while inside:
                gate.done(connection, inside.popleft())

    return grpc.stream_stream_rpc_method_handler(answer_many, response_serializer=handler.response_serializer)


async def _write(response: object, context: Context) -> None:
    """Send an answer of a stream; raises DeadlinePassedError where its caller does not take it.

    Messages of the stream are inside meanwhile, and others may wait for the room.
    """
    try:
        async with asyncio.timeout(_TAKING_S):
            await context.write(response)
    except TimeoutError as error:
        raise DeadlinePassedError(f"The caller has not taken an answer of the stream for {_TAKING_S:g} s.") from error


def _parse(handler: Handler, raw: bytes) -> object:
    try:
        parsed: object = handler.request_deserializer(raw)  # type: ignore[misc]  # ours all have one
        return parsed
    except DecodeError as error:
        raise InvalidFieldError("", _MALFORMED) from error
