"""Connections to a classifier."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from lastlayer.client.errors import InvalidInputError
from lastlayer.client.transport.defaults import DEFAULT_SERVER
from lastlayer.rpc.channel import CLASSIFIER_SERVICE, channel_options, check_targets, grpc_target
from lastlayer.rpc.observability import request_ids

_CLOSING_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Security:
    """How a server is called by TLS. All files are PEM."""

    ca: Path | None = None
    """The CA of the server's certificate; the public ones where None."""
    certificate: Path | None = None
    """The certificate to show to a server that asks for one (mutual TLS)."""
    key: Path | None = None
    """The certificate's key, not encrypted."""
    token: str | Path | None = None
    """The token to send, or the file that holds it, which is read for each call."""


def check_server(server: str) -> None:
    """Raise `InvalidInputError` where `server` is neither `host:port` nor a list of IP addresses and ports."""
    scheme, separator, rest = server.partition("://")
    if separator:
        tls = ", and add --tls or --tls-ca FILE for TLS (`security` in Python)" if scheme.lower() == "https" else ""
        named = rest.rstrip("/")
        host = named if re.fullmatch(r".+:\d{1,5}", named) else f"{named.partition('/')[0]}:PORT"
        raise InvalidInputError(f"`{server}` has a scheme, which a gRPC server does not; give {host}{tls}.")
    try:
        check_targets(server)
    except ValueError:
        raise InvalidInputError(
            f"`{server}` is no server; give it as HOST:PORT, such as {DEFAULT_SERVER}, or several that share a store "
            "as IP addresses and ports between commas."
        ) from None


def open_channel(server: str, security: Security | None = None) -> grpc.Channel:
    """Return a channel to `server`, see `check_server`, by TLS where there is `security`; the first call connects it.

    Where there are several servers, each call goes to the next of those that serve.

    Raises `InvalidInputError` where the security's files cannot be used.
    """
    # gRPC waits a second before it connects again, longer than our attempts are apart.
    several = "," in server
    options: list[tuple[str, str | int]] = [
        *channel_options(watched_service=CLASSIFIER_SERVICE if several else None),
        ("grpc.initial_reconnect_backoff_ms", 100),
    ]
    target = grpc_target(check_targets(server))
    if re.match(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\]):", server):
        options.append(("grpc.enable_http_proxy", 0))  # a proxy does not know this machine's own services
    if security is not None and several:
        raise InvalidInputError(
            f"`{server}` cannot be called by TLS, as certificates are of names: give one NAME:PORT whose name has all "
            "the addresses."
        )
    if security is None:
        channel = grpc.insecure_channel(target, options=options)
    else:
        channel = grpc.secure_channel(target, _credentials(security), options=options)
    return grpc.intercept_channel(channel, _RequestIds())


def _credentials(security: Security) -> grpc.ChannelCredentials:
    from lastlayer.rpc.credentials.tls import (
        CertificateFiles,
        CredentialsError,
        channel_credentials,
        check_token,
        read_token,
    )

    if (security.certificate is None) != (security.key is None):
        raise InvalidInputError("A certificate and its key go together; only one of them is given.")
    try:
        files = CertificateFiles(security.certificate, security.key, security.ca)
        if isinstance(security.token, Path):
            read_token(security.token)  # gRPC would tell of it less clearly
        elif security.token is not None:
            check_token(security.token, "What is given as a token")
    except CredentialsError as error:
        raise InvalidInputError(str(error)) from error
    return channel_credentials(files.pem, security.token)


class _RequestIds(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Gives each call an id, under which the services log it."""

    def _intercept(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        return continuation(_Details(details, (request_ids.METADATA_KEY, request_ids.create())), request)

    # Each in the same way, whatever the types of the four say of requests and answers.
    intercept_unary_unary = _intercept  # type: ignore[assignment]
    intercept_unary_stream = _intercept  # type: ignore[assignment]
    intercept_stream_unary = _intercept  # type: ignore[assignment]
    intercept_stream_stream = _intercept  # type: ignore[assignment]


class _Details(grpc.ClientCallDetails):
    """A copy of what gRPC tells of a call, which itself cannot be changed, with more metadata."""

    def __init__(self, details: Any, more: tuple[str, str]) -> None:
        self.method = details.method
        self.timeout = details.timeout
        self.metadata = (*(details.metadata or ()), more)
        self.credentials = details.credentials
        self.wait_for_ready = details.wait_for_ready
        self.compression = details.compression


def close_after_interrupt(channel: grpc.Channel) -> None:
    """Close a channel after a KeyboardInterrupt, without waiting for it for long.

    Where the signal hits while a call is being started, nobody ever completes that call, and gRPC's own `close` waits
    for it for ever (https://github.com/grpc/grpc/issues/19973).
    """
    closing = threading.Thread(target=channel.close, daemon=True)
    closing.start()
    closing.join(_CLOSING_S)
