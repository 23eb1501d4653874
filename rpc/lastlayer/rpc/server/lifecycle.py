"""The life of a server: bind, health NOT_SERVING, load, SERVING, and on a signal drain and stop."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any, Final, cast

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from lastlayer.rpc.channel import KEEPALIVE_MS, MAX_MESSAGE_BYTES
from lastlayer.rpc.errors import BindError, NotReadyError
from lastlayer.rpc.server.call_interceptor import CallInterceptor
from lastlayer.rpc.server.error_interceptor import ErrorInterceptor
from lastlayer.rpc.server.handlers import refuse_with, service_of
from lastlayer.rpc.server.open_inference.descriptors import reflection_pool
from lastlayer.rpc.server.receiving import DEFAULT_LIMITS, Check, ReceiveInterceptor, ReceiveLimits
from lastlayer.rpc.server.security import ServerSecurity

_log = logging.getLogger(__name__)

OPTIONS: Final = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Without this a second server binds the same port and silently takes half of the calls.
    ("grpc.so_reuseport", 0),
    # By default a server drops clients that probe a silent connection more often than every five minutes.
    ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_MS // 2),
    ("grpc.keepalive_permit_without_calls", 1),
    # More calls than that wait in the client, and where it begins the next before the server has forgotten the last,
    # gRPC refuses it as UNAVAILABLE. So it is to be more than services take; what is received is bounded elsewhere.
    ("grpc.max_concurrent_streams", 1000),
    # What nobody reads yet stays with its sender, but for so many bytes, in which most photos fit. Else gRPC measures
    # how much it could take, and takes megabytes of each message.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 256 * 1024),
    # Clients look up new replicas when a connection ends, so each ends some time; calls in flight are left to finish.
    ("grpc.max_connection_age_ms", 5 * 60 * 1000),
]


class _LateHandlers(grpc.GenericRpcHandler):
    """Answers with the handlers of the services that are loaded so far; gRPC takes handlers only before the start.

    Calls to a service that is still to come are answered with UNAVAILABLE instead of gRPC's UNIMPLEMENTED, as the
    caller is right to come again.
    """

    def __init__(self, services: Iterable[str]) -> None:
        """`services` are the full names of those that will be registered."""
        self._handlers: list[grpc.GenericRpcHandler] = []
        self._awaited = set(services)

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.ServiceRpcHandler]) -> None:
        """Stand in for the server in the generated function that adds a service."""
        for handler in handlers:
            self._handlers.append(handler)
            self._awaited.discard(handler.service_name() or "")

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Do nothing: the same handlers come as generic ones."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return the handler of a call, or None."""
        if service_of(handler_call_details.method) in self._awaited:
            return refuse_with(NotReadyError("The service is still starting; try again in a moment."))
        found = (handler.service(handler_call_details) for handler in self._handlers)
        return next((handler for handler in found if handler is not None), None)


class GrpcServer:
    """A gRPC server with the standard health and reflection services.

    It can be started before its services are loaded: health then says NOT_SERVING, and calls are answered with
    UNAVAILABLE (NOT_READY).
    """

    def __init__(
        self,
        address: str,
        *,
        services: Sequence[str],
        grace_s: float,
        security: ServerSecurity | None = None,
        limits: ReceiveLimits = DEFAULT_LIMITS,
    ) -> None:
        """`address` is `host:port`, port 0 for a free one; `services` are the full names of what will be registered;
        `grace_s` is how many seconds calls in flight have to finish when the server stops; without `security` anybody
        may call; `limits` bound what is received at once.
        """
        self._address = address
        self._services = tuple(services)
        self._grace_s = grace_s
        self._security = security or ServerSecurity()
        self._receiving = ReceiveInterceptor(services, limits)
        self._health = health.aio.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self._late = _LateHandlers(services)
        self.bound_address = ""
        """The address with its real port, once started."""

    async def start(self) -> None:
        """Bind and answer health checks with NOT_SERVING; raises `BindError`. A second call does nothing."""
        if self._server is not None:
            return
        names = frozenset(self._services)
        authorization, credentials = self._security.authorization, self._security.credentials
        interceptors: list[grpc.aio.ServerInterceptor] = [CallInterceptor(names)]
        if authorization is not None:
            interceptors.append(authorization)
        interceptors += [ErrorInterceptor(), self._receiving]
        server = grpc.aio.server(interceptors=interceptors, options=OPTIONS)
        try:
            if credentials is None:
                port = server.add_insecure_port(self._address)
            else:
                port = server.add_secure_port(self._address, credentials)
        except RuntimeError as error:
            raise BindError(
                f"Cannot listen on {self._address}: another program uses the port, or this machine has no such address."
            ) from error
        self._server = server
        self.bound_address = f"{self._address.rpartition(':')[0]}:{port}"
        server.add_generic_rpc_handlers([self._late])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        services = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(services, server, reflection_pool(services))
        await self.set_serving(False)
        await server.start()

    def register(
        self,
        add: Callable[[Any, grpc.aio.Server], None],
        servicer: object,
        *,
        checks: Mapping[str, Check] = MappingProxyType({}),
    ) -> None:
        """Add a service, before or after the start: `add` is its generated `add_…Servicer_to_server`.

        `checks` refuse calls of methods, by their paths (`/package.Service/Method`), before a request is received.
        """
        self._receiving.check_first(checks)
        add(servicer, cast(grpc.aio.Server, self._late))

    async def set_serving(self, serving: bool, service: str | None = None) -> None:
        """Tell the health service: about one serving name, or about the server as a whole and all its services."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in (health.OVERALL_HEALTH, *self._services) if service is None else (service,):
            await self._health.set(name, status)

    async def stop(self) -> None:
        """Say NOT_SERVING, refuse new calls and let those in flight finish within the grace period.

        Safe to call twice, or without a start.
        """
        if self._server is None:
            return
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._grace_s)


async def run_until_signal(running: AbstractAsyncContextManager[str]) -> None:
    """Enter the context, stay until SIGTERM or SIGINT, and leave it; a signal while entering breaks that off."""
    entering = asyncio.current_task()
    stopping = asyncio.Event()
    entered = False

    def stop() -> None:
        stopping.set()
        if not entered and entering is not None:
            entering.cancel()

    with _signals(stop), contextlib.ExitStack() as stack:
        stack.callback(_log.info, "stopped")
        try:
            async with running:
                entered = True
                # The modules' objects stay, some 200,000. Under load the collector would look through them every
                # few seconds, and hold up all calls for a tenth of a second.
                gc.collect()
                gc.freeze()
                await stopping.wait()
                _log.info("stopping: finishing the calls in flight")
        except asyncio.CancelledError:
            if not stopping.is_set():
                raise


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
