"""Serves the studio by HTTP until a signal comes."""

import logging
import math
import signal
import socket
from typing import Final

import uvicorn

from lastlayer.studio.app import create_app
from lastlayer.studio.classifier import connect
from lastlayer.studio.config import StudioSettings
from lastlayer.studio.web.connection import Connection

_log = logging.getLogger(__name__)

_MAX_CONNECTIONS: Final = 1024
"""How many connections may be open; more are answered 503."""


class AddressError(Exception):
    """An address cannot be listened on. Its text is one sentence for the user."""


def run(settings: StudioSettings) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight may then finish within the grace period.

    Raises `AddressError` where the address is taken or not of this machine, `InvalidInputError` where files of TLS
    cannot be used.
    """
    with listen(settings.address) as sock:
        serving = server(settings)

        def stop(*_: object) -> None:
            serving.should_exit = True

        # For a signal that comes before uvicorn handles them, and for the one that it raises again when it has stopped.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        serving.run([sock])


def server(settings: StudioSettings) -> uvicorn.Server:
    """Return the server, which is given its socket when it runs; raises `InvalidInputError` for files of TLS."""
    config = uvicorn.Config(
        create_app(connect(settings), hosts=settings.host_names),
        http=Connection,
        log_config=None,  # ours is set up already
        access_log=False,
        server_header=False,
        lifespan="on",
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=math.ceil(settings.grace_seconds),
        h11_max_incomplete_event_size=32 * 1024,
    )
    return uvicorn.Server(config)


def listen(address: str) -> socket.socket:
    """Return a socket that listens at `HOST:PORT`; raises `AddressError`."""
    host, _, port = address.rpartition(":")
    try:
        [(family, *_, where), *_] = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        sock = socket.create_server(where[:2], family=family, backlog=512)
    except OSError as error:
        raise AddressError(f"The studio cannot listen at {address}: {error.strerror or error}.") from error
    _log.info("The studio is at http://%s", address)
    # asyncio sends what is small at once (TCP_NODELAY) only where a socket says that it is of TCP. Without it the end
    # of each answer waits 40 ms for the browser's acknowledgement of its beginning.
    return socket.socket(sock.family, sock.type, socket.IPPROTO_TCP, fileno=sock.detach())
