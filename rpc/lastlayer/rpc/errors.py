"""The base of our errors, and those that the services share; the others are in each service.

An error knows no transport: `lastlayer.rpc.status` turns it into a gRPC status by its reason, one of
`lastlayer.v1.ErrorReason`. There is one class for each reason.
"""

from collections.abc import Mapping
from typing import ClassVar


class LastlayerError(Exception):
    """The base of all our errors. Its text is one sentence for the user."""

    reason: ClassVar[str]
    """The name of the error's `ErrorReason`, without its prefix."""

    def __init__(self, message: str, *, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})


class InvalidFieldError(LastlayerError):
    """A field of a request is missing or out of its bounds."""

    reason = "INVALID_FIELD"

    def __init__(self, field: str, message: str) -> None:
        """`field` is its path in the request, such as `examples[3].label`."""
        super().__init__(message)
        self.field = field


class ImageError(LastlayerError):
    """The base of the errors of a single image, which fail that image alone."""


class ImageEmptyError(ImageError):
    """The image has no bytes."""

    reason = "IMAGE_EMPTY"


class ResourceNotFoundError(LastlayerError):
    """No dataset, model or version has this name."""

    reason = "RESOURCE_NOT_FOUND"

    def __init__(self, resource: str, name: str, hint: str = "") -> None:
        """`resource` is its kind, such as `model`; `hint` is a further sentence, such as which names exist."""
        super().__init__(
            f"There is no {resource} `{name}`.{' ' * bool(hint)}{hint}", metadata={"resource": resource, "name": name}
        )


class BackboneMismatchError(LastlayerError):
    """Features were computed by another backbone than the one in use."""

    reason = "BACKBONE_MISMATCH"

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        """`expected` and `actual` are digests."""
        super().__init__(message, metadata={"expected": expected, "actual": actual})


class FeaturesTooFarError(LastlayerError):
    """The featurizer computes features that are farther from those in float32 than is tolerated."""

    reason = "FEATURES_TOO_FAR"


class OverloadedError(LastlayerError):
    """The queue is full."""

    reason = "OVERLOADED"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotReadyError(LastlayerError):
    """The service is starting or stopping."""

    reason = "NOT_READY"


class DeadlinePassedError(LastlayerError):
    """The deadline passed before the work was begun or done."""

    reason = "DEADLINE_PASSED"


class UnauthenticatedError(LastlayerError):
    """The call has no valid token."""

    reason = "UNAUTHENTICATED"


class PermissionDeniedError(LastlayerError):
    """The call's token is not for what it was used for."""

    reason = "PERMISSION_DENIED"


class RelayedError(ImageError):
    """An image's error as another of our services told it, passed on as it came."""

    def __init__(self, reason: str, message: str, metadata: Mapping[str, str]) -> None:
        super().__init__(message, metadata=metadata)
        self.reason = reason  # type: ignore[misc]


class BindError(Exception):
    """An address cannot be listened on. It ends a start and never crosses the wire; its text is one sentence."""
