"""Splits examples into folds for cross-validation, stratified by class, for datasets of any size."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]


def fold_count(examples: int) -> int:
    """Return a number of folds that suits a dataset: 10 up to 100 examples, where data is dear, and 5 beyond."""
    return 10 if examples <= 100 else 5


def stratified_folds(truth: Indices, folds: int, seed: int) -> Iterator[tuple[Indices, Indices]]:
    """Yield the indices to train on and to validate on, for each fold.

    Each example of a class with at least 2 examples is validated exactly once, and then at least one of its class is
    trained on: the classes are dealt out to the folds one after the other, so that each is spread as evenly as can be.
    The only example of a class is always trained on.
    """
    random = np.random.default_rng(seed)
    counts = np.bincount(truth)
    shuffled = [random.permutation(np.flatnonzero(truth == label)) for label in np.flatnonzero(counts > 1)]
    dealt = np.concatenate([*shuffled, np.zeros(0, np.intp)])
    assignment = np.full(len(truth), -1)
    assignment[dealt] = np.arange(len(dealt)) % folds
    for fold in range(folds):
        validated = np.flatnonzero(assignment == fold)
        if len(validated):
            yield np.flatnonzero(assignment != fold), validated
