"""Who may call the studio, and what its pages may do.

A browser on this machine also shows pages of strangers. These cannot read the studio's answers, but could send it
requests; and a stranger's name that suddenly resolves to 127.0.0.1 (DNS rebinding) makes theirs the same site. So the
Host must be one of ours, and an Origin must be that Host. There are no cookies, so that no request carries anybody's
rights by itself.
"""

from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lastlayer.studio.classifier import token
from lastlayer.studio.web.bodies import Bodies
from lastlayer.studio.web.problems import RefusedError, to_response

_MAX_TOKEN_CHARS: Final = 4096

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob: mediastream:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""The Content-Security-Policy: everything from here, and no text that becomes HTML or a script."""

_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Refuses requests of strangers and those that are too large; adds the headers that bind our pages."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], bodies: Bodies | None = None) -> None:
        """`hosts` are the names, in lower case and without ports, by which it may be called; `bodies` bounds what is
        sent.
        """
        self._app = app
        self._hosts = frozenset(hosts)
        self._bodies = bodies or Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_bound(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        try:
            self._check(headers, scope["path"])
            known = _token_of(headers)
        except RefusedError as error:
            answer = to_response(error.problem, scope["path"])
            answer.headers["Connection"] = "close"  # whatever else it was going to send is not read
            await answer(scope, receive, send_bound)
            return
        reset = token.set(known)
        try:
            async with self._bodies.bounded(headers, receive) as receive_bounded:
                await self._app(scope, receive_bounded, send_bound)
        finally:
            token.reset(reset)

    def _check(self, headers: Headers, path: str) -> None:
        host = headers.get("host", "")
        name = host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if name.lower() not in self._hosts or len(headers.getlist("host")) != 1:
            raise RefusedError(
                403,
                "PERMISSION_DENIED",
                "The studio is not known by this name; call it by http://127.0.0.1, or let STUDIO_HOSTS name the host.",
                reason="HOST_NOT_ALLOWED",
            )
        origins = headers.getlist("origin")
        if origins and any(origin not in (f"http://{host}", f"https://{host}") for origin in origins):
            raise _foreign()
        # Requests without an Origin, such as images of other pages; a link from another page to ours is well.
        if path.startswith(("/v1/", "/v2/")) and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise _foreign()
        self._bodies.check(headers)


def _foreign() -> RefusedError:
    return RefusedError(
        403, "PERMISSION_DENIED", "Pages of other sites may not call the studio.", reason="ORIGIN_NOT_ALLOWED"
    )


def _token_of(headers: Headers) -> str:
    """Return the bearer token of a request, empty where it has none."""
    value = headers.get("authorization", "")
    scheme, _, known = value.partition(" ")
    known = known.strip()
    if not value:
        return ""
    usable = 0 < len(known) <= _MAX_TOKEN_CHARS and known.isascii() and known.isprintable() and " " not in known
    if scheme.lower() != "bearer" or not usable:
        detail = "`Authorization` must be `Bearer TOKEN`, and a token has no blanks."
        raise RefusedError(401, "UNAUTHENTICATED", detail, reason="UNAUTHENTICATED")
    return known
