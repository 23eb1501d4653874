"""Connections to a classifier."""

import re
import threading

import grpc

from client.defaults import DEFAULT_SERVER
from client.errors import InvalidInputError
from rpc.channel import channel_options

_CLOSING_S = 0.5


def check_server(server: str) -> None:
    """Raise `InvalidInputError` where `server` is not `host:port`."""
    if not re.fullmatch(r".+:\d{1,5}", server):
        raise InvalidInputError(f"`{server}` is no server; give it as HOST:PORT, such as {DEFAULT_SERVER}.")


def open_channel(server: str) -> grpc.Channel:
    """Return a channel to `host:port`; it connects with the first call."""
    # gRPC waits a second before it connects again, longer than our attempts are apart.
    options: list[tuple[str, str | int]] = [*channel_options(), ("grpc.initial_reconnect_backoff_ms", 100)]
    if re.match(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\]):", server):
        options.append(("grpc.enable_http_proxy", 0))  # a proxy does not know this machine's own services
    return grpc.insecure_channel(server, options=options)


def close_after_interrupt(channel: grpc.Channel) -> None:
    """Close a channel after a KeyboardInterrupt, without waiting for it for long.

    Where the signal hits while a call is being started, nobody ever completes that call, and gRPC's own `close` waits
    for it for ever (https://github.com/grpc/grpc/issues/19973).
    """
    closing = threading.Thread(target=channel.close, daemon=True)
    closing.start()
    closing.join(_CLOSING_S)
