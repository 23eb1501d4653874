"""Draws over a photo where the score of a class comes from: warm colours for it, blue ones against it.

Needs Pillow and NumPy, which come with the extra `report`; nothing imports this module before something is drawn.
"""

import functools
import io
import warnings
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageOps

from lastlayer.client.output.fonts import font_for
from lastlayer.client.results.images import Explanation
from lastlayer.rpc.observability.escape import escape

FORMATS: Final = ("JPEG", "PNG", "WEBP", "HEIF", "GIF", "BMP", "TIFF")
"""Those that are classified. Others are not opened: some of Pillow's start programs, such as Ghostscript."""

MAX_PIXELS: Final = 64_000_000
"""The largest photo that is drawn over."""

_SIDE: Final = (720, 1600)
"""The least and the most pixels of a picture's longer side."""

_LEAST_WIDTH: Final = 480
"""What the caption needs."""

_STRENGTH: Final = 0.78
"""How much of the photo the strongest contribution hides."""

_FOR: Final = ((255, 226, 120), (250, 150, 30), (214, 40, 40))
_AGAINST: Final = ((150, 214, 255), (50, 130, 235), (40, 50, 160))
"""Colours by strength, from the weakest. Both ways grow darker evenly; warm and blue are told apart by everybody."""

_INK, _PALE, _PAPER = (28, 30, 34), (110, 114, 122), (255, 255, 255)


def draw(content: bytes, explanation: Explanation, name: str) -> Image.Image:
    """Return the picture of an explanation: the photo, upright, with the map over it and a caption below.

    `content` is the file of the image, `name` what the caption calls it. Raises `PictureError`.
    """
    photo = upright(content)
    scale = min(max(1.0, _SIDE[0] / max(photo.size)), _SIDE[1] / max(photo.size))
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    pictured = overlay(photo.resize(size, Image.Resampling.LANCZOS), explanation)
    width = max(pictured.width, _LEAST_WIDTH)
    caption = _caption(width, explanation, name)
    picture = Image.new("RGB", (width, pictured.height + caption.height), _PAPER)
    picture.paste(pictured, ((width - pictured.width) // 2, 0))
    picture.paste(caption, (0, pictured.height))
    return picture


class PictureError(Exception):
    """A file cannot be drawn over. Its text says what the file is."""


def upright(content: bytes, *, formats: tuple[str, ...] = FORMATS, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Return the photo of a file in RGB, turned as its EXIF orientation says; what is transparent becomes white.

    Raises `PictureError` where the file is in none of the formats, has more pixels, or is damaged.
    """
    try:
        return _upright(content, formats, max_pixels)
    except PictureError:
        raise
    except Exception as error:  # Pillow's decoders fail with errors of any class where a file is damaged
        raise PictureError(f"no intact {', '.join(formats)}") from error


def _upright(content: bytes, formats: tuple[str, ...], max_pixels: int) -> Image.Image:
    with warnings.catch_warnings():
        if "HEIF" in formats and content[4:8] == b"ftyp":
            _register_heif()
        warnings.simplefilter("ignore")  # we have a limit of our own, and a damaged tag is no matter of the user's
        file = Image.open(io.BytesIO(content), formats=formats)
    if file.width * file.height > max_pixels:
        raise PictureError(f"of {file.width} x {file.height} pixels, more than {max_pixels:,} in all")
    if file.format != "HEIF":  # which would give its thumbnail
        file.draft("RGB", (_SIDE[1], _SIDE[1]))  # of a large JPEG no more is decoded than is shown
    image = ImageOps.exif_transpose(file)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):  # wide numbers, which Pillow's conversion clips
        values = np.nan_to_num(np.asarray(image, np.float64))
        image = Image.fromarray((255 * values / max(values.max(), 1)).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


@functools.cache
def _register_heif() -> None:
    """Let Pillow open the photos of telephones, by a package that is not small; raises `PictureError` without it."""
    try:
        import pillow_heif
    except ImportError as error:
        raise PictureError("a HEIC photo, which needs pillow-heif to be drawn: pip install pillow-heif") from error
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def overlay(photo: Image.Image, explanation: Explanation) -> Image.Image:
    """Return an upright RGB photo of any size with the map over the explanation's region, and a frame around that
    where it is less than the photo. What is outside stays as it is.
    """
    region = explanation.region
    left, right = (round(edge * photo.width) for edge in (region.left, region.right))
    top, bottom = (round(edge * photo.height) for edge in (region.top, region.bottom))
    box = (left, top, max(right, left + 1), max(bottom, top + 1))
    below = photo.crop(box)
    # Half of its own colours are taken from it, so that they are not taken for the map's.
    grey = ImageOps.grayscale(below).convert("RGB")
    pixels = np.asarray(Image.blend(below, grey, 0.5), np.float64)
    strengths = _strengths(explanation, below.size)[..., None]
    cover = _STRENGTH * np.abs(strengths)
    covered = pixels * (1 - cover) + _colours(strengths[..., 0]) * cover
    result = photo.copy()
    result.paste(Image.fromarray(covered.round().astype(np.uint8)), box[:2])
    if below.size != photo.size:
        _frame(result, box)
    return result


def _strengths(explanation: Explanation, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return the contributions as shares of the strongest one, from -1 to 1, smoothly between the cells' middles."""
    grid = np.array(explanation.contributions, np.float32)
    peak = float(np.abs(grid).max()) or 1.0
    smooth = Image.fromarray(grid / peak).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(smooth, np.float64).clip(-1, 1)


def _colours(strengths: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the colours of strengths from -1 to 1, float64 [..., 3] from 0 to 255."""
    stops = np.linspace(0, 1, len(_FOR))
    sides = [
        np.stack([np.interp(np.abs(strengths), stops, channel) for channel in zip(*ramp, strict=True)], -1)
        for ramp in (_AGAINST, _FOR)
    ]
    return np.where(strengths[..., None] < 0, *sides)


def _frame(picture: Image.Image, box: tuple[int, int, int, int]) -> None:
    pen = ImageDraw.Draw(picture)
    line = max(2, round(max(picture.size) / 400))
    inner = (box[0], box[1], box[2] - 1, box[3] - 1)
    pen.rectangle(inner, outline=_INK, width=2 * line)
    pen.rectangle(inner, outline=_PAPER, width=line)


def _caption(width: int, explanation: Explanation, name: str) -> Image.Image:
    """Return the strip below the photo: label and probability, which model and image, and what the colours mean."""
    unit = max(14, min(26, width // 42))
    strip = Image.new("RGB", (width, round(4.4 * unit)), _PAPER)
    pen = ImageDraw.Draw(strip)
    legend = round(9 * unit)
    room = width - legend - 3 * unit
    prediction, named = explanation.prediction, escape(explanation.label)
    share = f"   {100 * explanation.probability:.1f} %"
    large = font_for(named, round(1.5 * unit))
    label = _shortened(pen, named, large, room - pen.textlength(share, large))
    pen.text((unit, 1.9 * unit), label + share, _INK, large, anchor="ls")
    small = font_for(name, round(0.85 * unit))
    about = _shortened(pen, f"{escape(name)}   {escape(prediction.model)}:{prediction.version}", small, room)
    pen.text((unit, 3.4 * unit), about, _PALE, small, anchor="ls")
    _legend(strip, (width - unit - legend, unit), (legend, unit))
    return strip


def _legend(strip: Image.Image, corner: tuple[int, int], size: tuple[int, int]) -> None:
    """Draw what the colours mean, on the grey that they have below them in a photo."""
    strengths = np.linspace(-1, 1, size[0])[None].repeat(size[1], 0)
    cover = _STRENGTH * np.abs(strengths)[..., None]
    bar = np.full((*strengths.shape, 3), 200.0) * (1 - cover) + _colours(strengths) * cover
    strip.paste(Image.fromarray(bar.round().astype(np.uint8)), corner)
    pen, font = ImageDraw.Draw(strip), font_for("", round(0.85 * size[1]))
    below = corner[1] + 2.4 * size[1]
    pen.text((corner[0], below), "against it", _PALE, font, anchor="ls")
    pen.text((corner[0] + size[0], below), "for it", _PALE, font, anchor="rs")


def _shortened(pen: ImageDraw.ImageDraw, text: str, font: Any, room: float) -> str:
    """Return as much of the text as there is room for, in pixels."""
    if pen.textlength(text, font) <= room:
        return text
    while text and pen.textlength(f"{text}…", font) > room:
        text = text[:-1]
    return f"{text}…"
