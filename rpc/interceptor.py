"""Turns what a handler raises into a rich status, for all four shapes of call, in one place."""

import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.rpc import status_pb2
from grpc_status import rpc_status

from rpc.errors import LastlayerError, NotReadyError
from rpc.status import internal_status, to_status

_log = logging.getLogger(__name__)

if TYPE_CHECKING:  # generic only in the eyes of the type checker
    _Context = grpc.aio.ServicerContext[Any, Any]
    _Handler = grpc.RpcMethodHandler[Any, Any]
else:
    _Context, _Handler = grpc.aio.ServicerContext, grpc.RpcMethodHandler


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers a `LastlayerError` with its status and any other exception with INTERNAL and an id that the log repeats.

    Cancellation and `context.abort` pass untouched. Calls to a service that is not registered yet are answered with
    UNAVAILABLE instead of gRPC's UNIMPLEMENTED, as the caller is right to come again.
    """

    def __init__(self, services: frozenset[str]) -> None:
        """`services` are the full names of the services that will be registered, at once or once they are loaded."""
        self._services = services

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """Wrap the handler of the call; where none is registered there is none, and gRPC says UNIMPLEMENTED."""
        method: str = handler_call_details.method
        handler = await continuation(handler_call_details)
        service = method.split("/")[1] if method.count("/") == 2 else ""
        if service not in self._services:  # health and reflection, which answer for themselves
            return handler
        return _not_ready_handler() if handler is None else _wrapped(handler, method)


def _not_ready_handler() -> _Handler:
    async def refuse(_request: object, context: _Context) -> NoReturn:
        await _abort(context, to_status(NotReadyError("The service is still starting; try again in a moment.")))

    # The request is not even parsed, so that one handler serves every shape of call.
    return grpc.unary_unary_rpc_method_handler(refuse)


def _wrapped(handler: _Handler, method: str) -> _Handler:
    """Return the handler with its function inside a net."""
    function: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

    async def answer_once(request: object, context: _Context) -> object:
        try:
            return await function(request, context)
        except Exception as error:
            await _fail(error, context, method)

    async def answer_many(request: object, context: _Context) -> AsyncIterator[object]:
        try:
            # Closed at once where the caller has gone, not whenever the garbage collector comes by.
            async with contextlib.aclosing(function(request, context)) as responses:
                async for response in responses:
                    yield response
        except Exception as error:
            await _fail(error, context, method)

    make: Callable[..., _Handler] = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    return make(
        answer_many if handler.response_streaming else answer_once,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


async def _fail(error: Exception, context: _Context, method: str) -> NoReturn:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, LastlayerError):
        _log.info("%s failed: %s: %s", method, error.reason, error.message)
        await _abort(context, to_status(error))
    error_id = secrets.token_hex(8)
    _log.error("%s failed unexpectedly, error id %s", method, error_id, exc_info=error)
    await _abort(context, internal_status(error_id))


async def _abort(context: _Context, status: status_pb2.Status) -> NoReturn:
    rich = rpc_status.to_status(status)
    await context.abort(rich.code, rich.details or "", rich.trailing_metadata or ())
