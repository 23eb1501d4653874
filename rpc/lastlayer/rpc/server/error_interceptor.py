"""Turns what a handler raises into a rich status, for all four shapes of call, in one place."""

import functools
import logging
import math
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, NoReturn

import grpc

from lastlayer.rpc.errors import LastlayerError, OverloadedError
from lastlayer.rpc.server.handlers import Context, Handler, abort, wrap
from lastlayer.rpc.status import internal_status, to_status

_log = logging.getLogger(__name__)

_OVERLOAD_LINE_S: Final = 1.0
"""How long no further line tells of an overloaded service."""


class _OverloadLog:
    """Tells of calls that were refused for want of room, which come by the hundred: in one line a second at most."""

    def __init__(self) -> None:
        self._untold = 0
        self._told_at = -math.inf

    def note(self, method: str, error: OverloadedError) -> None:
        """Log a refusal, or count it to the next one that is."""
        now = time.monotonic()
        if now - self._told_at < _OVERLOAD_LINE_S:
            self._untold += 1
            return
        more = f" ({self._untold} more since the line before)" if self._untold else ""
        _log.info("%s failed: %s: %s%s", method, error.reason, error.message, more)
        self._untold = 0
        self._told_at = now


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Answers a `LastlayerError` with its status and any other exception with INTERNAL and an id that the log repeats.

    Cancellation and `context.abort` pass untouched.
    """

    def __init__(self) -> None:
        self._overloads = _OverloadLog()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of the call; where none is registered there is none, and gRPC says UNIMPLEMENTED."""
        method: str = handler_call_details.method
        handler = await continuation(handler_call_details)
        return handler and wrap(handler, functools.partial(_report_errors, method, self._overloads))


@asynccontextmanager
async def _report_errors(method: str, overloads: _OverloadLog, context: Context) -> AsyncIterator[None]:
    try:
        yield
    except Exception as error:
        await _fail(error, context, method, overloads)


async def _fail(error: Exception, context: Context, method: str, overloads: _OverloadLog) -> NoReturn:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, LastlayerError):
        if isinstance(error, OverloadedError):
            overloads.note(method, error)
        else:
            _log.info("%s failed: %s: %s", method, error.reason, error.message)
        await abort(context, to_status(error))
    error_id = secrets.token_hex(8)
    _log.error("%s failed unexpectedly, error id %s", method, error_id, exc_info=error)
    await abort(context, internal_status(error_id))
