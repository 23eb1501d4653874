"""Makes a map a part of a report, without scripts: each point is an element, and shows its photo when pointed at."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from lastlayer.client.report.map.classes import COLOURED, MapClass, describe, find_classes
from lastlayer.client.report.map.gather import PicturedMap, is_conflict

MOST_POINTS: Final = 2_000
"""The most points of a map in a report: each is an element of the page."""

PHOTO_BYTES: Final = 2_500_000
"""The most bytes of photos of a map in a report, which text makes a third more."""


class Dot(NamedTuple):
    """A point of a map as an element of a page."""

    left: float
    """Per cent of the map's width, as `top` of its height."""
    top: float
    kinds: str
    """The classes of its element, in the words of CSS."""
    said: str
    id: str
    photo: bytes
    """A JPEG; empty where there is none."""
    is_marked: bool
    """Whether it is worth a look, so that the keyboard reaches it."""


class DotMap(NamedTuple):
    """A map as a part of a page."""

    dots: Sequence[Dot]
    """Those that are worth a look last, so that they lie above the others."""
    classes: Sequence[MapClass]
    pictured: PicturedMap
    suspicious: int
    conflicts: int
    photos: int


def to_dots(pictured: PicturedMap) -> DotMap:
    """Return a map as elements."""
    points = pictured.map.points
    classes = find_classes(points)
    colours = {entry.label: entry.colour for entry in classes}
    dots = []
    for point in points:
        conflict = is_conflict(point)
        kinds = [f"k{colours[point.labels[0]] if point.labels else COLOURED}"]
        kinds += ["conflict"] * conflict + ["suspicious"] * point.suspicious + ["pool"] * (not point.labels)
        # The card opens towards the middle.
        kinds += ["east"] * (point.x > 0) + ["south"] * (point.y < 0)
        dots.append(
            Dot(
                left=round(3 + 94 * (point.x + 1) / 2, 2),
                top=round(3 + 94 * (1 - point.y) / 2, 2),
                kinds=" ".join(kinds),
                said=describe(point),
                id=point.id,
                photo=pictured.photos.get(point.sha256, b""),
                is_marked=conflict or point.suspicious,
            )
        )
    return DotMap(
        dots=sorted(dots, key=lambda dot: dot.is_marked),
        classes=classes,
        pictured=pictured,
        suspicious=sum(point.suspicious for point in points),
        conflicts=sum(map(is_conflict, points)),
        photos=sum(bool(dot.photo) for dot in dots),
    )
