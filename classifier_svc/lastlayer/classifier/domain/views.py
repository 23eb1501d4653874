"""Features of several views of an image: their mean, what training chooses from, and of which images there are some."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.rpc.vectors import View, place

SAMPLED: Final = 200
"""The most images of a dataset of which features of the whole image are stored, too, where nobody has said any views:
by them it is told what that would bring."""

SAMPLED_OF_CLASS: Final = 16
"""And the most of them that are of one class."""

_Floats = npt.NDArray[np.float32]


def places(taps: Iterable[str], views: Iterable[View]) -> tuple[str, ...]:
    """Return the keys of all taps' vectors of all views, view by view."""
    taps = tuple(taps)
    return tuple(place(tap, view) for view in views for tap in taps)


def mean_over(vectors: Mapping[str, _Floats], tap: str, views: Sequence[View]) -> _Floats:
    """Return the mean of a tap's vectors, float32 [d] or [n, d], over views; raises KeyError where one is missing.

    Of one view these are the vectors themselves, without a copy.
    """
    first, *others = (vectors[place(tap, view)] for view in views)
    if not others:
        return first
    total = first.copy()
    for other in others:
        total += other
    total /= len(views)
    return total


def candidate_views(views: Sequence[View]) -> list[tuple[View, ...]]:
    """Return what training chooses from, where features of some views are stored: from one view alone to their mean.

    A view and its mirror image always go together, as what they show is the same. So these are the crop, the whole
    image and the two together.
    """
    groups = [tuple(view for view in views if view.upright is upright) for upright in (View.CROP, View.WHOLE)]
    found = [group for group in groups if group]
    return [*found, tuple(view for group in found for view in group)] if len(found) > 1 else found


class SamplePlaces:
    """The places of a sample that is spread over the classes: first come, first served."""

    def __init__(self, taken: Mapping[str, int] | None = None) -> None:
        """`taken` says how many images of each class there are already, which are thought to be in the sample."""
        self._taken = Counter({label: min(count, SAMPLED_OF_CLASS) for label, count in (taken or {}).items()})
        self._left = SAMPLED - self._taken.total()

    def take(self, label: str) -> bool:
        """Return whether an image of a class is in the sample, and take its place."""
        if self._left <= 0 or self._taken[label] >= SAMPLED_OF_CLASS:
            return False
        self._taken[label] += 1
        self._left -= 1
        return True
