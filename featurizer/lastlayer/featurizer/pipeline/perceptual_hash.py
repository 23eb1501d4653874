"""Hashes of what an image looks like, which its copies share: saved anew, smaller, mirrored, brighter or cropped.

A hash has the signs of the low frequencies of the image's luminance: of its discrete cosine transform (DCT-II), those
whose numbers across and down add up to at most 14, save the mean. That is pHash (Zauner, Implementation and
Benchmarking of Perceptual Image Hash Functions, 2010) with 119 bits in place of 64. No copy that was cropped shares the
frequencies of the whole, but it shares those of the part that is left: so parts of an image have hashes, too.
"""

import functools
from typing import Final

import numpy as np
import numpy.typing as npt

SIDE: Final = 64
"""The width and height in pixels of the luminance that hashes are of, whatever the image's proportions."""

HASH_BYTES: Final = 15
"""119 bits, and one that is always 0."""

_FREQUENCIES: Final = 15

_PARTS: Final = ((1.0, 1), (0.92, 3), (0.85, 5), (0.77, 5), (0.7, 7))
"""The share of the width and height that parts have, and in how many places across and down: 109 parts in all, the
whole included. Further apart, what lies between two of them is missed: with 84 parts a crop by 15 % at one edge is
found 46 times of 100 in place of 80."""

_PART_COUNT: Final = sum(count**2 for _, count in _PARTS)

_LEAST_CONTRAST: Final = 4.0
"""Below this standard deviation, of 255 levels, an image is so plain that its hashes would be those of its noise."""

_across, _down = np.meshgrid(np.arange(_FREQUENCIES), np.arange(_FREQUENCIES))
_KEPT: Final = np.flatnonzero((_across + _down > 0) & (_across + _down < _FREQUENCIES))
_ODD_ACROSS: Final = (_across % 2 == 1).ravel()[_KEPT]
"""The frequencies whose signs change where the image is mirrored."""


def perceptual_hashes(luminance: npt.NDArray[np.uint8]) -> bytes:
    """Return the hashes of an image, `HASH_BYTES` each: of the whole, of the whole mirrored, and of 108 parts.

    `luminance` is of the whole upright image, uint8 [SIDE, SIDE]. Empty where that is too plain to tell images apart.
    """
    levels = luminance.astype(np.float32)
    if levels.std() < _LEAST_CONTRAST:
        return b""
    bases = _transforms()
    rows = np.matmul(levels, bases.transpose(0, 2, 1))  # [bases, SIDE, frequencies across]
    transformed = np.empty((_PART_COUNT, _FREQUENCIES**2), np.float32)
    base = part = 0
    for _, count in _PARTS:
        # One product for each place down, of all places across: four times as fast as one for each part.
        across = rows[base : base + count].transpose(1, 0, 2).reshape(SIDE, count * _FREQUENCIES)
        found = np.matmul(bases[base : base + count], across).reshape(count, _FREQUENCIES, count, _FREQUENCIES)
        grid = transformed[part : part + count**2].reshape(count, count, _FREQUENCIES, _FREQUENCIES)
        grid[:] = found.transpose(0, 2, 1, 3)
        base, part = base + count, part + count**2
    signs = transformed.take(_KEPT, axis=1) > 0
    mirrored = signs[:1] ^ _ODD_ACROSS
    return np.packbits(np.vstack([signs[:1], mirrored, signs[1:]]), axis=1).tobytes()


@functools.cache
def _transforms() -> npt.NDArray[np.float32]:
    """Return the transforms of the stretches of a line of pixels that `_PARTS` has, float32 [bases, frequencies, SIDE];
    the whole comes first.
    """
    starts = [(start, share) for share, count in _PARTS for start in np.linspace(0, 1 - share, count)]
    return np.array([_basis(start, start + share) for start, share in starts], np.float32)


def _basis(start: float, end: float) -> npt.NDArray[np.float64]:
    """Return what takes a line of pixels to the frequencies of a stretch of it, float64 [frequencies, SIDE].

    A pixel has its share of the integral of the cosine, so that a stretch may begin within one.
    """
    edges = np.clip((np.arange(SIDE + 1) / SIDE - start) / (end - start), 0, 1)
    waves = np.pi * np.arange(1, _FREQUENCIES)[:, None]
    return np.vstack([np.diff(edges), np.diff(np.sin(waves * edges)) / waves])
