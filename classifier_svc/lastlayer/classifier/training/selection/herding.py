"""Chooses images that stand for many others, one after the other: greedy maximum coverage with a soft reach.

Each chosen image covers the others by a Gaussian kernel of their features. The next one is that which adds most to what
is covered, each covered image counting with its weight. With equal weights that is MaxHerding (Bae, Noh and Sutherland,
Generalized Coverage for More Robust Low-Budget Active Learning, 2024). With the uncertainty of a head as the weights it
is Uncertainty Herding (Bae, Oliveira and Sutherland, Uncertainty Herding: One Active Learning Method for All Label
Budgets, 2025). What is labelled already covers its like from the beginning.

What an image adds never grows as others are chosen. So sums from before are upper limits, and few are computed anew for
each choice (Minoux, Accelerated greedy algorithms for maximizing submodular set functions, 1978).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices

_REACH: Final = 1.0
"""The kernel's width: at this share of the median squared distance between two images it has fallen to 1 / e."""

_BLOCK: Final = 1024
"""How many images to compare with the covered ones at once, which bounds the memory."""

_RENEWED: Final = 32
"""How many upper limits are computed anew at once."""


class Herd:
    """Images to choose from, by how well they cover a sample of them."""

    def __init__(self, vectors: npt.NDArray[np.float32], labelled: npt.NDArray[np.float32], covered: Indices) -> None:
        """`vectors`, float32 [n, d], and `labelled`, [l, d], are of unit length; `covered`, [m], says which of the n
        are to be covered.
        """
        targets = vectors[covered]
        some = targets[:_BLOCK]
        distances = 2 - 2 * (some @ some.T)
        median = float(np.median(distances[np.triu_indices(len(some), 1)])) if len(some) > 1 else 0.0
        self._width = max(_REACH * median, float(np.finfo(np.float32).eps))
        self._kernel = np.empty((len(vectors), len(targets)), np.float32)
        for start in range(0, len(vectors), _BLOCK):
            block = slice(start, start + _BLOCK)
            self._kernel[block] = self._reach(vectors[block], targets)
        self._reached = np.zeros(len(targets), np.float32)
        """How well each of the m is covered, from 0 to 1."""
        for start in range(0, len(labelled), _BLOCK):
            reach = self._reach(labelled[start : start + _BLOCK], targets)
            self._reached = np.maximum(self._reached, reach.max(0))
        self._weights = np.ones(len(targets), np.float32)
        self._limits = np.full(len(vectors), np.inf)

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

    def _reach(self, vectors: npt.NDArray[np.float32], targets: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return how well vectors [b, d] cover the targets [m, d], float32 [b, m], from 0 to 1."""
        distances = np.maximum(2 - 2 * (vectors @ targets.T), 0)
        reach: npt.NDArray[np.float32] = np.exp(distances / -self._width)
        return reach
