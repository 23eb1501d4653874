"""Patience: which failures of idempotent calls are worth another attempt, when, and until when."""

import time
from collections.abc import Callable
from typing import Final

import grpc

from lastlayer.client.errors import BusyError, ClientError, DeadlineError, ServerUnavailableError, from_call

MAX_FAILURES: Final = 5
"""How often the server may be unavailable in a row. A busy one is asked until the time is up."""

_FIRST_WAIT_S: Final = 0.1
_MAX_WAIT_S: Final = 2.0
_LEAST_S: Final = 0.05
"""An attempt with less time than this is not worth making."""


class Patience:
    """Decides after each failure of an idempotent call whether to wait and try again, and waits.

    Time runs from the start, and starts anew with `progressed`: it bounds how long nothing at all may happen.
    """

    def __init__(self, server: str, timeout_s: float, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """`timeout_s` is how long to try; `server` (`host:port`) is for messages."""
        self._server = server
        self._timeout_s = timeout_s
        self._sleep = sleep
        self.progressed()

    def progressed(self) -> None:
        """Forget past failures, as something succeeded."""
        self._failures = 0
        self._deadline = time.monotonic() + self._timeout_s

    @property
    def remaining_s(self) -> float:
        """How many seconds are left."""
        return max(self._deadline - time.monotonic(), 0.0)

    def wait_after(self, failure: grpc.RpcError | ClientError) -> None:
        """Return once another attempt may be made; raises the failure, as the user's error, where none is worth it."""
        error = failure if isinstance(failure, ClientError) else from_call(failure, self._server)
        wait_s = self._wait_s(error)
        if wait_s is None or wait_s + _LEAST_S > self.remaining_s:
            if error is failure:
                raise error
            raise error from failure
        self._sleep(wait_s)

    def _wait_s(self, error: ClientError) -> float | None:
        import random  # which most calls have no use for

        if isinstance(error, BusyError) and error.retry_after_s is not None:
            return error.retry_after_s * random.uniform(1.0, 1.5)  # noqa: S311 - no secret
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            return None
        if isinstance(error, DeadlineError) and not error.reason:
            return 0.0  # a stream's own deadline passed, while answers were coming or nobody was asking for them
        if isinstance(error, ServerUnavailableError):
            # The jitter keeps clients that failed together from coming back together.
            bound_s = min(_FIRST_WAIT_S * 2.0 ** (self._failures - 1), _MAX_WAIT_S)
            return bound_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        return None
