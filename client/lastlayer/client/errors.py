"""The errors that users of the client see; each one's text is one sentence for them.

ClientError
├── DataError                    a file or folder of labelled images cannot be read (the client's own)
├── ImageError                   one image failed; its neighbours did not
├── InvalidInputError            a field of the request is missing or out of its bounds
├── NotFoundError                no dataset, model or version has this name
├── FailedPreconditionError      what is stored, or how the server is set up, does not allow it
└── ServerError                  the server failed
    ├── AccessError              it does not know you, or does not allow you this call
    ├── BusyError                it has no room now; `retry_after_s` says how long to wait
    ├── DeadlineError            it did not answer in time
    └── ServerUnavailableError   it cannot be reached, or is starting or stopping
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # only `from_call` and `from_status` need these, and who gets there has imported gRPC
    import grpc
    from google.rpc import status_pb2

    from lastlayer.rpc.status import ErrorDetails


class ClientError(Exception):
    """The base of all errors of the client."""

    def __init__(self, message: str, *, code: str = "", reason: str = "", metadata: Mapping[str, str] | None = None):
        """`code` is the name of a gRPC status code, `reason` of a `lastlayer.v1.ErrorReason`, without its prefix."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})


class DataError(ClientError):
    """A file or folder of labelled images cannot be read; `problems` has one sentence for each thing that is wrong."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems), code="INVALID_ARGUMENT")


class ImageError(ClientError):
    """One image failed, here or at the server; its neighbours did not."""


class InvalidInputError(ClientError):
    """A field of the request is missing or out of its bounds."""

    field: str = ""
    """The path of the field, such as `model`; empty where none is to blame alone."""


class NotFoundError(ClientError):
    """No dataset, model or version has this name."""


class FailedPreconditionError(ClientError):
    """What is stored, or how the server is set up, does not allow the request, such as training on a single class."""


class ServerError(ClientError):
    """The server failed."""


class AccessError(ServerError):
    """The server does not know your token or certificate, or does not allow you this call."""


class BusyError(ServerError):
    """The server has no room now."""

    retry_after_s: float | None = None
    """How many seconds the server asked to wait before the next attempt; None where it did not say."""


class DeadlineError(ServerError):
    """The server did not answer in time."""


class ServerUnavailableError(ServerError):
    """The server cannot be reached, or is starting or stopping."""


CLASSES: Mapping[str, type[ClientError]] = {
    "CANCELLED": ServerUnavailableError,  # by a server that was closing, as we cancel no call that we wait for
    "UNKNOWN": ServerError,
    "INVALID_ARGUMENT": InvalidInputError,
    "DEADLINE_EXCEEDED": DeadlineError,
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": FailedPreconditionError,
    "PERMISSION_DENIED": AccessError,
    "RESOURCE_EXHAUSTED": BusyError,
    "FAILED_PRECONDITION": FailedPreconditionError,
    "ABORTED": FailedPreconditionError,
    "OUT_OF_RANGE": InvalidInputError,
    "UNIMPLEMENTED": ServerError,
    "INTERNAL": ServerError,
    "UNAVAILABLE": ServerUnavailableError,
    "DATA_LOSS": ServerError,
    "UNAUTHENTICATED": AccessError,
}
"""The class of each gRPC status code but OK."""


def from_call(error: "grpc.RpcError", server: str) -> ClientError:
    """Return what a failed call to `server` (`host:port`) means to the user."""
    from lastlayer.rpc.status import read_error

    return from_details(read_error(error), server)


def from_status(status: "status_pb2.Status", server: str) -> ClientError:
    """Return what a status in an answer of `server` (`host:port`) means to the user."""
    from lastlayer.rpc.status import read_status

    return from_details(read_status(status), server)


def from_details(details: "ErrorDetails", server: str) -> ClientError:
    """Return what a status means to the user."""
    code = details.code.name
    message = details.message or f"The server at {server} failed with {code} and gave no reason."
    kind = CLASSES.get(code, ServerError)
    if kind is ServerUnavailableError and not details.reason:  # gRPC's own words, which help nobody
        message = _unreachable(details.message, server)
    elif kind is DeadlineError and not details.reason:
        message = f"The server at {server} did not answer in time; give it longer with --timeout SECONDS."
    elif code == "UNIMPLEMENTED":
        message = f"The server at {server} is no classifier, or an older one: it does not know this call."
    elif details.reason == "STORE_FULL":  # coming again does not help
        kind = ServerError
    known = kind(message, code=code, reason=details.reason, metadata=details.metadata)
    if isinstance(known, InvalidInputError):
        known.field = details.field
    if isinstance(known, BusyError):
        known.retry_after_s = details.retry_after_s
    return known


def _unreachable(words: str, server: str) -> str:
    """Return, by gRPC's words, why a server cannot be reached and what to do."""
    if "handshake failed" in words:
        return (
            f"The server at {server} cannot be called by TLS: it shows no certificate of its name and of the CA of"
            " --tls-ca, or does not use TLS."
        )
    if "last error" in words and "Socket closed" in words:  # not of a connection that broke in the middle of a call
        return (
            f"The server at {server} hangs up: one that uses TLS is called with --tls-ca FILE or --tls, and"
            " one that asks for your certificate with --tls-cert and --tls-key."
        )
    return (
        f"The server at {server} cannot be reached; start it with `lastlayer up` or `docker compose up`, or name"
        " another with --server HOST:PORT or LASTLAYER_SERVER."
    )
