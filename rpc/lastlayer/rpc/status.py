"""Our errors as google.rpc.Status with ErrorInfo, BadRequest and RetryInfo details, and such statuses read back.

The forms are those of AIP-193 (https://google.aip.dev/193).
"""

import dataclasses
from collections.abc import Mapping
from typing import Final, cast

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import error_details_pb2, status_pb2

from lastlayer.rpc.errors import InvalidFieldError, LastlayerError, OverloadedError

DOMAIN: Final = "lastlayer.v1"

CODES: Final[Mapping[str, grpc.StatusCode]] = {
    "INVALID_FIELD": grpc.StatusCode.INVALID_ARGUMENT,
    "IMAGE_EMPTY": grpc.StatusCode.INVALID_ARGUMENT,
    "IMAGE_UNDECODABLE": grpc.StatusCode.INVALID_ARGUMENT,
    "IMAGE_TOO_LARGE": grpc.StatusCode.INVALID_ARGUMENT,
    "IMAGE_TOO_COMPLEX": grpc.StatusCode.INVALID_ARGUMENT,
    "RESOURCE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "DATASET_NOT_TRAINABLE": grpc.StatusCode.FAILED_PRECONDITION,
    "BACKBONE_MISMATCH": grpc.StatusCode.FAILED_PRECONDITION,
    "FEATURES_TOO_FAR": grpc.StatusCode.FAILED_PRECONDITION,
    "VIEW_NOT_OFFERED": grpc.StatusCode.FAILED_PRECONDITION,
    "MAP_NOT_OFFERED": grpc.StatusCode.FAILED_PRECONDITION,
    "RECIPE_NOT_SUPPORTED": grpc.StatusCode.FAILED_PRECONDITION,
    "VERSION_IN_USE": grpc.StatusCode.FAILED_PRECONDITION,
    "OVERLOADED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "STORE_FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "STORE_READ_ONLY": grpc.StatusCode.FAILED_PRECONDITION,
    "NOT_EXPLAINABLE": grpc.StatusCode.FAILED_PRECONDITION,
    "STORE_CORRUPT": grpc.StatusCode.DATA_LOSS,
    "FEATURIZER_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "NOT_READY": grpc.StatusCode.UNAVAILABLE,
    "DEADLINE_PASSED": grpc.StatusCode.DEADLINE_EXCEEDED,
    "UNAUTHENTICATED": grpc.StatusCode.UNAUTHENTICATED,
    "PERMISSION_DENIED": grpc.StatusCode.PERMISSION_DENIED,
    "REQUEST_ID_REUSED": grpc.StatusCode.INVALID_ARGUMENT,
    "INTERNAL": grpc.StatusCode.INTERNAL,
}
"""The gRPC code of each reason, whichever service it comes from."""


def to_status(error: LastlayerError) -> status_pb2.Status:
    """Return the error as a status with all its details."""
    details: list[message.Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    ]
    if isinstance(error, InvalidFieldError):
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, OverloadedError):
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(round(error.retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(CODES[error.reason], error.message, details)


def internal_status(error_id: str) -> status_pb2.Status:
    """Return the status of an unexpected fault; the log has the fault itself under `error_id`."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"error_id": error_id})
    text = f"The service failed unexpectedly; its log has the details under the id {error_id}."
    return _status(grpc.StatusCode.INTERNAL, text, [info])


def _status(code: grpc.StatusCode, text: str, details: list[message.Message]) -> status_pb2.Status:
    packed = []
    for detail in details:
        box = any_pb2.Any()
        box.Pack(detail)
        packed.append(box)
    # The text travels in the headers, which gRPC bounds; a name from the request may have made it long.
    short = text if len(text) <= 1000 else f"{text[:999]}…"
    return status_pb2.Status(code=code.value[0], message=short, details=packed)


@dataclasses.dataclass(frozen=True)
class ErrorDetails:
    """What a status says."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    """The name of the `ErrorReason`, without its prefix; empty where the status is not of ours."""
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    field: str = ""
    """The path of the request's field that is to blame; empty where none is."""
    retry_after_s: float | None = None


_CODES_BY_NUMBER: Final = {code.value[0]: code for code in grpc.StatusCode}


def read_status(status: status_pb2.Status) -> ErrorDetails:
    """Return what the status says; details of kinds that we do not use are passed over."""
    details = ErrorDetails(_CODES_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN), status.message)
    info, bad_request, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    for box in status.details:
        if box.Unpack(info) and info.domain == DOMAIN:
            details = dataclasses.replace(details, reason=info.reason, metadata=dict(info.metadata))
        elif box.Unpack(bad_request) and bad_request.field_violations:
            details = dataclasses.replace(details, field=bad_request.field_violations[0].field)
        elif box.Unpack(retry):
            details = dataclasses.replace(details, retry_after_s=retry.retry_delay.ToNanoseconds() / 1e9)
    return details


def read_error(error: grpc.RpcError) -> ErrorDetails:
    """Return what a failed call says, whether it failed at the server or on the way (sync or asyncio)."""
    from grpc_status import rpc_status  # which imports much else; the client starts sooner without

    # What a failed call raises is an RpcError and a Call in one (asyncio's has the same methods); no type says so.
    call = cast(grpc.Call, error)
    status = rpc_status.from_call(call)
    if status is not None:
        return read_status(status)
    return ErrorDetails(call.code() or grpc.StatusCode.UNKNOWN, call.details() or "The call failed without a reason.")
