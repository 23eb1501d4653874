"""What the featurizer alone can fail with: at its start, or with an image."""

from lastlayer.rpc.errors import ImageError


class BackboneError(Exception):
    """A backbone is declared wrongly, or its weights do not fit its declaration. Its text is one sentence."""


class FetchError(Exception):
    """Weights cannot be had. Its text is one sentence."""


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
