"""Lets calls in by their tokens: one interceptor for every method, streams included."""

import contextvars
from collections.abc import Awaitable, Callable
from typing import Final

import grpc

from lastlayer.rpc.credentials.tokens import Scope, TokenFile
from lastlayer.rpc.server.handlers import Handler, refuse_with, service_of

caller_scope: Final[contextvars.ContextVar[Scope]] = contextvars.ContextVar("caller_scope", default="admin")
"""What the token of the call in hand is for; `admin` where the service asks for no tokens."""


class AuthorizationInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls without a valid token of the scope that the method needs, before their messages are parsed."""

    def __init__(
        self,
        tokens: TokenFile,
        *,
        predict_methods: frozenset[str],
        open_services: frozenset[str],
        open_methods: frozenset[str] = frozenset(),
    ) -> None:
        """`predict_methods` are the paths (`/package.Service/Method`) that the scope `predict` suffices for; all others
        need `admin`, which errs on the safe side for methods that are new. `open_services` answer without a token, and
        so do `open_methods`, paths as well.
        """
        self._tokens = tokens
        self._predict_methods = predict_methods
        self._open_services = open_services
        self._open_methods = open_methods

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the handler of a call that may be made, or one that refuses it."""
        method: str = handler_call_details.method
        if service_of(method) not in self._open_services and method not in self._open_methods:
            metadata = handler_call_details.invocation_metadata or ()
            values = [value for key, value in metadata if key == "authorization"]
            scope: Scope = "predict" if method in self._predict_methods else "admin"
            # Two of them are one too many: which one counts would be anybody's guess.
            authorization = values[0] if len(values) == 1 and isinstance(values[0], str) else ""
            refusal = self._tokens.find_refusal(authorization, scope)
            if refusal is not None:
                return refuse_with(refusal)
            # Each call is answered in a task of its own, so that it need not be taken back.
            caller_scope.set("admin" if self._tokens.allows(authorization, "admin") else "predict")
        return await continuation(handler_call_details)
