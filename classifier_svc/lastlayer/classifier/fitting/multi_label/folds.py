"""Splits images with several labels into folds for cross-validation: each label in its proportion, as far as may be.

It is iterative stratification (Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data, 2011).
scikit-learn has none for several labels.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Indices

_FINE_EXAMPLES: Final = 400
"""Up to this many examples there are 10 folds, as each one counts."""


def choose_fold_count(example_count: int) -> int:
    """Return a number of folds that suits a dataset: 10 up to 400 examples, and 5 beyond; never more than examples."""
    return max(2, min(10 if example_count <= _FINE_EXAMPLES else 5, example_count))


def assign_label_folds(targets: npt.NDArray[np.bool_], folds: int, seed: int) -> Indices:
    """Return the fold, 0 to `folds` - 1, in which each example is validated, [n].

    `targets`, bool [n, c], is which labels each example has. The rarest label that is left is dealt out first, each of
    its examples to the fold that wants that label most; examples without a label come last, and even the folds out.
    """
    count = len(targets)
    random = np.random.default_rng(seed)
    assigned = np.full(count, -1)
    places = np.full(folds, count / folds)
    wanted = np.tile(targets.sum(0) / folds, (folds, 1))
    order = random.permutation(count)
    left = targets.sum(0).astype(np.int64)
    open_labels = set(np.flatnonzero(left).tolist())
    while open_labels:
        label = min(open_labels, key=lambda number: (left[number], number))
        for row in order[targets[order, label] & (assigned[order] < 0)]:
            best = np.flatnonzero(wanted[:, label] == wanted[:, label].max())
            if len(best) > 1:
                best = best[places[best] == places[best].max()]
            fold = int(best[0] if len(best) == 1 else random.choice(best))
            assigned[row] = fold
            places[fold] -= 1
            wanted[fold] -= targets[row]
            left -= targets[row]
        open_labels.discard(label)
        open_labels = {number for number in open_labels if left[number] > 0}
    for row in order[assigned[order] < 0]:
        fold = int(places.argmax())
        assigned[row] = fold
        places[fold] -= 1
    return assigned
