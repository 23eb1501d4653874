"""Features side by side, looked at some rows at a time: many examples are worked on without a copy of all."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_WHOLE_SIZE: Final = 20_000_000
"""Up to this many numbers the parts are put together once, and not for each look at them."""

_BLOCK_SIZE: Final = 2**19
"""About how many numbers are looked at together: few enough to stay in a processor's cache."""

_LEAST_ROWS: Final = 64


class Columns:
    """Parts, each [n, r of its own], as one array [n, r] in one precision."""

    def __init__(self, parts: Sequence[Array], precision: type[np.floating[Any]]) -> None:
        self.shape = (len(parts[0]), sum(part.shape[1] for part in parts))
        self.dtype = np.dtype(precision)
        small = self.shape[0] * self.shape[1] <= _WHOLE_SIZE
        self._parts = (self._joined(parts),) if small else tuple(parts)

    def blocks(self, outputs: int) -> Iterator[tuple[slice, Array]]:
        """Yield all rows, some at a time: which they are, and they themselves, not to be written to; fewer where much
        is computed for each, `outputs` numbers.
        """
        count, dimension = self.shape
        rows = max(_LEAST_ROWS, _BLOCK_SIZE // max(1, dimension, outputs))
        for start in range(0, count, rows):
            block = slice(start, min(start + rows, count))
            yield block, self._joined([part[block] for part in self._parts])

    def _joined(self, parts: Sequence[Array]) -> Array:
        if len(parts) == 1:
            return parts[0].astype(self.dtype, copy=False)
        return np.hstack(parts, dtype=self.dtype, casting="unsafe")
