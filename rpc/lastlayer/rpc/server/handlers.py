"""Makes handlers of calls, for all four shapes of call alike: one that wraps another, and one that refuses."""

import contextlib
import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2
from grpc_status import rpc_status

from lastlayer.rpc.errors import InvalidFieldError, LastlayerError
from lastlayer.rpc.status import to_status

if TYPE_CHECKING:  # generic only in the eyes of the type checker
    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
    Handler: TypeAlias = grpc.RpcMethodHandler[Any, Any]
else:
    Context, Handler = grpc.aio.ServicerContext, grpc.RpcMethodHandler

_MALFORMED: Final = (
    "The request cannot be read: its bytes are no message of the type that the method takes, as the files of "
    "lastlayer/v1 declare it."
)


def service_of(method: str) -> str:
    """Return the full name of the service of `/package.Service/Method`; empty where it is no such path."""
    return method.split("/")[1] if method.count("/") == 2 else ""


def wrap(handler: Handler, around: Callable[[Context], AbstractAsyncContextManager[None]]) -> Handler:
    """Return a handler that runs another within the context manager `around`.

    `around` is entered with the context of each call, and sees what the call raises.
    """
    function: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

    async def answer_once(request: object, context: Context) -> object:
        async with around(context):
            return await function(request, context)

    async def answer_many(request: object, context: Context) -> AsyncIterator[object]:
        async with around(context), contextlib.aclosing(_each(function(request, context))) as responses:
            async for response in responses:
                yield response

    answer = answer_many if handler.response_streaming else answer_once
    return _make(handler, answer, request_deserializer=handler.request_deserializer)


def refuse_with(error: LastlayerError) -> Handler:
    """Return a handler that answers every call with the error."""

    async def refuse(_requests: object, context: Context) -> AsyncIterator[bytes]:
        await abort(context, to_status(error))
        yield b""  # never reached; it makes this a stream

    # As a stream it does not wait for a request, which may never come, and so it serves every shape of call.
    return grpc.stream_stream_rpc_method_handler(refuse)


def parse_within(handler: Handler) -> Handler:
    """Return a handler that does the same and parses requests itself: it raises InvalidFieldError for what is none.

    Where gRPC parses them, such a call ends with UNKNOWN and the name of a Python class, and its trace is logged.
    """
    if handler.request_deserializer is None:
        return handler
    parse: Callable[[bytes], object] = functools.partial(_parse, handler.request_deserializer)
    function: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

    async def parse_each(requests: AsyncIterator[bytes]) -> AsyncIterator[object]:
        async for request in requests:
            yield parse(request)

    def read(raw: Any) -> object:
        return parse_each(raw) if handler.request_streaming else parse(raw)

    async def answer_once(raw: object, context: Context) -> object:
        return await function(read(raw), context)

    async def answer_many(raw: object, context: Context) -> AsyncIterator[object]:
        async with contextlib.aclosing(_each(function(read(raw), context))) as responses:
            async for response in responses:
                yield response

    answer = answer_many if handler.response_streaming else answer_once
    return _make(handler, answer, request_deserializer=None)


async def _each(answering: Any) -> AsyncGenerator[object, None]:
    """Yield what a handler of a stream answers; where it writes to its context instead, as that of health, nothing."""
    if inspect.isawaitable(answering):
        await answering
        return
    # Closed at once where the caller has gone, not whenever the garbage collector comes by.
    async with contextlib.aclosing(answering) as responses:
        async for response in responses:
            yield response


def _parse(deserializer: Callable[[bytes], object], raw: bytes) -> object:
    try:
        return deserializer(raw)
    except DecodeError as error:
        raise InvalidFieldError("", _MALFORMED) from error


def _make(handler: Handler, function: Callable[..., object], *, request_deserializer: Any) -> Handler:
    """Return a handler of the same shape."""
    make: Callable[..., Handler] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    return make(function, request_deserializer=request_deserializer, response_serializer=handler.response_serializer)


async def abort(context: Context, status: status_pb2.Status) -> NoReturn:
    """End a call with a status and all its details."""
    rich = rpc_status.to_status(status)
    await context.abort(rich.code, rich.details or "", rich.trailing_metadata or ())
