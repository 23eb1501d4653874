"""Every error becomes a status with its details, and every such status can be read back."""

import importlib
from pathlib import Path

import grpc
import pytest

from lastlayer.classifier.domain.errors import StoreFullError, StoreReadOnlyError
from lastlayer.featurizer.errors import ImageTooLargeError
from lastlayer.rpc import errors, status
from lastlayer.rpc.errors import ResourceNotFoundError
from lastlayer.v1 import types_pb2


def all_error_classes(base: type[errors.LastlayerError] = errors.LastlayerError) -> list[type[errors.LastlayerError]]:
    return [kind for sub in base.__subclasses__() for kind in (sub, *all_error_classes(sub))]


def import_errors() -> None:
    """Import every module of the product that is named `errors`, so that each class of error is known here."""
    for package in ("rpc", "featurizer", "classifier"):
        [root] = importlib.import_module(f"lastlayer.{package}").__path__
        for path in Path(root).rglob("errors.py"):
            parts = path.relative_to(root).with_suffix("").parts
            importlib.import_module(".".join(("lastlayer", package, *parts)))


import_errors()
CONCRETE = [kind for kind in all_error_classes() if "reason" in vars(kind) and kind.__module__.startswith("lastlayer.")]


def test_every_reason_of_the_contract_has_a_code() -> None:
    reasons = {name.removeprefix("ERROR_REASON_") for name in types_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert set(status.CODES) == reasons - {"UNSPECIFIED"}


def test_every_error_class_has_a_reason_of_its_own() -> None:
    reasons = [kind.reason for kind in CONCRETE]
    assert sorted(reasons) == sorted(set(status.CODES) - {"INTERNAL"})


def test_an_invalid_field_carries_the_field_and_the_reason() -> None:
    written = status.to_status(errors.InvalidFieldError("examples[3].label", "The label is empty."))
    details = status.read_status(written)
    assert details == status.ErrorDetails(
        code=grpc.StatusCode.INVALID_ARGUMENT,
        message="The label is empty.",
        reason="INVALID_FIELD",
        field="examples[3].label",
    )


def test_overload_says_when_to_come_again() -> None:
    details = status.read_status(status.to_status(errors.OverloadedError("The queue is full.", retry_after_s=1.25)))
    assert (details.code, details.retry_after_s) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 1.25)


def test_metadata_travels() -> None:
    error = ImageTooLargeError(width=20_000, height=10_000, max_pixels=64_000_000)
    details = status.read_status(status.to_status(error))
    assert details.metadata == {"pixels": "200000000", "max_pixels": "64000000"}
    assert details.message == "The image has 20000 x 10000 pixels; at most 64 megapixels are accepted."


def test_a_very_long_sentence_is_cut_to_fit_the_headers() -> None:
    written = status.to_status(ResourceNotFoundError("model", "m" * 100_000))
    assert len(written.message) == 1000


def test_the_status_of_a_fault_tells_nothing_but_the_id() -> None:
    details = status.read_status(status.internal_status("abc"))
    assert (details.code, details.reason, details.metadata) == (
        grpc.StatusCode.INTERNAL,
        "INTERNAL",
        {"error_id": "abc"},
    )


@pytest.mark.parametrize("kind", [StoreFullError, StoreReadOnlyError])
def test_a_store_that_cannot_be_written_is_named(kind: type[StoreFullError | StoreReadOnlyError]) -> None:
    assert "`/data/lastlayer.db`" in kind("/data/lastlayer.db").message
