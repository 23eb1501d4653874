"""Finds a font that has the characters of a text, as labels may be in any script."""

import functools
from typing import Any, Final

from PIL import ImageFont

_INSTALLED: Final = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansArabic-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "segoeui.ttf",
)
"""What systems may have; Pillow looks where each system keeps its fonts."""

_NOWHERE: Final = "\U0010fffe"
"""What no font has: it is drawn as the font's sign for a missing character."""


def font_for(text: str, size: int) -> Any:
    """Return Pillow's own font in a size in pixels, or an installed one where only that has all of the characters."""
    own = ImageFont.load_default(size)
    if _has_all(own, text):
        return own
    installed = (font for name in _INSTALLED if (font := _installed(name, size)) is not None)
    return next((font for font in installed if _has_all(font, text)), own)


@functools.cache
def _installed(name: str, size: int) -> Any:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _has_all(font: Any, text: str) -> bool:
    missing = _drawn(font, _NOWHERE)
    return all(character.isspace() or _drawn(font, character) != missing for character in set(text))


def _drawn(font: Any, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
