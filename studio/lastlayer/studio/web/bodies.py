"""Bounds the bodies of requests: each in size and in the time that it takes to arrive, and all together in bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from lastlayer.studio.web.problems import RefusedError

MAX_BODY_BYTES: Final = 33 * 1024 * 1024
"""The most bytes of a request: an image of 32 MiB, and what a form puts around it."""

TOTAL_BYTES: Final = 4 * MAX_BODY_BYTES
"""The most bytes of all requests that are inside. What is made of a body takes a few times as many."""

SMALL_BYTES: Final = 64 * 1024
"""What is no larger needs no room: under a flood of images the rest of the page works."""

PATIENCE_S: Final = 5.0
"""How long a request waits for room. It is not read meanwhile, so that it stays with its sender."""

ARRIVAL_S: Final = 60.0
"""How long a body may take to arrive, once there is room."""


class Bodies:
    """The bodies of requests that are inside."""

    def __init__(
        self,
        *,
        most_bytes: int = MAX_BODY_BYTES,
        total_bytes: int = TOTAL_BYTES,
        patience_s: float = PATIENCE_S,
        arrival_s: float = ARRIVAL_S,
    ) -> None:
        """A body has at most `most_bytes`, and all that are inside have `total_bytes`."""
        self._most_bytes = most_bytes
        self._free = total_bytes
        self._patience_s = patience_s
        self._arrival_s = arrival_s
        self._changed = asyncio.Condition()

    def check(self, headers: Headers) -> None:
        """Raise RefusedError where a request says that its body is too large, or of no size at all."""
        if not 0 <= self._size(headers) <= self._most_bytes:
            raise self._too_large()

    @contextlib.asynccontextmanager
    async def bounded(self, headers: Headers, receive: Receive) -> AsyncIterator[Receive]:
        """Yield a `receive` that takes room for the body before it takes the body; given back when the block ends.

        It raises RefusedError where there is none, or where the body is too large or too slow.
        """
        room = self._size(headers)
        if room <= SMALL_BYTES:
            room = 0
        taken, seen, ended = False, 0, False
        deadline = 0.0

        async def receive_bounded() -> Message:
            nonlocal taken, seen, ended, deadline
            if not taken:
                await self._take(room)
                taken, deadline = True, asyncio.get_running_loop().time() + self._arrival_s
            if ended:  # all that may still come is that the sender goes away
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise RefusedError(
                    408,
                    "DEADLINE_EXCEEDED",
                    f"The request has not arrived within {self._arrival_s:g} s; send it again.",
                ) from None
            seen += len(message.get("body", b""))
            if seen > self._most_bytes:
                raise self._too_large()
            ended = not message.get("more_body", False)
            return message

        try:
            yield receive_bounded
        finally:
            if taken:
                await self._give_back(room)

    def _size(self, headers: Headers) -> int:
        """Return how many bytes a body has, or may have; -1 where the request does not know."""
        if "transfer-encoding" in headers:
            return self._most_bytes
        try:
            return int(headers.get("content-length", "0"))
        except ValueError:
            return -1

    async def _take(self, room: int) -> None:
        try:
            async with asyncio.timeout(self._patience_s), self._changed:
                await self._changed.wait_for(lambda: room <= self._free)
                self._free -= room
        except TimeoutError:
            raise RefusedError(
                429,
                "RESOURCE_EXHAUSTED",
                "Many large requests are here already; try again in a moment.",
                reason="OVERLOADED",
                retry_after_s=1.0,
            ) from None

    async def _give_back(self, room: int) -> None:
        self._free += room
        async with self._changed:
            self._changed.notify_all()

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413,
            "INVALID_ARGUMENT",
            f"The request is larger than {self._most_bytes // 2**20} MiB; send fewer or smaller images.",
            reason="REQUEST_TOO_LARGE",
        )
