"""Compares what images look like, by the hashes that the featurizer computes of them."""

from typing import Final

import numpy as np
import numpy.typing as npt

HASH_BYTES: Final = 15
"""The bytes of one hash: see `ImageFeatures.perceptual_hashes` of the contract, which says what the hashes are of."""

BITS: Final = 119
"""How many of its bits tell something."""

_OF_WHOLE: Final = 2
"""The hashes that are of a whole image: as it is, and mirrored."""


def difference(some: bytes, other: bytes) -> float:
    """Return how different two images look, by all hashes of each: the share of bits that differ, from 0 to 1.

    It is the least of one image, as it is or mirrored, from the other one and the parts of it. 1 where an image has no
    hashes, or hashes of another form.
    """
    if not some or len(some) != len(other) or len(some) % HASH_BYTES:
        return 1.0
    first, second = _read(some), _read(other)
    return min(_least(first[:_OF_WHOLE], second), _least(second[:_OF_WHOLE], first)) / BITS


def _read(hashes: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(hashes, np.uint8).reshape(-1, HASH_BYTES)


def _least(wholes: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8]) -> int:
    return int(np.bitwise_count(wholes[:, None] ^ others).sum(2, dtype=np.intp).min())
