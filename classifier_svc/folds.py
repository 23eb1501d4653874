"""Splits examples into folds for cross-validation, stratified by class, for datasets of any size."""

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]


def fold_count(examples: int) -> int:
    """Return a number of folds that suits a dataset: 10 up to 100 examples, where data is dear, and 5 beyond."""
    return 10 if examples <= 100 else 5


def assign_folds(truth: Indices, folds: int, seed: int) -> Indices:
    """Return the fold, 0 to `folds` - 1, in which each example is validated, or -1 where it is always trained on.

    `truth` is [n], the classes' indices. The examples of a class are dealt out to the folds one after the other, so
    that each class is spread as evenly as can be, and at least one example of its class is trained on when an example
    is validated. The only example of a class is always trained on.
    """
    random = np.random.default_rng(seed)
    counts = np.bincount(truth)
    shuffled = [random.permutation(np.flatnonzero(truth == label)) for label in np.flatnonzero(counts > 1)]
    dealt = np.concatenate([*shuffled, np.zeros(0, np.intp)])
    assigned = np.full(len(truth), -1)
    assigned[dealt] = np.arange(len(dealt)) % folds
    return assigned


def stratified_sample(truth: Indices, examples: int, seed: int) -> Indices:
    """Return the sorted indices of about that many examples, each class in its proportion and with two at least."""
    random = np.random.default_rng(seed)
    share = min(1.0, examples / len(truth))
    taken = []
    for label in np.unique(truth):
        of_class = np.flatnonzero(truth == label)
        taken.append(random.permutation(of_class)[: max(2, round(share * len(of_class)))])
    return np.sort(np.concatenate(taken))
