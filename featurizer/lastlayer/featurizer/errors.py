"""What the featurizer alone can fail with: at its start, or with an image."""

from lastlayer.rpc.errors import ImageError


class BackboneError(Exception):
    """A backbone is declared wrongly, or its weights do not fit its declaration. Its text is one sentence."""


class FetchError(Exception):
    """Weights cannot be had. Its text is one sentence."""


class BulkError(Exception):
    """Stored images cannot be featurized: a source, a folder or an option is wrong. Its text says how."""


class ConversionError(Exception):
    """A whole model cannot be written as one file, or the file predicts otherwise. Its text is one sentence."""


class ImageUndecodableError(ImageError):
    """The bytes are no image of a supported format, or are damaged or cut short."""

    reason = "IMAGE_UNDECODABLE"


class ImageTooLargeError(ImageError):
    """The image has more pixels than is allowed, in all or in a line."""

    reason = "IMAGE_TOO_LARGE"

    def __init__(self, *, width: int, height: int, max_pixels: int, max_side: int | None = None) -> None:
        """`max_side` is told where the image has too many pixels across or down, and not in all."""
        limit = f"{max_pixels / 1e6:g} megapixels" if max_side is None else f"{max_side} across and down"
        super().__init__(
            f"The image has {width} x {height} pixels; at most {limit} are accepted.",
            metadata={"pixels": str(width * height), "max_pixels": str(max_pixels)}
            | ({} if max_side is None else {"max_side": str(max_side)}),
        )


class ImageTooComplexError(ImageError):
    """The file takes far more to be decoded than its pixels do."""

    reason = "IMAGE_TOO_COMPLEX"

    def __init__(self, message: str, *, bound: str, limit: float) -> None:
        """`bound` says what there is too much of, such as `scans`, and `limit` how much is accepted."""
        super().__init__(message, metadata={"bound": bound, "limit": f"{limit:g}" if limit < 1e6 else str(int(limit))})
