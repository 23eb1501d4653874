"""The classes of a map: which have colours of their own."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from lastlayer.client.report.map.gather import is_conflict
from lastlayer.client.results.curation import MapPoint

COLOURED: Final = 10
"""How many classes have a colour of their own: more cannot be told apart."""


class MapClass(NamedTuple):
    """A class of a map."""

    label: str
    images: int
    """How many of the points have it as their first label."""
    colour: int
    """The number of its colour; `COLOURED` for that of all others."""


def find_classes(points: Sequence[MapPoint]) -> list[MapClass]:
    """Return the classes of some points, the most frequent first."""
    counts = Counter(point.labels[0] for point in points if point.labels)
    return [MapClass(label, count, min(number, COLOURED)) for number, (label, count) in enumerate(counts.most_common())]


def describe(point: MapPoint) -> str:
    """Return in a few words what a point is labelled."""
    if not point.labels:
        return "in the pool, without a label"
    if is_conflict(point):
        return f"conflict: {' and '.join(point.labels)}"
    suggested = f"; the model suggests {point.suggested_label}" if point.suspicious else ""
    return f"labelled {point.labels[0]}{suggested}"
