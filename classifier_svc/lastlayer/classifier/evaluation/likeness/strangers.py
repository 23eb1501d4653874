"""Finds from which distance on an image is unlike the training images, by distances of held-out ones.

Probabilities tell between the classes, and may be high for what is none of them. A distance of the features tells what
is like the training images at all: here that from the subspace of their first principal components. With 100 flowers
as training images it rejects 90 % of the tutorial's photos of food, toys and toasters, and 4 % of other flowers
(benchmarks/results/quality.txt). Mahalanobis' distance did no better, nor did that from the nearest neighbours, which a
head would have to keep.
"""

from typing import Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array, Indices

_DIRECTIONS: Final = 16
"""The most principal components of the subspace: 8 to 32 do about the same."""

_EXAMPLES_EACH: Final = 5
"""There are that many examples for each component, or more."""


def fit_subspace(features: Array) -> tuple[Array, Array]:
    """Return the mean [r] and the first principal components [r, k] of features, float64 [n, r]."""
    mean = features.mean(0)
    centred = features - mean
    variances, vectors = np.linalg.eigh(centred @ centred.T)
    rank = int((variances > 1e-10 * variances[-1]).sum())
    count = max(1, min(_DIRECTIONS, len(features) // _EXAMPLES_EACH, rank // 2))
    last = np.arange(len(variances) - 1, len(variances) - 1 - count, -1)
    return mean, centred.T @ (vectors[:, last] / np.sqrt(variances[last]))


def measure_distances(features: Array, mean: Array, directions: Array) -> Array:
    """Return the squared distances [n] of features [n, r] from the subspace of `fit_subspace`."""
    centred = features - mean
    distances: Array = np.square(centred).sum(1) - np.square(centred @ directions).sum(1)
    return distances


def choose_max_distance(features: Array, folds: Indices, share: float) -> float | None:
    """Return the distance beyond which about that `share` of held-out images is; None where they are too few to tell.

    `features` is float64 [n, r]; `folds` [n] is the fold of each example, -1 for none. A new image like these is
    farther away with a probability of about `share` (Vovk, Cross-conformal predictors, 2015).
    """
    distances = [
        measure_distances(features[folds == fold], *fit_subspace(features[folds != fold]))
        for fold in np.unique(folds[folds >= 0])
    ]
    found = np.sort(np.concatenate(distances)) if distances else np.zeros(0)
    rank = int(np.ceil((len(found) + 1) * (1 - share)))
    return float(found[rank - 1]) if rank <= len(found) else None
