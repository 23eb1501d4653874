"""Failures as `application/problem+json` (RFC 9457), with the codes and reasons of the gRPC statuses behind them."""

import dataclasses
import logging
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from lastlayer.client.errors import BusyError, ClientError, InvalidInputError
from lastlayer.rpc.errors import LastlayerError
from lastlayer.rpc.status import CODES

_log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"

OPEN_INFERENCE: Final = "/v2"
"""Below it failures are told as the Open Inference Protocol does: JSON with the one member `error`."""

HTTP_STATUSES: Final[Mapping[str, int]] = {
    "CANCELLED": 503,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""The HTTP status of each gRPC code, as in google/rpc/code.proto."""

_CODES: Final = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 405: "UNIMPLEMENTED", 415: "INVALID_ARGUMENT"}
"""The code of what fails before the classifier is asked."""


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Why a request failed."""

    title: str
    """The HTTP status in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What was wrong and what to do, a sentence for people."""
    code: str
    """The name of the gRPC status code."""
    reason: str = ""
    """The name of the `lastlayer.v1.ErrorReason`, or one of the studio's own; empty where there is none."""
    field: str = ""
    """The part of the request that is to blame; empty where none is alone."""
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    retry_after_s: float | None = None
    """How many seconds to wait before trying again; null where nobody said."""
    type: str = "about:blank"


class RefusedError(Exception):
    """The studio itself refuses a request."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        reason: str = "",
        field: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        title = HTTPStatus(status).phrase
        self.problem = Problem(title, status, detail, code, reason, field, retry_after_s=retry_after_s)


def problem_of(error: ClientError) -> Problem:
    """Return what a failure of the client means over HTTP."""
    code = error.code or ("INVALID_ARGUMENT" if isinstance(error, InvalidInputError) else "UNKNOWN")
    status = HTTP_STATUSES.get(code, 500)
    return Problem(
        HTTPStatus(status).phrase,
        status,
        error.message,
        code,
        error.reason,
        error.field if isinstance(error, InvalidInputError) else "",
        dict(error.metadata),
        error.retry_after_s if isinstance(error, BusyError) else None,
    )


def to_response(problem: Problem, path: str) -> JSONResponse:
    """Return the answer that tells of a problem, as who called this path expects it."""
    headers = {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(problem.retry_after_s)))
    if path.startswith(f"{OPEN_INFERENCE}/"):
        return JSONResponse({"error": problem.detail}, problem.status, headers)
    return JSONResponse(dataclasses.asdict(problem), problem.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let all failures of an application be told as problems."""

    async def tell_client_error(request: Request, error: Any) -> JSONResponse:
        return to_response(problem_of(error), request.url.path)

    async def tell_own_error(request: Request, error: Any) -> JSONResponse:
        known = CODES.get(error.reason)
        code = known.name if known else "INVALID_ARGUMENT"  # of the client alone, such as FILE_TOO_LARGE
        status = HTTP_STATUSES[code]
        return to_response(
            Problem(HTTPStatus(status).phrase, status, error.message, code, error.reason), request.url.path
        )

    async def tell_refusal(request: Request, error: Any) -> JSONResponse:
        return to_response(error.problem, request.url.path)

    async def tell_invalid(request: Request, error: Any) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        detail = f"`{place}` is not possible: {first['msg'][:1].lower()}{first['msg'][1:]}."
        problem = Problem("Bad Request", 400, detail, "INVALID_ARGUMENT", "INVALID_FIELD", place)
        return to_response(problem, request.url.path)

    async def tell_http(request: Request, error: Any) -> JSONResponse:
        detail = error.detail if error.status_code not in (404, 405) else f"There is no {request.method} of this path."
        title = HTTPStatus(error.status_code).phrase
        problem = Problem(title, error.status_code, detail, _CODES.get(error.status_code, "UNKNOWN"))
        return to_response(problem, request.url.path)

    async def tell_nobody(request: Request, _: Any) -> JSONResponse:
        return to_response(Problem("Bad Request", 400, "The request broke off.", "CANCELLED"), request.url.path)

    async def tell_fault(request: Request, error: Exception) -> JSONResponse:
        error_id = uuid.uuid4().hex[:12]
        _log.error("A request failed unexpectedly (%s).", error_id, exc_info=error)
        detail = f"The studio failed unexpectedly; its log has the details under the id {error_id}."
        problem = Problem("Internal Server Error", 500, detail, "INTERNAL", "INTERNAL", "", {"error_id": error_id})
        return to_response(problem, request.url.path)

    app.add_exception_handler(ClientError, tell_client_error)
    app.add_exception_handler(LastlayerError, tell_own_error)
    app.add_exception_handler(RefusedError, tell_refusal)
    app.add_exception_handler(ClientDisconnect, tell_nobody)
    app.add_exception_handler(RequestValidationError, tell_invalid)
    app.add_exception_handler(HTTPException, tell_http)
    app.add_exception_handler(Exception, tell_fault)
