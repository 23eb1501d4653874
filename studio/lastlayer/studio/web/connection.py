"""A connection of a browser: closed where no request comes, so that whoever opens many keeps nobody else out."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S: Final = 10.0
"""How long the first line and the headers of a request may take to arrive."""

MOST_WAITING: Final = 512
"""How many connections may be open; beyond that each new one takes the place of the oldest without a request."""


class Connection(H11Protocol):
    """Serves HTTP/1.1 as uvicorn does, but waits for a request only so long, and for so many."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """It takes what uvicorn's takes."""
        super().__init__(*arguments, **options)
        self._timer: asyncio.TimerHandle | None = None
        self._opened_at = self.loop.time()

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being served."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > MOST_WAITING:
            waiting = [one for one in self.connections if isinstance(one, Connection) and one.is_waiting]
            min(waiting, key=lambda one: one._opened_at).give_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come; the rest of a head is waited for."""
        super().data_received(data)
        if self.is_waiting:
            self._watch()
        else:
            self._forget()

    def give_up(self) -> None:
        """Close it, unless a request is being served."""
        self._forget()
        if self.is_waiting:
            self.connections.discard(self)
            self.transport.abort()

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self.give_up)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
