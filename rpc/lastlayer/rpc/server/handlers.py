"""Makes handlers of calls, for all four shapes of call alike: one that wraps another, and one that refuses."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import grpc
from google.rpc import status_pb2
from grpc_status import rpc_status

from lastlayer.rpc.errors import LastlayerError
from lastlayer.rpc.status import to_status

if TYPE_CHECKING:  # generic only in the eyes of the type checker
    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
    Handler: TypeAlias = grpc.RpcMethodHandler[Any, Any]
else:
    Context, Handler = grpc.aio.ServicerContext, grpc.RpcMethodHandler


def service_of(method: str) -> str:
    """Return the full name of the service of `/package.Service/Method`; empty where it is no such path."""
    return method.split("/")[1] if method.count("/") == 2 else ""


def function_of(handler: Handler) -> Any:
    """Return what a handler of any shape calls, with a request or requests, and a context."""
    return handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream


def wrap(handler: Handler, around: Callable[[Context], AbstractAsyncContextManager[None]]) -> Handler:
    """Return a handler that runs another within the context manager `around`.

    `around` is entered with the context of each call, and sees what the call raises.
    """
    function = function_of(handler)

    async def answer_once(request: object, context: Context) -> object:
        async with around(context):
            return await function(request, context)

    async def answer_many(request: object, context: Context) -> AsyncIterator[object]:
        async with around(context), contextlib.aclosing(each(function(request, context))) as responses:
            async for response in responses:
                yield response

    answer = answer_many if handler.response_streaming else answer_once
    return _make(handler, answer)


def refuse_with(error: LastlayerError) -> Handler:
    """Return a handler that answers every call with the error."""

    async def refuse(_requests: object, context: Context) -> AsyncIterator[bytes]:
        await abort(context, to_status(error))
        yield b""  # never reached; it makes this a stream

    # As a stream it does not wait for a request, which may never come, and so it serves every shape of call.
    return grpc.stream_stream_rpc_method_handler(refuse)


async def each(answering: Any) -> AsyncGenerator[object, None]:
    """Yield what a handler of a stream answers; where it writes to its context instead, as that of health, nothing."""
    if inspect.isawaitable(answering):
        await answering
        return
    # Closed at once where the caller has gone, not whenever the garbage collector comes by.
    async with contextlib.aclosing(answering) as responses:
        async for response in responses:
            yield response


def _make(handler: Handler, function: Callable[..., object]) -> Handler:
    """Return a handler of the same shape."""
    make: Callable[..., Handler] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    return make(
        function,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


async def abort(context: Context, status: status_pb2.Status) -> NoReturn:
    """End a call with a status and all its details; as cancelled where its caller goes before it can be told."""
    rich = rpc_status.to_status(status)
    try:
        await context.abort(rich.code, rich.details or "", rich.trailing_metadata or ())
    except grpc.aio.InternalError as error:  # gRPC would log it, with its trace
        raise asyncio.CancelledError from error
