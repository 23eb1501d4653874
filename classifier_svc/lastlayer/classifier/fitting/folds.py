"""Splits examples into folds for cross-validation, stratified by class, for datasets of any size.

scikit-learn's `RepeatedStratifiedKFold` deals out the classes that have an example for every fold, or more. It refuses
datasets in which no class has, and warns of smaller classes, which are dealt out here. scikit-learn is imported when
folds are made, not with this module: a service that only predicts does without it.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices

_FINE_EXAMPLES: Final = 1000
"""The most examples with twice as many folds."""


def choose_fold_count(y: Indices, *, fine: bool = False) -> int:
    """Return a number of folds that suits a dataset: 10 up to 400 examples, where each one counts, and 5 beyond.

    Twice as many where they are `fine`, up to 1,000 examples: an estimate's heads are then fitted on nearly as many
    examples as the head that is kept, and it hardly errs towards the worse.

    There are never more than a class has examples on average, so that each fold leaves out about one of every class. A
    fold that leaves out one example of one class, of two or three, would be fitted on fewer of that class than of the
    others, and take the example for one of theirs: accuracy then comes out far below chance.

    `y` is [n], the classes' indices.
    """
    counts = np.bincount(y)
    shared = counts[counts > 1]
    most = 10 if len(y) <= 400 else 5
    if fine and len(y) <= _FINE_EXAMPLES:
        most *= 2
    return min(most, max(2, int(shared.mean()))) if len(shared) else 2


@dataclass(frozen=True)
class Splits:
    """In which of p regressions each of n examples is fitted, and which others validate it."""

    fitted: npt.NDArray[np.bool_]
    """bool [n, p], whether an example is fitted in a regression."""
    weights: npt.NDArray[np.float64]
    """[n, p], how much an example counts in a regression: 0 where it is not fitted, and else so that each class keeps
    its share of the whole, however many of its examples are left out."""
    validating: Indices
    """[s, n, r], the regressions that validate an example, from 0 to p - 1; -1 where none does.

    There are r repeats of the cross-validation, and s sets of examples that are left out altogether, one after the
    other (s is 1 where nothing is left out)."""

    def average(self, losses: Array) -> npt.NDArray[np.float64]:
        """Return the mean loss of each example over the repeats, float64 [s, n]; NaN where nothing validates it.

        `losses` is [n, p]: those of all examples in all regressions.
        """
        validated = losses[np.arange(len(losses))[None, :, None], np.maximum(self.validating, 0)].astype(np.float64)
        validated[self.validating < 0] = np.nan
        mean: npt.NDArray[np.float64] = validated.mean(2)
        return mean


def make_splits(y: Indices, folds: int, seed: int, *, repeats: int = 1, without: Indices | None = None) -> Splits:
    """Return the splits of a stratified cross-validation, repeated with other folds.

    `y` is [n], the classes' indices. With `without`, [n], there is a cross-validation for each of its values that is 0
    or more, in which the examples that have the value are left out altogether.
    """
    left_out = [None] if without is None else [without == value for value in np.unique(without[without >= 0])]
    validating = np.full((len(left_out), len(y), repeats), -1)
    fitted: list[npt.NDArray[np.bool_]] = []
    weights: list[Array] = []
    for number, out in enumerate(left_out):
        whole = np.ones(len(y), bool) if out is None else ~out
        rows = np.flatnonzero(whole)
        assigned = np.full((len(y), repeats), -1)
        assigned[rows] = _assign(y[rows], folds, repeats, seed + number)
        for repeat, of_repeat in enumerate(assigned.T):
            for fold in np.unique(of_repeat[of_repeat >= 0]):
                validating[number, of_repeat == fold, repeat] = len(fitted)
                fitted.append((of_repeat != fold) & whole)
                weights.append(weigh_fitted(y, fitted[-1], whole))
    if not fitted:
        return Splits(np.zeros((len(y), 0), bool), np.zeros((len(y), 0)), validating)
    return Splits(np.stack(fitted, 1), np.stack(weights, 1), validating)


def weigh_fitted(y: Indices, fitted: npt.NDArray[np.bool_], whole: npt.NDArray[np.bool_]) -> Array:
    """Return weights, float64 [n], with which each class has the share of the fitted examples that it has of the whole.

    `y` is [n], the classes' indices; `fitted` and `whole` are bool [n]. The weights are 0 where an example is not
    fitted, and 1 on average over those that are.
    """
    classes = int(y.max(initial=-1)) + 1
    kept, of_whole = np.bincount(y[fitted], minlength=classes), np.bincount(y[whole], minlength=classes)
    shares = np.divide(of_whole, kept, out=np.zeros(classes), where=kept > 0)
    weights = np.where(fitted, shares[y], 0.0)
    total = weights.sum()
    return weights * (fitted.sum() / total) if total else weights


def assign_folds(y: Indices, folds: int, seed: int) -> Indices:
    """Return the fold, 0 to `folds` - 1, in which each example is validated, or -1 where it is in every training set.

    `y` is [n], the classes' indices. Of each class, and of all examples, any two folds have the same number of examples
    or one more; and when an example is validated, another one of its class is trained on. The only example of a class
    is in every training set.
    """
    return _assign(y, folds, 1, seed)[:, 0]


def stratified_sample(y: Indices, example_count: int, seed: int) -> Indices:
    """Return the sorted indices of about that many examples, each class in its proportion and with two at least.

    `y` is [n], the classes' indices.
    """
    random = np.random.default_rng(seed)
    share = min(1.0, example_count / len(y))
    taken = []
    for label in np.unique(y):
        of_class = np.flatnonzero(y == label)
        taken.append(random.permutation(of_class)[: max(2, round(share * len(of_class)))])
    return np.sort(np.concatenate(taken))


def _assign(y: Indices, folds: int, repeats: int, seed: int) -> Indices:
    """Return what `assign_folds` does for each repeat, [n, repeats]."""
    assigned = np.full((len(y), repeats), -1)
    counts = np.bincount(y)
    common = np.flatnonzero(counts[y] >= folds)
    if len(common):
        from sklearn.model_selection import RepeatedStratifiedKFold

        splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
        for number, (_, validated) in enumerate(splitter.split(common, y[common])):
            assigned[common[validated], number // folds] = number % folds
    rare = np.flatnonzero((counts > 1) & (counts < folds))
    random = np.random.default_rng(seed)
    for of_repeat in assigned.T:
        dealt: Any = np.concatenate([random.permutation(np.flatnonzero(y == label)) for label in rare] or [common[:0]])
        # A class has fewer examples than there are folds: one after the other, they come into different folds.
        emptiest = np.argsort(np.bincount(of_repeat[common], minlength=folds), kind="stable")
        of_repeat[dealt] = emptiest[np.arange(len(dealt)) % folds]
    return assigned
