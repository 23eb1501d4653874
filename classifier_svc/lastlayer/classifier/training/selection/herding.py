"""Chooses images that stand for many others, one after the other: greedy maximum coverage with a soft reach.

Each chosen image covers the others by Gaussian kernels of their features. The next one is that which adds most to what
is covered, each covered image counting with its weight. With equal weights that is MaxHerding (Bae, Noh and Sutherland,
Generalized Coverage for More Robust Low-Budget Active Learning, 2024). With the uncertainty of a head as the weights it
is Uncertainty Herding (Bae, Oliveira and Sutherland, Uncertainty Herding: One Active Learning Method for All Label
Budgets, 2025). What is labelled already covers its like from the beginning.

Of our own is that an image covers another one only as far as a head takes the two for the same class: a label tells
little about its neighbours beyond a border. With 60 labels that raised the accuracy on emoji from 0.620 to 0.631
(random ones: 0.552).

What an image adds never grows as others are chosen. So sums from before are upper limits, and few are computed anew for
each choice (Minoux, Accelerated greedy algorithms for maximizing submodular set functions, 1978).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices

_BLOCK: Final = 1024
"""How many images to compare with the covered ones at once, which bounds the memory."""

_RENEWED: Final = 32
"""How many upper limits are computed anew at once."""


@dataclass(frozen=True)
class Images:
    """Images by what tells how well they cover each other."""

    vectors: tuple[npt.NDArray[np.float32], ...]
    """Of each kernel, float32 [n, d of its own], of unit length."""
    beliefs: npt.NDArray[np.float32]
    """float32 [n, c], of unit length: how probable each class is. [n, 1] of ones where there are no classes."""

    def only(self, rows: Indices | slice) -> "Images":
        """Return some of the images."""
        return Images(tuple(values[rows] for values in self.vectors), self.beliefs[rows])

    def __len__(self) -> int:
        return len(self.beliefs)


class Herd:
    """Images to choose from, by how well they cover a sample of them."""

    def __init__(self, images: Images, labelled: Images, covered: Indices, reaches: Sequence[float]) -> None:
        """`covered`, [m], says which of the n images are to be covered. A kernel has fallen to 1 / e at its share, of
        `reaches`, of the median squared distance between two images.
        """
        targets = images.only(covered)
        self._widths = [
            max(reach * _median_distance(values[:_BLOCK]), float(np.finfo(np.float32).eps))
            for reach, values in zip(reaches, targets.vectors, strict=True)
        ]
        self._kernel = np.empty((len(images), len(covered)), np.float32)
        for start in range(0, len(images), _BLOCK):
            block = slice(start, start + _BLOCK)
            self._kernel[block] = self._reach(images.only(block), targets)
        self._reached = np.zeros(len(covered), np.float32)
        """How well each of the m is covered, from 0 to 1."""
        for start in range(0, len(labelled), _BLOCK):
            reach = self._reach(labelled.only(slice(start, start + _BLOCK)), targets)
            self._reached = np.maximum(self._reached, reach.max(0))
        self._weights = np.ones(len(covered), np.float32)
        self._limits = np.full(len(images), np.inf)

    def weigh(self, weights: Array) -> None:
        """Let each of the m covered images count with a weight, [m], of at least 0."""
        self._weights = weights.astype(np.float32)
        self._limits[:] = np.inf

    def choose(self, allowed: npt.NDArray[np.bool_]) -> int:
        """Return which of the allowed images, bool [n], of which there is one, adds most; it covers its like then."""
        limits = np.where(allowed, self._limits, -np.inf)
        exact = np.zeros(len(limits), bool)
        while True:
            leading = np.argpartition(-limits, min(_RENEWED, len(limits) - 1))[:_RENEWED]
            best = int(np.flatnonzero(limits == limits.max())[0])
            if exact[best]:
                break
            renewed = np.append(leading[~exact[leading] & allowed[leading]], best)
            gains = np.maximum(self._kernel[renewed] - self._reached, 0) @ self._weights
            limits[renewed] = self._limits[renewed] = gains
            exact[renewed] = True
        self._reached = np.maximum(self._reached, self._kernel[best])
        return best

    def _reach(self, images: Images, targets: Images) -> npt.NDArray[np.float32]:
        """Return how well each of b images covers each of m targets, float32 [b, m], from 0 to 1."""
        reach = np.zeros((len(images), len(targets)), np.float32)
        for own, others, width in zip(images.vectors, targets.vectors, self._widths, strict=True):
            reach += np.exp(np.maximum(2 - 2 * (own @ others.T), 0) / -width)
        reach *= images.beliefs @ targets.beliefs.T
        reach /= len(self._widths)
        return reach


def _median_distance(vectors: npt.NDArray[np.float32]) -> float:
    """Return the median squared distance between two of the vectors, [n, d], of unit length."""
    distances = 2 - 2 * (vectors @ vectors.T)
    return float(np.median(distances[np.triu_indices(len(vectors), 1)])) if len(vectors) > 1 else 0.0
