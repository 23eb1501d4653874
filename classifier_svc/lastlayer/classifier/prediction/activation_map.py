"""Where in an image a class's score comes from: its class activation map, which is exact for a head on spatial means.

The idea is that of Zhou et al., Learning Deep Features for Discriminative Localization, 2016. A head's score is linear
in the means of feature maps over height and width, so that each cell's part of the mean has its part of the score. The
division by a vector's length changes nothing in that: it is the same number for all cells of an image. Neither do
square roots: the root of a channel's mean is that mean divided by a number that is the same for all cells. A mean over
several views of an image is one over the cells of all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array
from lastlayer.classifier.domain.errors import NotExplainableError
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import FeatureMaps, Region
from lastlayer.rpc.errors import InvalidFieldError

_NAMED_CLASSES: Final = 10
"""How many of the known classes the sentence about an unknown one names."""


_ALL: Final = Region(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class ActivationMap:
    """What the cells of an image contribute to the score of one class."""

    label: str
    probabilities: npt.NDArray[np.float64]
    """Of all classes of the head, float64 [c]."""
    probability: float
    contributions: npt.NDArray[np.float64]
    """float64 [h, w] on the finest grid of the taps: positive where a cell speaks for the class."""
    bias: float
    distance: float = 0.0
    """From the training images, see `Head.score`."""

    @property
    def logit(self) -> float:
        """The class's score before softmax, or the logistic function where labels are independent."""
        return float(self.contributions.sum() + self.bias)


def check_explainable(taps: Sequence[str], spatial_means: Sequence[str], version: str) -> None:
    """Raise NotExplainableError where a tap is no spatial mean; `version` is what the sentence calls the version."""
    for tap in taps:
        if tap not in spatial_means:
            raise NotExplainableError(
                f"{version} cannot be explained: it was trained on the tap `{tap}`, whose vector is no mean over the "
                "image, so that no part of the image can be told to be where a score comes from; train a version with "
                f"the recipe auto instead (the taps that can be explained: {', '.join(spatial_means) or 'none'})."
            )


def activation_map(
    head: Head, seen: Sequence[tuple[FeatureMaps, Region]], label: str = ""
) -> tuple[ActivationMap, Region]:
    """Return what the cells of an image contribute to the score of a class, its best one where `label` is empty; and
    the part of the image that they cover.

    `seen` has, of each of the head's views, the map at each of its taps, and the part of the image that these cover.
    Raises InvalidFieldError where the head does not know the class.
    """
    means = {tap: np.mean([maps[tap].mean((0, 1), np.float64) for maps, _ in seen], 0) for tap in head.taps}
    [probabilities], [distance] = head.score({tap: mean[None].astype(np.float32) for tap, mean in means.items()})
    index = _index(head.classes, label) if label else int(probabilities.argmax())
    covered = _union([region for _, region in seen])
    # Cells as small as the smallest of any view, where views cover different parts of the image.
    height = max(
        _cells(maps[tap].shape[0], r.bottom - r.top, covered.bottom - covered.top)
        for maps, r in seen
        for tap in head.taps
    )
    width = max(
        _cells(maps[tap].shape[1], r.right - r.left, covered.right - covered.left)
        for maps, r in seen
        for tap in head.taps
    )
    contributions = np.zeros((height, width))
    row = 0
    for tap in head.taps:
        dimension = len(means[tap])
        weights = head.weights[row : row + dimension, index].astype(np.float64)
        # A channel's root is its mean divided by the root itself, so that each cell has its share of that, too.
        roots = np.sqrt(np.maximum(means[tap], 0))
        scale = np.divide(1, roots, out=np.zeros_like(roots), where=roots > 0) if head.square_root else 1.0
        length = (np.linalg.norm(means[tap] * scale) or 1.0) if head.unit_length else 1.0
        for maps, region in seen:
            rows, columns, _ = maps[tap].shape
            parts = maps[tap].astype(np.float64) @ (weights * scale) / (rows * columns * length * len(seen))
            contributions += regrid(parts, height, width, _within(region, covered))
        row += dimension
    explained = ActivationMap(
        label=head.classes[index],
        probabilities=probabilities,
        probability=float(probabilities[index]),
        contributions=contributions,
        bias=float(head.biases[index]),
        distance=float(distance),
    )
    return explained, covered


def regrid(grid: Array, height: int, width: int, region: Region = _ALL) -> Array:
    """Return a grid, float64 [h, w], with each cell's number shared out among the cells of another grid, float64
    [height, width], in proportion to what they cover of it. The sum stays as it is.

    `region` is the part of the other grid that the grid lies on.
    """
    down = _shares(grid.shape[0], height, region.top, region.bottom)
    across = _shares(grid.shape[1], width, region.left, region.right)
    shared: Array = down @ grid @ across.T
    return shared


def _union(regions: Sequence[Region]) -> Region:
    """Return the least region that has all of some in it."""
    left, top, right, bottom = zip(*regions, strict=True)
    return Region(min(left), min(top), max(right), max(bottom))


def _within(region: Region, outer: Region) -> Region:
    """Return a region of an image as a part of another region that it lies in."""
    width, height = outer.right - outer.left, outer.bottom - outer.top
    return Region(
        (region.left - outer.left) / width,
        (region.top - outer.top) / height,
        (region.right - outer.left) / width,
        (region.bottom - outer.top) / height,
    )


def _cells(cells: int, length: float, whole: float) -> int:
    """Return how many cells a line has, a stretch of which has so many of them."""
    return round(cells * whole / length)


def _shares(cells: int, others: int, start: float, end: float) -> Array:
    """Return how much of each of some equal parts of a stretch of a line lies in each equal part of the line, [others,
    cells]; the stretch goes from `start` to `end`, the line from 0 to 1.
    """
    edges, other_edges = np.linspace(start, end, cells + 1), np.arange(others + 1) / others
    first = np.maximum(other_edges[:-1, None], edges[None, :-1])
    last = np.minimum(other_edges[1:, None], edges[None, 1:])
    overlaps = np.maximum(last - first, 0)
    shares: Array = overlaps / overlaps.sum(0)
    return shares


def _index(classes: Sequence[str], label: str) -> int:
    if label not in classes:
        known = ", ".join(classes[:_NAMED_CLASSES])
        more = f" and {len(classes) - _NAMED_CLASSES} more" if len(classes) > _NAMED_CLASSES else ""
        raise InvalidFieldError("label", f"The model knows no class `{label[:100]}`; it knows {known}{more}.")
    return classes.index(label)
