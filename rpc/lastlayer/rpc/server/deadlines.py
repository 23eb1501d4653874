"""Deadlines of calls, on the clock that all our waiting goes by."""

import time
from typing import Any

import grpc


def deadline_of(context: "grpc.aio.ServicerContext[Any, Any]") -> float | None:
    """Return when the call must have ended, in seconds of `time.monotonic()`; None where its caller waits for ever."""
    remaining_s = context.time_remaining()
    return None if remaining_s is None else time.monotonic() + remaining_s
