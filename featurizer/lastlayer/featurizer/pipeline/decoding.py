"""Turns the bytes of an image file into the pixels that a network takes: limits, orientation, colour, size, crop.

Colour profiles are not applied. Training and prediction both come through here; a change of what this yields raises
`lastlayer.featurizer.backbones.spec.PREPROCESSING_VERSION`.
"""

import contextlib
import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from lastlayer.featurizer.errors import ImageTooLargeError, ImageUndecodableError
from lastlayer.featurizer.pipeline.checks import inspect
from lastlayer.featurizer.pipeline.checks.orientation import read_orientation
from lastlayer.featurizer.pipeline.checks.structure import Structure, damaged
from lastlayer.featurizer.pipeline.perceptual_hash import SIDE, perceptual_hashes
from lastlayer.rpc.vectors import CROP_ALONE, View

_ORIENTATION: Final = 0x0112
_TRANSPOSITIONS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each orientation of EXIF."""

# Each is the first of these that it is in, followed by the others.
_SWAPPING: Final = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
_MIRRORING_ACROSS: Final = (
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
)
_MIRRORING_DOWN: Final = (
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.ROTATE_180,
    Image.Transpose.ROTATE_90,
    Image.Transpose.TRANSVERSE,
)


_THUMBNAIL_PIXELS: Final = 160
"""The most pixels that a thumbnail has across and down."""


class Seen(NamedTuple):
    """A view of an image."""

    pixels: npt.NDArray[np.uint8]
    """uint8 [height, width, 3], RGB."""
    region: "Region"
    """The part of the upright image that the pixels show."""


class Decoded(NamedTuple):
    """What was made of an image file."""

    seen: Mapping[View, Seen]
    """Of each view that was wanted."""
    thumbnail: bytes
    """The whole upright image as a small JPEG; empty where it was not wanted."""
    hashes: bytes = b""
    """Of what it looks like, see `perceptual_hash`; empty where they were not wanted, or the image is too plain."""


class Region(NamedTuple):
    """A rectangle of an upright image, as shares of its width and height, from 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float


def decode(content: bytes, *, width: int, height: int, max_pixels: int) -> npt.NDArray[np.uint8]:
    """Return the centre of the image, uint8 [height, width, 3], RGB.

    The image is turned as its EXIF orientation says, scaled with its aspect kept so that it just covers width x height
    (bilinear, with antialiasing), and cropped at the centre, as ML.NET's ResizeImages does by default. Of several
    frames the first is used; what is transparent becomes white.

    Raises ImageEmptyError, ImageTooLargeError (more than `max_pixels` pixels), ImageTooComplexError or
    ImageUndecodableError.
    """
    return decode_whole(content, width=width, height=height, max_pixels=max_pixels).seen[View.CROP].pixels


def inspect_for(content: bytes, *, width: int, height: int, max_pixels: int) -> Structure:
    """Return what the file's structure tells, where width x height pixels are wanted of it; raises what `decode` does
    of what can be seen without decoding.
    """
    return inspect(content, max_pixels=max_pixels, longest=_longest(width, height))


def decode_whole(
    content: bytes,
    *,
    width: int,
    height: int,
    max_pixels: int,
    views: Sequence[View] = CROP_ALONE,
    thumbnail: bool = False,
    hashes: bool = False,
    structure: Structure | None = None,
) -> Decoded:
    """Return the views of an image that are wanted, with a thumbnail and perceptual hashes where they are.

    The crop is what `decode` returns. The whole image is scaled as that is, without regard to its aspect. `structure`
    is what `inspect_for` has returned, where that is known already. Raises what `decode` does.
    """
    if structure is None:
        structure = inspect_for(content, width=width, height=height, max_pixels=max_pixels)
    image = _load(structure, _longest(width, height), max_pixels)
    size = image.size
    transposition = _TRANSPOSITIONS.get(_orientation(image) if structure.orientation is None else structure.orientation)
    white = _white_level(image)
    target = (height, width) if transposition in _SWAPPING else (width, height)
    resizable = _resizable(image)
    del image  # which may have other pixels, in another mode
    upright: dict[View, Seen] = {}
    for view in dict.fromkeys(view.upright for view in views):
        box = _kept(size, *target) if view is View.CROP else (0.0, 0.0, float(size[0]), float(size[1]))
        # What is kept is resampled alone.
        pixels = np.asarray(_small(resizable, target, white, transposition, box))
        upright[view] = Seen(pixels, _upright(box, size, transposition))
    seen = {view: _flip(upright[view.upright]) if view.is_flipped else upright[view] for view in views}
    picture = _thumbnail(resizable, white, transposition) if thumbnail else b""
    found = _hashes(resizable, white, transposition) if hashes else b""
    return Decoded(seen, picture, found)


def _flip(seen: Seen) -> Seen:
    return Seen(np.ascontiguousarray(seen.pixels[:, ::-1]), seen.region)


def _thumbnail(image: Image.Image, white: float | None, transposition: Image.Transpose | None) -> bytes:
    scale = min(1.0, _THUMBNAIL_PIXELS / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    stream = io.BytesIO()
    # Pillow would take over a comment of the file, of up to 64 KiB.
    _small(image, size, white, transposition).save(stream, "JPEG", quality=80, comment=b"")
    return stream.getvalue()


def _hashes(image: Image.Image, white: float | None, transposition: Image.Transpose | None) -> bytes:
    return perceptual_hashes(np.asarray(_small(image, (SIDE, SIDE), white, transposition).convert("L")))


def _small(
    image: Image.Image,
    size: tuple[int, int],
    white: float | None,
    transposition: Image.Transpose | None,
    box: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    """Return an image, or a box of it, of this size before it is turned upright, in RGB."""
    small = image.resize(size, Image.Resampling.BILINEAR, box=box)
    # The rest comes after it, where there is less to turn and to convert.
    if transposition is not None:
        small = small.transpose(transposition)
    return _on_white(small) if white is None else _to_eight_bits(small, white)


def _longest(width: int, height: int) -> int:
    """Return how many pixels a large JPEG keeps at least, across and down, where it is decoded at a reduced scale."""
    return 2 * max(width, height)


def _load(structure: Structure, longest: int, max_pixels: int) -> Image.Image:
    """Return the decoded image, of a JPEG at 1/2, 1/4 or 1/8 where at least `longest` pixels are left."""
    # Pillow only warns up to twice its limit. Ours is checked already; this one is there for where the two disagree.
    Image.MAX_IMAGE_PIXELS = max_pixels
    if structure.format == "HEIF":
        _register_heif()
    try:
        image = Image.open(io.BytesIO(structure.content), formats=[structure.format])
    except Exception as error:  # the decoders raise whatever comes to them on broken bytes
        raise damaged(structure.format) from error
    if image.width * image.height > max_pixels:
        raise ImageTooLargeError(width=image.width, height=image.height, max_pixels=max_pixels)
    if not _is_as_told(image, structure):
        raise damaged(structure.format)  # what is inside contradicts itself, and the checks have seen another image
    try:
        # By the image alone, so that it has the same features at all times. A HEIC would give its thumbnail, which may
        # show something else.
        if structure.format != "HEIF":
            image.draft(None, (longest, longest))
        with _canvases_freed(image):
            image.load()
    except MemoryError:
        raise
    except Exception as error:
        raise damaged(structure.format) from error
    if not _is_as_told(image, structure) and structure.format == "HEIF":  # of which only the decoder knows the size
        raise damaged(structure.format)
    return image


def _is_as_told(image: Image.Image, structure: Structure) -> bool:
    """Return whether an image has the size that the checks found, on its side or not. A HEIC may show less of it."""
    seen, told = sorted(image.size), sorted((structure.width, structure.height))
    return seen == told or (structure.format == "HEIF" and seen[0] <= told[0] and seen[1] <= told[1])


@functools.cache
def _register_heif() -> None:
    """Let Pillow open HEIC, once: the picture alone, without what belongs to it."""
    import pillow_heif

    pillow_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)


@contextlib.contextmanager
def _canvases_freed(image: Image.Image) -> Iterator[None]:
    """Have a WebP give its decoder's canvases free once it has a copy of one, before that becomes its pixels."""
    prepare = getattr(image, "load_prepare", None)
    if image.format != "WEBP" or prepare is None:
        yield
        return

    def prepare_alone() -> None:
        vars(image).pop("_decoder", None)
        prepare()

    image.load_prepare = prepare_alone  # type: ignore[attr-defined]
    try:
        yield
    finally:
        # The two know each other: the pixels would stay until the garbage collector comes by.
        vars(image).pop("load_prepare", None)


def _orientation(image: Image.Image) -> int:
    try:
        if image.format == "TIFF":  # Pillow turns it as it is loaded, and takes the tag away
            return int(image.getexif().get(_ORIENTATION, 1))
        exif = image.info.get("exif", b"")
        if profile := "" if exif else image.info.get("Raw profile type exif", ""):  # as ImageMagick writes it
            exif = bytes.fromhex("".join(profile.split("\n")[3:]))
        xmp = image.info.get("XML:com.adobe.xmp") or image.info.get("xmp", b"")
        return read_orientation(exif, xmp.encode() if isinstance(xmp, str) else xmp)
    except Exception:  # broken EXIF data of a sound image
        return 1


def _white_level(image: Image.Image) -> float | None:
    """Return which value is white in an image of wide numbers, whose conversion by Pillow clips; None for others.

    16 bits have one scale. Integers of 32 bits and floating-point numbers are taken to be on the smallest of the usual
    scales (1 for the latter, 255, 65535) that holds them.
    """
    if image.mode.startswith("I;16"):
        return 65535
    if image.mode not in ("I", "F"):
        return None
    highest = np.max(image.getextrema())
    scales = (1, 255, 65535) if image.mode == "F" else (255, 65535)
    return next((scale for scale in scales if highest <= scale), 65535)


def _to_eight_bits(image: Image.Image, white: float) -> Image.Image:
    values = np.nan_to_num(np.asarray(image, np.float64)) * (255 / white)
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB")


def _resizable(image: Image.Image) -> Image.Image:
    """Return the image in a mode of which a weighted mean of pixels makes sense."""
    if image.mode in ("L", "RGB", "RGBA", "I", "F") or image.mode.startswith("I;16"):
        transparent = image.mode in ("L", "RGB") and image.has_transparency_data
        return image.convert("RGBA") if transparent else image
    if image.mode in ("P", "PA") and image.palette is None:
        raise damaged(image.format or "PNG")
    mode = "RGBA" if image.has_transparency_data else "L" if image.mode == "1" else "RGB"
    try:
        return image.convert(mode)
    except ValueError as error:
        raise ImageUndecodableError(
            f"The image has the colour mode {image.mode}; RGB, grey, palette and CMYK images are accepted."
        ) from error


def _kept(size: tuple[int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """Return what of an image is the centre of it once it is scaled to just cover width x height, in its pixels."""
    scale = max(width / size[0], height / size[1])
    scaled_width = max(width, round(size[0] * scale))
    scaled_height = max(height, round(size[1] * scale))
    left, top = (scaled_width - width) // 2, (scaled_height - height) // 2
    across, down = size[0] / scaled_width, size[1] / scaled_height
    return (left * across, top * down, (left + width) * across, (top + height) * down)


def _upright(
    box: tuple[float, float, float, float], size: tuple[int, int], transposition: Image.Transpose | None
) -> Region:
    """Return a box of an image of this size as a part of the image once it is turned."""
    left, right = box[0] / size[0], box[2] / size[0]
    top, bottom = box[1] / size[1], box[3] / size[1]
    if transposition in _SWAPPING:
        left, top, right, bottom = top, left, bottom, right
    if transposition in _MIRRORING_ACROSS:
        left, right = 1 - right, 1 - left
    if transposition in _MIRRORING_DOWN:
        top, bottom = 1 - bottom, 1 - top
    return Region(left, top, right, bottom)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
