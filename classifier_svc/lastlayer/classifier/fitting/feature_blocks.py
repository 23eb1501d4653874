"""Features side by side, read some rows at a time, so that fitting many examples needs no copy of them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array

_COPIED_SIZE: Final = 20_000_000
"""Up to this many numbers the parts are put side by side once, in a copy; beyond, block by block at every reading."""

_BLOCK_SIZE: Final = 2**20
"""About how many numbers a block has: few enough to stay in a processor's cache, many enough for BLAS to be quick. A
training on 4,317 photos takes 5 to 10 % longer with half of them."""

_LEAST_ROWS: Final = 64


class FeatureBlocks:
    """Parts, each [n, r of its own], as one array [n, r] in one precision."""

    def __init__(self, parts: Sequence[Array], precision: type[np.floating[Any]]) -> None:
        self.shape = (len(parts[0]), sum(part.shape[1] for part in parts))
        """n and r."""
        self.dtype = np.dtype(precision)
        copied = self.shape[0] * self.shape[1] <= _COPIED_SIZE
        self._parts = (self._join(parts),) if copied else tuple(parts)

    def blocks(self, outputs: int) -> Iterator[tuple[slice, Array]]:
        """Yield all rows, some at a time: which rows, and their features [rows, r], which must not be written to.

        `outputs` is how many numbers the caller computes for a row: blocks have fewer rows where these are many.
        """
        count, dimension = self.shape
        rows = max(_LEAST_ROWS, _BLOCK_SIZE // max(1, dimension, outputs))
        for start in range(0, count, rows):
            block = slice(start, min(start + rows, count))
            yield block, self._join([part[block] for part in self._parts])

    def _join(self, parts: Sequence[Array]) -> Array:
        if len(parts) == 1:
            return parts[0].astype(self.dtype, copy=False)
        return np.hstack(parts, dtype=self.dtype, casting="unsafe")
