"""Lays vectors out in two dimensions: by their principal components, or so that nearest neighbours stay near.

Of the libraries for the latter openTSNE was chosen (t-SNE, BSD-3): 3.5 MB to download, 13 MB on disk, and nothing else
that the classifier does not need anyway. umap-learn brings numba and llvmlite, 64 MB to download, and compiles when it
is first used.
"""

import importlib.util
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array
from lastlayer.classifier.domain.errors import MapNotOfferedError

Vectors = npt.NDArray[np.float32]
Tell = Callable[[float], None]
"""Is told the share that is done, from 0 to 1, and may raise to end the work."""

COMPONENTS: Final = 50
"""How many principal components neighbours are looked for in, as is usual before t-SNE: the rest is mostly noise."""

LEAST_NEIGHBOURED: Final = 10
"""Fewer vectors have too few neighbours to be told apart by them."""

_SAME: Final = 1e-5
"""Vectors of length 1 that are nowhere farther apart are all of the same image, but for rounding."""

_PERPLEXITY: Final = 30.0
"""About how many neighbours a vector is kept near to."""

_FROM_GRID: Final = 3000
"""From how many vectors on the forces are interpolated on a grid (FIt-SNE), which is quicker than a tree from there."""

_SEED: Final = 0
_STAGES: Final = (
    {"n_iter": 250, "exaggeration": 12, "momentum": 0.5},
    {"n_iter": 500, "exaggeration": 1, "momentum": 0.8},
)
"""The usual ones of t-SNE: first groups come together, then they spread."""

_AT_ONCE: Final = 10
"""After how many steps progress is told."""

_DISTANCES: Final = 10_000_000
"""How many distances are looked at together, which bounds the memory: 120 MB with the places of the least of them."""


def find_components(read: Callable[[], Iterable[Vectors]], tell: Tell = lambda _: None) -> Vectors:
    """Return vectors in their principal components, float32 [n, m], from the greatest variance to the least.

    `read` yields the vectors, some at a time, float32 [k, d]; it is called twice, so that they are never all in memory.
    m is at most `COMPONENTS`. The signs are such that the same vectors always come out the same.
    """
    count = 0
    total: Array = np.zeros(1)
    products: Array = np.zeros((1, 1))
    for block in read():
        count += len(block)
        total = total + block.sum(0, dtype=np.float64)
        products = products + (block.T @ block).astype(np.float64)
        tell(0.5)
    if not count:
        return np.empty((0, 0), np.float32)
    mean = total / count
    _, vectors = np.linalg.eigh(products - count * np.outer(mean, mean))
    directions = vectors[:, ::-1][:, :COMPONENTS]
    largest = directions[np.abs(directions).argmax(0), np.arange(directions.shape[1])]
    directions = (directions * np.sign(largest)).astype(np.float32)
    placed = []
    for block in read():
        placed.append((block - mean.astype(np.float32)) @ directions)
        tell(1.0)
    return np.concatenate(placed)


def place_by_components(components: Vectors) -> Array:
    """Return the places of n vectors of length 1, float64 [n, 2], by their principal components, float32 [n, m]."""
    places = np.zeros((len(components), 2))
    if len(components) and np.ptp(components[:, 0]) >= _SAME:
        places[:, : components.shape[1]] = components[:, :2]
    return fit(places)


def place_by_neighbours(components: Vectors, tell: Tell = lambda _: None) -> Array:
    """Return the places of n vectors of length 1, float64 [n, 2], that keep nearest neighbours near: t-SNE (van der
    Maaten and Hinton, 2008) from their principal components, float32 [n, m], at least `LEAST_NEIGHBOURED` of them.

    In one thread, so that the service goes on answering, and the same each time. Raises MapNotOfferedError.
    """
    tsne = import_tsne()
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    start = components[:, :2].astype(np.float64)
    if np.ptp(start[:, 0]) < _SAME:
        return np.zeros((len(components), 2))
    start /= start[:, 0].std() * 1e4
    count = len(components)
    perplexity = min(_PERPLEXITY, (count - 1) / 3)
    neighbours, distances = find_neighbours(components, int(3 * perplexity), lambda share: tell(0.1 * share))
    # What is the same image many times has neighbours at no distance at all, of which no scale can be told.
    distances = np.maximum(distances, 1e-6 * distances.max())
    affinities = PerplexityBasedNN(
        perplexity=perplexity, knn_index=PrecomputedNeighbors(neighbours, distances), n_jobs=1, random_state=_SEED
    )
    embedding: Any = tsne.TSNEEmbedding(
        start,
        affinities,
        negative_gradient_method="fft" if count >= _FROM_GRID else "bh",
        n_jobs=1,
        random_state=_SEED,
    )
    steps = sum(int(stage["n_iter"]) for stage in _STAGES)
    done = 0

    def follow(_iteration: int, _error: float, _embedding: Any) -> None:
        nonlocal done
        done += _AT_ONCE
        tell(0.1 + 0.9 * min(1.0, done / steps))

    for stage in _STAGES:
        embedding = embedding.optimize(
            **stage, callbacks=[follow], callbacks_every_iters=_AT_ONCE, n_jobs=1, propagate_exception=True
        )
    return fit(np.asarray(embedding, np.float64))


def import_tsne() -> Any:
    """Return the library openTSNE, whose import takes a second; raises MapNotOfferedError where it is not installed."""
    try:
        import openTSNE
    except ImportError as error:
        raise MapNotOfferedError("neighbors") from error
    return openTSNE


def offers_neighbours() -> bool:
    """Return whether `place_by_neighbours` can be used."""
    return importlib.util.find_spec("openTSNE") is not None


def find_neighbours(vectors: Vectors, count: int, tell: Tell = lambda _: None) -> tuple[Array, Array]:
    """Return the `count` nearest others of n vectors, intp [n, count], and how far they are, float64 [n, count]; the
    nearest first.
    """
    total = len(vectors)
    neighbours, distances = np.empty((total, count), np.intp), np.empty((total, count))
    squares = np.einsum("ij,ij->i", vectors, vectors)
    size = max(1, _DISTANCES // max(1, total))
    for start in range(0, total, size):
        block = vectors[start : start + size]
        rows = np.arange(len(block))
        found = squares - 2 * (block @ vectors.T)
        found += squares[start : start + size, None]
        found[rows, start + rows] = np.inf  # itself
        best = np.argpartition(found, count - 1, axis=1)[:, :count]
        nearest = np.take_along_axis(found, best, 1)
        order = np.lexsort((best, nearest))
        neighbours[start : start + size] = np.take_along_axis(best, order, 1)
        distances[start : start + size] = np.sqrt(np.maximum(np.take_along_axis(nearest, order, 1), 0))
        tell((start + len(block)) / total)
    return neighbours, distances


def fit(places: Array) -> Array:
    """Return places, float64 [n, 2], within -1 and 1, in their proportions; all in the middle where they are one."""
    if not len(places):
        return places
    low, high = places.min(0), places.max(0)
    half = (high - low).max() / 2
    if not half > 0:
        return np.zeros_like(places)
    fitted: Array = np.clip((places - (low + high) / 2) / half, -1, 1)
    return fitted
