"""Splits examples into folds for cross-validation, stratified by class, for datasets of any size."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]


def fold_count(examples: int) -> int:
    """Return a number of folds that suits a dataset: 10 up to 400 examples, where data is dear, and 5 beyond."""
    return 10 if examples <= 400 else 5


@dataclass(frozen=True)
class Splits:
    """Regressions that leave examples out, so that each example is validated by some that were fitted without it."""

    counted: npt.NDArray[np.bool_]
    """bool [n, p], whether an example counts in a regression."""
    columns: Indices
    """[s, n, r], by which regression an example is validated: for each of s sets that are left out altogether (or for
    one, of which nothing is), and r times. -1 where it is not."""

    def average(self, losses: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the mean loss of each example over its validations, float64 [s, n], from the losses of all examples in
        all regressions, [n, p]; not a number where it is not validated.
        """
        own = losses[np.arange(len(losses))[None, :, None], np.maximum(self.columns, 0)].astype(np.float64)
        own[self.columns < 0] = np.nan
        mean: npt.NDArray[np.float64] = own.mean(2)
        return mean


def split(truth: Indices, folds: int, seed: int, *, repeats: int = 1, without: Indices | None = None) -> Splits:
    """Return the splits of a cross-validation that is repeated with other folds; or of one for each value of `without`
    [n] that is 0 or more, in which the examples that have it are left out altogether.
    """
    left_out = [None] if without is None else [without == value for value in np.unique(without[without >= 0])]
    columns = np.full((len(left_out), len(truth), repeats), -1)
    counted: list[npt.NDArray[np.bool_]] = []
    for number, out in enumerate(left_out):
        rows = np.arange(len(truth)) if out is None else np.flatnonzero(~out)
        for repeat in range(repeats):
            assigned = np.full(len(truth), -1)
            assigned[rows] = assign_folds(truth[rows], folds, seed + 1000 * repeat + number)
            for fold in np.unique(assigned[assigned >= 0]):
                columns[number, assigned == fold, repeat] = len(counted)
                counted.append((assigned != fold) & (True if out is None else ~out))
    return Splits(np.stack(counted, 1) if counted else np.zeros((len(truth), 0), bool), columns)


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
