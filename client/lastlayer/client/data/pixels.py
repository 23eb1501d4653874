"""Images that are in memory already, as Pillow and NumPy have them, written as files without loss."""

import io
import sys
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Union

from lastlayer.client.errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

Pixels: TypeAlias = Union["Image.Image", "npt.NDArray[np.uint8]"]
"""An image of Pillow, or an array uint8 [height, width], [height, width, 3] (RGB) or [height, width, 4] (RGBA)."""

_CHANNELS: Final = (3, 4)
_PNG_MODES: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
"""The modes of Pillow that a PNG can have."""


def is_pixels(source: object) -> bool:
    """Return whether this is an image of Pillow or an array of NumPy, without importing either."""
    return _is_array(source) or _is_picture(source)


def encode(source: Any) -> bytes:
    """Return the PNG of an image of Pillow, turned upright, or of an array; raises `ImageError`."""
    if _is_array(source):
        source = _to_picture(source)
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(source)
    if picture.mode not in _PNG_MODES:
        picture = picture.convert("RGB")
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _to_picture(array: Any) -> Any:
    if array.dtype != "uint8":
        raise _refusal(
            f"An array of {array.dtype} is no image; give uint8, from 0 to 255, such as"
            " `(array * 255).round().astype('uint8')` for numbers from 0 to 1."
        )
    if 0 in array.shape or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in _CHANNELS)):
        raise _refusal(
            f"An array of the shape {array.shape} is no image; [height, width], [height, width, 3] (RGB) and"
            " [height, width, 4] (RGBA) are."
        )
    try:
        from PIL import Image
    except ImportError as error:
        raise _refusal("Arrays need Pillow, which `pip install 'lastlayer[report]'` installs.") from error
    return Image.fromarray(array)


def _refusal(sentence: str) -> ImageError:
    return ImageError(sentence, code="INVALID_ARGUMENT", reason="FILE_UNREADABLE")


def _is_array(source: object) -> bool:
    numpy = sys.modules.get("numpy")
    return isinstance(source, getattr(numpy, "ndarray", ()))


def _is_picture(source: object) -> bool:
    image = sys.modules.get("PIL.Image")
    return isinstance(source, getattr(image, "Image", ()))
