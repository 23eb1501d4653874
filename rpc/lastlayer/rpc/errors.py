"""The errors of the product, one class a reason, without any transport: what was wrong, where, what would be accepted.

`lastlayer.rpc.status` turns them into gRPC statuses and back. The reasons are those of `lastlayer.v1.ErrorReason`.
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


class ImageUndecodableError(ImageError):
    """The bytes are no image of a supported format, or are damaged or cut short."""

    reason = "IMAGE_UNDECODABLE"


class ImageTooLargeError(ImageError):
    """The image has more pixels than is allowed."""

    reason = "IMAGE_TOO_LARGE"

    def __init__(self, *, width: int, height: int, max_pixels: int) -> None:
        super().__init__(
            f"The image has {width} x {height} pixels; at most {max_pixels / 1e6:g} megapixels are accepted.",
            metadata={"pixels": str(width * height), "max_pixels": str(max_pixels)},
        )


class ResourceNotFoundError(LastlayerError):
    """No dataset, model or version has this name."""

    reason = "RESOURCE_NOT_FOUND"

    def __init__(self, resource: str, name: str, hint: str = "") -> None:
        """`resource` is its kind, such as `model`; `hint` is a further sentence, such as which names exist."""
        super().__init__(
            f"There is no {resource} `{name}`.{' ' * bool(hint)}{hint}", metadata={"resource": resource, "name": name}
        )


class DatasetNotTrainableError(LastlayerError):
    """The dataset cannot be trained on."""

    reason = "DATASET_NOT_TRAINABLE"


class BackboneMismatchError(LastlayerError):
    """Features were computed by another backbone than the one in use."""

    reason = "BACKBONE_MISMATCH"

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        """`expected` and `actual` are digests."""
        super().__init__(message, metadata={"expected": expected, "actual": actual})


class RecipeNotSupportedError(LastlayerError):
    """The backbone has no tap of the kind that the recipe needs."""

    reason = "RECIPE_NOT_SUPPORTED"


class VersionInUseError(LastlayerError):
    """The version is the default of a model that has others."""

    reason = "VERSION_IN_USE"


class OverloadedError(LastlayerError):
    """The queue is full."""

    reason = "OVERLOADED"

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreFullError(LastlayerError):
    """The store's disk is full."""

    reason = "STORE_FULL"

    def __init__(self, path: str) -> None:
        super().__init__(f"`{path}` cannot be written: its disk is full.", metadata={"path": path})


class StoreReadOnlyError(LastlayerError):
    """The store cannot be written to."""

    reason = "STORE_READ_ONLY"

    def __init__(self, path: str) -> None:
        super().__init__(f"`{path}` cannot be written: it is read-only.", metadata={"path": path})


class StoreCorruptError(LastlayerError):
    """Stored data fails its checksum or cannot be read."""

    reason = "STORE_CORRUPT"


class FeaturizerUnavailableError(LastlayerError):
    """The featurizer cannot be reached or is not ready."""

    reason = "FEATURIZER_UNAVAILABLE"

    def __init__(self, address: str) -> None:
        super().__init__(f"The featurizer at {address} is not available.", metadata={"address": address})


class NotReadyError(LastlayerError):
    """The service is starting or stopping."""

    reason = "NOT_READY"


class DeadlinePassedError(LastlayerError):
    """The deadline passed before the work was begun or done."""

    reason = "DEADLINE_PASSED"


class NotExplainableError(LastlayerError):
    """The version's features are no spatial means."""

    reason = "NOT_EXPLAINABLE"


class RequestIdReusedError(LastlayerError):
    """A request id was used before with another request."""

    reason = "REQUEST_ID_REUSED"


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
