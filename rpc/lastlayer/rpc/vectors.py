"""The one encoding of a vector on the wire and in the store: float32, little-endian, without padding.

And how far vectors of other precisions may be from it.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

TOLERATED_MEAN_COSINE: Final = 0.99
"""How far features may be from those in float32: the least mean cosine at a tap with which heads are as good.

Measured with int8 on GoogLeNet and Xception: docs/performance.md.
"""

_DTYPE = np.dtype("<f4")


def pack(vector: npt.NDArray[np.float32]) -> bytes:
    """Return the bytes of a vector, float32 [d], or of a map, float32 [h, w, d], row by row."""
    return vector.astype(_DTYPE, copy=False).tobytes()


def unpack(values: bytes) -> npt.NDArray[np.float32]:
    """Return the vector, float32 [d], read-only, without a copy; raises ValueError for a broken length."""
    return np.frombuffer(values, _DTYPE)
