"""Statuses as exceptions: every code of gRPC, every reason of the contract."""

import re

import grpc
import pytest

from lastlayer.client import errors
from lastlayer.client.transport.retry import Patience
from lastlayer.rpc.status import CODES, ErrorDetails
from lastlayer.v1 import types_pb2

SERVER = "somewhere:1"
REASONS = [value.name for value in types_pb2.ErrorReason.DESCRIPTOR.values if value.number]


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_code_has_its_class(code: grpc.StatusCode) -> None:
    assert code.name in errors.CLASSES
    error = errors.from_details(ErrorDetails(code, ""), SERVER)
    assert type(error) is errors.CLASSES[code.name]
    assert error.code == code.name
    assert SERVER in str(error)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_keeps_its_sentence(reason: str) -> None:
    short = reason.removeprefix("ERROR_REASON_")
    details = ErrorDetails(CODES[short], "What was wrong.", short, {"name": "x"}, "model", 1.5)
    error = errors.from_details(details, SERVER)
    assert (str(error), error.reason, error.metadata) == ("What was wrong.", short, {"name": "x"})
    if isinstance(error, errors.BusyError):
        assert error.retry_after_s == 1.5
    if isinstance(error, errors.InvalidInputError):
        assert error.field == "model"


def test_a_full_disk_is_not_a_busy_server() -> None:
    details = ErrorDetails(grpc.StatusCode.RESOURCE_EXHAUSTED, "Full.", "STORE_FULL")
    assert type(errors.from_details(details, SERVER)) is errors.ServerError


def test_a_call_that_a_closing_server_cancelled_is_made_again() -> None:
    """gRPC itself cancels a call that comes in the very moment in which the server closes."""
    cancelled = errors.from_details(ErrorDetails(grpc.StatusCode.CANCELLED, "CANCELLED"), SERVER)
    waited: list[float] = []
    Patience(SERVER, 60, sleep=waited.append).wait_after(cancelled)
    assert len(waited) == 1


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    def depths(kind: type[Exception], depth: int) -> dict[str, int]:
        below = [depths(child, depth + 1) for child in kind.__subclasses__()]
        return {kind.__name__: depth} | {name: value for entry in below for name, value in entry.items()}

    assert errors.__doc__ is not None
    drawn = {
        match["name"]: len(match["branch"]) // 4
        for match in re.finditer(r"^(?P<branch>[ │├└─]*)(?P<name>\w+Error)\b", errors.__doc__, re.MULTILINE)
    }
    assert drawn == depths(errors.ClientError, 0)
