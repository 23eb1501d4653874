"""Asks the nearest neighbours of examples whether they have the same label."""

from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.head import square_root, unit_length

NEIGHBOURS: Final = 20
"""How many neighbours are asked. With 10 and 30 as many wrong labels are found, within the error of measuring."""

_SHARPNESS: Final = 20.0
"""A neighbour whose cosine is 0.05 below that of the nearest counts e times less."""

_BLOCK: Final = 4096
"""How many examples to compare with at once, which bounds the memory."""


def neighbour_margins(vectors: npt.NDArray[np.float32], y: Indices, rows: Indices, classes: int) -> Array:
    """Return by how much more of the neighbours of examples have their label than the best other one, float64 [m].

    `vectors`, float32 [n, d], and `y`, intp [n], are of all n examples, and `rows`, intp [m], says which are judged.
    From -1, where all neighbours have one other label, to 1, where all have the example's own. Neighbours are the
    nearest by the cosine, the nearer the more they count, and never the example itself. 0 where there are no others.
    """
    judged = _prepare(vectors[rows])
    count = min(NEIGHBOURS, len(vectors) - 1)
    if count < 1 or not len(rows):
        return np.zeros(len(rows))
    cosines = np.full((len(rows), count), -np.inf, np.float32)
    labels = np.zeros((len(rows), count), np.intp)
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        found = judged @ _prepare(vectors[block]).T
        inside = np.flatnonzero((rows >= start) & (rows < start + _BLOCK))
        found[inside, rows[inside] - start] = -np.inf  # itself
        candidates = np.hstack([cosines, found])
        names = np.hstack([labels, np.broadcast_to(y[block], found.shape)])
        best = np.argpartition(-candidates, count - 1, axis=1)[:, :count]
        cosines = np.take_along_axis(candidates, best, 1)
        labels = np.take_along_axis(names, best, 1)
    weights = np.exp(_SHARPNESS * (cosines.astype(np.float64) - cosines.max(1, keepdims=True)))
    shares = np.zeros((len(rows), classes))
    np.add.at(shares, (np.arange(len(rows))[:, None], labels), weights)
    shares /= shares.sum(1, keepdims=True)
    margins: Array = shares[np.arange(len(rows)), y[rows]] - others_best(shares, y[rows])
    return margins


def _prepare(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return vectors as the recipe `auto` trains on them."""
    return unit_length(square_root(vectors))


def others_best(probabilities: Array, y: Indices) -> Array:
    """Return how probable the best class is that is not the own one, float64 [m]; 0 where there is no other."""
    others = probabilities.copy()
    others[np.arange(len(y)), y] = 0
    best: Array = others.max(1, initial=0)
    return best
