"""Chooses, by out-of-fold predictions, the probability from which on each label is predicted, and calibrates labels."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.head import sigmoid
from lastlayer.classifier.evaluation.calibration import LEAST_EXAMPLES, calibrate_folds, fit_temperature
from lastlayer.classifier.evaluation.rejection import lower_bound

USUAL: Final = 0.5
"""The threshold of a label of which too few examples tell another one."""

LEAST_OF_EACH: Final = 5
"""The fewest examples with a label, and without it, by which a threshold or a temperature is chosen for it."""

NEVER: Final = 1.0
"""The threshold of a label whose precision cannot be promised: it is as good as never predicted."""


_LEAST_ACCEPTED: Final = 5
"""The fewest examples of which a label is predicted where its precision is promised."""


@dataclass(frozen=True)
class CalibratedLabels:
    """Out-of-fold probabilities that mean what they say, as far as examples tell."""

    probabilities: Array
    """float64 [m, c]."""
    temperatures: Array
    """float64 [c], what each label's logits are divided by; 1 where that does not lower its log-loss."""


def calibrate_labels(logits: Array, targets: npt.NDArray[np.bool_], folds: Indices) -> CalibratedLabels:
    """Return the calibrated probabilities of out-of-fold logits, float64 [m, c]: each label has its temperature.

    `targets` is bool [m, c], `folds` [m] the fold of each example. The probabilities of each fold are calibrated by the
    other folds, as `evaluation.calibration.calibrate_folds` does.
    """
    probabilities, temperatures = sigmoid(logits), np.ones(logits.shape[1])
    weights = np.ones(len(targets))
    for label in range(logits.shape[1]):
        y = targets[:, label].astype(np.intp)
        if min(y.sum(), len(y) - y.sum()) < LEAST_OF_EACH or len(y) < 2 * LEAST_EXAMPLES:
            continue
        # The probability of a label is the softmax of its logit and 0.
        pairs = np.column_stack([np.zeros(len(y)), logits[:, label]])
        better = calibrate_folds(pairs, y, weights, folds)[:, 1]
        if _loss(better, targets[:, label]) < _loss(probabilities[:, label], targets[:, label]):
            probabilities[:, label] = better
            temperatures[label] = fit_temperature(pairs, y, weights)
    return CalibratedLabels(probabilities, temperatures)


@dataclass(frozen=True)
class LabelThresholds:
    """From which probability on each label is predicted."""

    thresholds: Array
    """float64 [c]."""
    predicted: npt.NDArray[np.bool_]
    """bool [m, c], what is predicted of the examples out of fold: of each fold by the thresholds of the other folds."""
    not_promised: Indices
    """The labels for which no threshold has the precision that was asked for."""


def choose_label_thresholds(
    probabilities: Array, targets: npt.NDArray[np.bool_], folds: Indices, min_precision: float = 0.0
) -> LabelThresholds:
    """Return the thresholds with the best F1 scores out of fold, or with a precision of at least `min_precision`.

    `probabilities` is float64 [m, c], out of fold and calibrated, `targets` bool [m, c], `folds` [m].
    """

    def choose(rows: npt.NDArray[np.bool_], label: int) -> float:
        some, y = probabilities[rows, label], targets[rows, label]
        return best_f1(some, y) if not min_precision else promised(some, y, min_precision)

    everything = np.ones(len(targets), bool)
    labels = range(targets.shape[1])
    thresholds = np.array([choose(everything, label) for label in labels])
    predicted = np.zeros_like(targets)
    for fold in np.unique(folds):
        own = folds == fold
        of_others = np.array([choose(~own, label) for label in labels])
        predicted[own] = probabilities[own] >= of_others
    missed = np.flatnonzero(thresholds >= NEVER) if min_precision else np.zeros(0, np.intp)
    return LabelThresholds(thresholds, predicted, missed)


def best_f1(probabilities: Array, targets: npt.NDArray[np.bool_]) -> float:
    """Return the threshold with the best F1 score, half-way to the next example; 0.5 where too few examples tell."""
    positives = int(targets.sum())
    if min(positives, len(targets) - positives) < LEAST_OF_EACH:
        return USUAL
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    f1 = 2 * np.cumsum(targets[order])[ends] / (ends + 1 + positives)
    last = int(ends[int(f1.argmax())])
    following = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float((ranked[last] + following) / 2)


def promised(probabilities: Array, targets: npt.NDArray[np.bool_], min_precision: float) -> float:
    """Return the threshold nearest to that of the best F1 score whose precision is at least `min_precision` with a
    confidence of 95 %; `NEVER` where there is none.

    As `evaluation.rejection.choose_threshold`: the surest come first, and what is considered ends where the bound falls
    below what was asked for.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.zeros(0, np.intp)
    counts = ends + 1.0
    shares = np.cumsum(targets[order])[ends] / counts
    expected = np.cumsum(ranked)[ends] / counts
    kept = (counts >= _LEAST_ACCEPTED) & (np.minimum(lower_bound(shares, counts, expected), shares) >= min_precision)
    if not kept.any():
        return NEVER
    first = int(kept.argmax())
    end = first + int(np.append(~kept[first:], True).argmax())
    most, least = float(ranked[ends[first]]), float(ranked[ends[end - 1]])
    return min(most, max(least, best_f1(probabilities, targets)))


def _loss(probabilities: Array, targets: npt.NDArray[np.bool_]) -> float:
    true = np.where(targets, probabilities, 1 - probabilities)
    return float(-np.log(np.maximum(true, 1e-15)).mean())
