"""Draws pictures of simple things: photos for tests and for the README that are nobody's."""

import io
import math
import random
from collections.abc import Callable, Mapping
from typing import Final

from PIL import Image, ImageDraw, ImageFilter

SIDE: Final = 256
_SCALE: Final = 2
"""Drawn larger and shrunk, so that edges are smooth."""

_SKIES: Final = ("#dfe9ee", "#f2ead9", "#e6ecd9", "#eadfe6", "#d8e4e2", "#f0e3d4")
_COLOURS: Final = ("#c2543c", "#d9a441", "#3f7f93", "#6b8f4e", "#8a5a83", "#d77a61", "#41658a")

Colour = str
Box = tuple[float, float, float]
"""The middle of a thing, and half of its size."""


def draw(kind: str, seed: int) -> Image.Image:
    """Return a picture of a thing, RGB, 256 x 256; the same for the same seed."""
    chance = random.Random(f"{kind} {seed}")
    side = SIDE * _SCALE
    picture = _ground(chance, side)
    pen = ImageDraw.Draw(picture)
    half = side * chance.uniform(0.24, 0.36)
    box = (side * chance.uniform(0.4, 0.6), side * chance.uniform(0.42, 0.58), half)
    KINDS[kind](pen, box, chance)
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def jpeg(kind: str, seed: int) -> bytes:
    """Return the picture as the bytes of a file."""
    file = io.BytesIO()
    draw(kind, seed).save(file, "JPEG", quality=90)
    return file.getvalue()


def _ground(chance: random.Random, side: int) -> Image.Image:
    upper, lower = chance.sample(_SKIES, 2)
    picture = Image.new("RGB", (side, side), upper)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, side * chance.uniform(0.62, 0.8), side, side), fill=lower)
    for _ in range(3):
        x, y, r = chance.uniform(0, side), chance.uniform(0, side), side * chance.uniform(0.05, 0.16)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=chance.choice(_SKIES))
    return picture.filter(ImageFilter.GaussianBlur(side / 60))


def _house(pen: ImageDraw.ImageDraw, box: Box, chance: random.Random) -> None:
    x, y, r = box
    wall, roof, door = chance.sample(_COLOURS, 3)
    pen.rectangle((x - 0.8 * r, y - 0.1 * r, x + 0.8 * r, y + r), fill=wall)
    pen.polygon([(x - r, y - 0.1 * r), (x, y - r), (x + r, y - 0.1 * r)], fill=roof)
    pen.rectangle((x - 0.18 * r, y + 0.4 * r, x + 0.18 * r, y + r), fill=door)
    for side in (-1, 1):
        left = x + side * 0.5 * r - 0.15 * r
        pen.rectangle((left, y + 0.1 * r, left + 0.3 * r, y + 0.4 * r), fill="#f7f1dc")


def _fish(pen: ImageDraw.ImageDraw, box: Box, chance: random.Random) -> None:
    x, y, r = box
    body, fin = chance.sample(_COLOURS, 2)
    way = chance.choice((-1, 1))
    pen.polygon(
        [(x - way * 0.6 * r, y), (x - way * 1.15 * r, y - 0.5 * r), (x - way * 1.15 * r, y + 0.5 * r)], fill=fin
    )
    pen.polygon([(x - 0.3 * r, y - 0.4 * r), (x, y - 0.8 * r), (x + 0.3 * r, y - 0.4 * r)], fill=fin)
    pen.ellipse((x - r * 0.95, y - 0.52 * r, x + r * 0.95, y + 0.52 * r), fill=body)
    eye = x + way * 0.6 * r
    pen.ellipse((eye - 0.1 * r, y - 0.2 * r, eye + 0.1 * r, y), fill="#fbf8ee")
    pen.ellipse((eye - 0.05 * r, y - 0.14 * r, eye + 0.05 * r, y - 0.04 * r), fill="#23282b")


def _flower(pen: ImageDraw.ImageDraw, box: Box, chance: random.Random) -> None:
    x, y, r = box
    petal, heart = chance.sample(_COLOURS, 2)
    number, turn = chance.choice((5, 6, 7)), chance.uniform(0, math.tau)
    top = y - 0.3 * r
    pen.line((x, top, x + chance.uniform(-0.2, 0.2) * r, y + 1.1 * r), fill="#6b8f4e", width=round(0.09 * r))
    pen.ellipse((x, y + 0.45 * r, x + 0.5 * r, y + 0.7 * r), fill="#6b8f4e")
    for index in range(number):
        angle = turn + math.tau * index / number
        at, size = (x + 0.42 * r * math.cos(angle), top + 0.42 * r * math.sin(angle)), 0.3 * r
        pen.ellipse((at[0] - size, at[1] - size, at[0] + size, at[1] + size), fill=petal)
    pen.ellipse((x - 0.25 * r, top - 0.25 * r, x + 0.25 * r, top + 0.25 * r), fill=heart)


def _boat(pen: ImageDraw.ImageDraw, box: Box, chance: random.Random) -> None:
    x, y, r = box
    hull, sail, flag = chance.sample(_COLOURS, 3)
    deck, keel = y + 0.45 * r, y + 0.9 * r
    pen.polygon([(x - r, deck), (x + r, deck), (x + 0.65 * r, keel), (x - 0.65 * r, keel)], fill=hull)
    pen.line((x, y + 0.45 * r, x, y - r), fill="#5b4a3a", width=max(2, round(0.07 * r)))
    pen.polygon([(x + 0.06 * r, y - 0.9 * r), (x + 0.8 * r, y + 0.3 * r), (x + 0.06 * r, y + 0.3 * r)], fill=sail)
    pen.polygon([(x - 0.06 * r, y - 0.6 * r), (x - 0.6 * r, y + 0.3 * r), (x - 0.06 * r, y + 0.3 * r)], fill=flag)


KINDS: Final[Mapping[str, Callable[[ImageDraw.ImageDraw, Box, random.Random], None]]] = {
    "boat": _boat,
    "fish": _fish,
    "flower": _flower,
    "house": _house,
}
