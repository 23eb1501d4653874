"""The classifier seen from here: the Python client, with the token of whoever is being served.

The client blocks, so that its calls run in threads. The token of a request is kept in a context variable, which threads
that are started for the request inherit, and goes into the metadata of each call.
"""

import contextvars
import re
from collections.abc import Callable
from typing import Any, Final

import grpc

from lastlayer.client.api import Client
from lastlayer.client.errors import AccessError
from lastlayer.client.transport.channel import Security, open_channel
from lastlayer.studio.config import StudioSettings

token: Final = contextvars.ContextVar("token", default="")
"""The bearer token of the request that is being served; empty where it has none."""

_LOOPBACK: Final = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+")


def connect(settings: StudioSettings) -> Client:
    """Return a client of the classifier; raises `InvalidInputError` where files of TLS cannot be used."""
    security = None
    if settings.classifier_tls_ca is not None:
        security = Security(
            ca=settings.classifier_tls_ca, certificate=settings.classifier_tls_cert, key=settings.classifier_tls_key
        )
    private = security is not None or _LOOPBACK.fullmatch(settings.classifier) is not None

    def open_with_token(server: str, known: Security | None) -> grpc.Channel:
        return grpc.intercept_channel(open_channel(server, known), _PassToken(private))

    return Client(settings.classifier, security=security, open_channel=open_with_token)


class _PassToken(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Gives each call the token of its request, where nobody on the way can read it."""

    def __init__(self, private: bool) -> None:
        self._private = private

    def _intercept(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        if known := token.get():
            if not self._private:
                raise AccessError(
                    "The studio calls the classifier without TLS, and sends no token so; set STUDIO_CLASSIFIER_TLS_CA.",
                    code="FAILED_PRECONDITION",
                )
            details = _Details(details, ("authorization", f"Bearer {known}"))
        return continuation(details, request)

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
