"""Keeps near duplicates apart: of each other, and of what is labelled already.

Two images are near duplicates by the cosines that `evaluation.likeness` knows them by. How near the others are is told
by the images of the pool, which are many: a handful of labelled ones may lie far from each other by chance.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.head import unit_length
from lastlayer.classifier.evaluation.likeness.near_duplicates import ALIKE, RANK, RATIO, SAME

_BLOCK: Final = 512


class Copies:
    """The images of a pool, of which near duplicates are told."""

    def __init__(self, pool: npt.NDArray[np.float32]) -> None:
        """`pool` is float32 [n, d], the vectors at one tap."""
        self._pool = unit_length(pool)

    def of(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Return which images of the pool, bool [n], are near duplicates of one of these, float32 [m, d]."""
        found = np.zeros(len(self._pool), bool)
        if not len(found):
            return found
        rank = min(RANK, len(found))
        for start in range(0, len(vectors), _BLOCK):
            cosines = unit_length(vectors[start : start + _BLOCK]) @ self._pool.T
            distant = np.partition(cosines, -rank, axis=1)[:, -rank, None]
            near = (cosines >= SAME) | ((cosines >= ALIKE) & (1 - cosines <= RATIO * (1 - distant)))
            found |= near.any(0)
        return found

    def of_own(self, row: int) -> npt.NDArray[np.bool_]:
        """Return which images of the pool, bool [n], are near duplicates of one of it, itself among them."""
        found = self.of(self._pool[row : row + 1])
        found[row] = True
        return found
