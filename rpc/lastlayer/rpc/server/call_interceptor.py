"""Follows every call of our services: its request id, its span, what it ended with, and how long it took."""

import asyncio
import functools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
from prometheus_client import Counter, Gauge, Histogram

from lastlayer.rpc.observability import request_ids, traces
from lastlayer.rpc.server.handlers import Context, Handler, wrap
from lastlayer.rpc.server.open_inference.descriptors import find_service

_log = logging.getLogger(__name__)

# The names are those of the gRPC ecosystem's Prometheus middleware, which dashboards know.
_HANDLED: Final = Counter(
    "grpc_server_handled", "Calls that ended, by their status code", ["grpc_service", "grpc_method", "grpc_code"]
)
_IN_FLIGHT: Final = Gauge("grpc_server_in_flight", "Calls being answered now", ["grpc_service", "grpc_method"])
_SECONDS: Final = Histogram(
    "grpc_server_handling_seconds",
    "How long calls took from their first byte to their last",
    ["grpc_service", "grpc_method"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
)
_CODES: Final = {code.value[0]: code.name for code in grpc.StatusCode}


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Gives each call to our services its request id, counts it and times it; at DEBUG it logs it as well.

    To be the outermost, so that refused calls are counted too.
    """

    def __init__(self, services: Iterable[str]) -> None:
        """`services` are the full names of those to follow."""
        # By what the contract has, not by what is called: else a caller could fill our memory with metrics of its own.
        self._methods = {
            f"/{service}/{method.name}": (service, method.name)
            for service in services
            for method in find_service(service).methods
        }

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of the call."""
        handler = await continuation(handler_call_details)
        known = self._methods.get(handler_call_details.method)
        if handler is None or known is None:
            return handler
        return wrap(handler, functools.partial(_follow, *known, handler_call_details.invocation_metadata))


@asynccontextmanager
async def _follow(
    service: str, method: str, metadata: Iterable[tuple[str, str | bytes]] | None, context: Context
) -> AsyncIterator[None]:
    # Each call is answered in a task of its own, so that neither need be taken back.
    request_id = request_ids.read(metadata)
    request_ids.current.set(request_id)
    span = traces.begin(service, method, metadata, request_id)
    started = time.monotonic()
    code = "OK"
    in_flight = _IN_FLIGHT.labels(service, method)
    in_flight.inc()
    try:
        yield
        code = _code(context)
    except grpc.aio.AbortError:
        code = _code(context)
        raise
    except (asyncio.CancelledError, GeneratorExit):
        remaining_s = context.time_remaining()
        code = "DEADLINE_EXCEEDED" if remaining_s is not None and remaining_s <= 0 else "CANCELLED"
        raise
    except BaseException:
        code = "UNKNOWN"
        raise
    finally:
        seconds = time.monotonic() - started
        in_flight.dec()
        traces.end(span, code, grpc.StatusCode[code].value[0])
        _HANDLED.labels(service, method, code).inc()
        _SECONDS.labels(service, method).observe(seconds)
        _log.debug("%s.%s ended with %s after %.0f ms", service, method, code, seconds * 1000)


def _code(context: Context) -> str:
    """Return the name of the code that a call ended with; OK where it was never set."""
    found: Any = context.code()  # before `abort` a number or None, whatever its type says
    return found.name if isinstance(found, grpc.StatusCode) else _CODES.get(found or 0, "UNKNOWN")
