"""Turns what a handler raises into a rich status, for all four shapes of call, in one place."""

import functools
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NoReturn

import grpc

from lastlayer.rpc.errors import LastlayerError
from lastlayer.rpc.server.handlers import Context, Handler, abort, wrap
from lastlayer.rpc.status import internal_status, to_status

_log = logging.getLogger(__name__)


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers a `LastlayerError` with its status and any other exception with INTERNAL and an id that the log repeats.

    Cancellation and `context.abort` pass untouched.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of the call; where none is registered there is none, and gRPC says UNIMPLEMENTED."""
        method: str = handler_call_details.method
        handler = await continuation(handler_call_details)
        return handler and wrap(handler, functools.partial(_report_errors, method))


@asynccontextmanager
async def _report_errors(method: str, context: Context) -> AsyncIterator[None]:
    try:
        yield
    except Exception as error:
        await _fail(error, context, method)


async def _fail(error: Exception, context: Context, method: str) -> NoReturn:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, LastlayerError):
        _log.info("%s failed: %s: %s", method, error.reason, error.message)
        await abort(context, to_status(error))
    error_id = secrets.token_hex(8)
    _log.error("%s failed unexpectedly, error id %s", method, error_id, exc_info=error)
    await abort(context, internal_status(error_id))
