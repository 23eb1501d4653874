"""The id of the request that is being answered: it travels from the client through all services into every log line."""

import os
import re
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

METADATA_KEY: Final = "x-request-id"
"""The metadata that it travels in."""

_VALID: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")

current: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""The id of the request that this task works for; empty where it works for none."""


def create() -> str:
    """Return an id for a new request."""
    return os.urandom(8).hex()


def read(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """Return the id that came with a call, or a new one where none came or it could not be logged as it is."""
    values = (value for key, value in metadata or () if key == METADATA_KEY)
    value = next(values, "")
    return value if isinstance(value, str) and _VALID.fullmatch(value) else create()


def to_metadata() -> tuple[tuple[str, str], ...]:
    """Return the metadata that passes the id on to the next service."""
    known = current.get()
    return ((METADATA_KEY, known),) if known else ()
