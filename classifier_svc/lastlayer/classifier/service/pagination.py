"""Pages of lists: how long they are, and the tokens that say where the next one begins."""

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from lastlayer.classifier.service.validation import check_name
from lastlayer.rpc.errors import InvalidFieldError
from lastlayer.rpc.system.workers import Workers
from lastlayer.v1 import classifier_pb2

Message = TypeVar(
    "Message",
    classifier_pb2.Dataset,
    classifier_pb2.Model,
    classifier_pb2.ModelVersion,
    classifier_pb2.ReviewedExample,
    classifier_pb2.SimilarExample,
    classifier_pb2.StoredExample,
    classifier_pb2.SuggestedExample,
)

Record = TypeVar("Record")

_MAX_PAGE_BYTES: Final = 8 * 1024 * 1024
"""Where a page ends early: the metrics of a version with a thousand classes have megabytes."""

_FOREIGN_TOKEN: Final = "The page token is not one that this service has given."  # noqa: S105 - no secret


async def read_page(
    request: Any,
    workers: Workers,
    read: Callable[[int], Sequence[Record]],
    convert: Callable[[Record], Message],
    place: Callable[[Record], str],
) -> tuple[list[Message], str]:
    """Return the messages of the page that a request asks for, and the token of the next one, empty on the last page.

    `read` returns the records of the page, at most as many as it is told, and `convert` makes a message of each, both
    in one of the threads of `workers`. `place` is what the token says of a record. Raises InvalidFieldError for a page
    size out of bounds, and what `read` raises.
    """
    size = check_page_size(request.page_size)

    def read_fitting() -> tuple[Sequence[Record], list[Message]]:
        records = read(size + 1)
        return records, take_fitting(map(convert, records[:size]))

    records, page = await workers.run(read_fitting)
    return page, make_token(place(records[len(page) - 1])) if len(records) > len(page) else ""


def check_page_size(requested: int) -> int:
    """Return how many items a page has at most; raises InvalidFieldError."""
    if not 0 <= requested <= 1000:
        raise InvalidFieldError("page_size", f"The page size is {requested}; 0 (for 100) to 1000 are accepted.")
    return requested or 100


def take_fitting(messages: Iterable[Message]) -> list[Message]:
    """Return the first of some messages, at least one where there are any: as many as fit into one answer."""
    fit: list[Message] = []
    size = 0
    for message in messages:
        size += message.ByteSize()
        if fit and size > _MAX_PAGE_BYTES:
            break
        fit.append(message)
    return fit


def make_token(last: str) -> str:
    """Return the token of the page that comes after the item named `last`."""
    return base64.urlsafe_b64encode(last.encode()).decode()


def read_token(token: str) -> str:
    """Return the name in a page token, empty for the first page; raises InvalidFieldError."""
    try:
        name = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
        return check_name("page_token", name) if name else ""
    except (ValueError, InvalidFieldError) as error:
        raise InvalidFieldError("page_token", _FOREIGN_TOKEN) from error


def read_number_token(token: str) -> int:
    """Return the number in a page token, 0 for the first page; raises InvalidFieldError."""
    text = read_token(token)
    if not re.fullmatch(r"(?:[1-9][0-9]{0,8})?", text):
        raise InvalidFieldError("page_token", _FOREIGN_TOKEN)
    return int(text or "0")
