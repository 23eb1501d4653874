"""Searches for the L2 penalties of independent labels with the least cross-validated log-loss.

The labels of a head may have the same best penalty, or each its own. `LabelSearch` gives each label its own, drawn to
what is the best for all together: `benchmarks/results/multi_label.txt` has what that brings.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.fitting.coordinates import Coordinates, Decorrelated, pays_decorrelating
from lastlayer.classifier.fitting.multi_label.sigmoid import fit_sigmoid, iterate_scores, losses_of
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.classifier.training.search.candidates import Candidate
from lastlayer.classifier.training.search.penalties import L2_BOUNDS, L2_PATH

_STEP: Final = 10.0**0.5

_LIKELY_L2: Final = 0.005
_DECADE_COST: Final = 0.25
"""What is known of a penalty before any example is seen: see `training.search`, in whose terms a penalty of two classes
is twice as great."""

_TOLERANCE: Final = 1e-3
"""How exactly the regressions are fitted that only serve to choose."""

_MOST_GROWN: Final = 6
"""How many penalties are tried beyond each end of the path."""


@dataclass(frozen=True)
class LabelScan:
    """The out-of-fold losses of each label along a path of penalties."""

    path: Array
    """float64 [k], from the strongest to the weakest."""
    losses: Array
    """float32 [k, n, c]: -ln p of what is true of each example."""

    def choose_l2(self, rows: npt.NDArray[np.bool_] | slice = slice(None)) -> Array:
        """Return the penalty of each label, float64 [c], by the losses of some examples.

        It is where the parabola through the best of the path and its neighbours is least. A label's own losses say
        little where few examples have it: what is least is their sum with the mean of all labels'.
        """
        sums = self.losses[:, rows].sum(1, dtype=np.float64)  # [k, c]
        prior = _DECADE_COST * np.square(np.log10(self.path / _LIKELY_L2))
        objectives = sums + sums.mean(1, keepdims=True) + prior[:, None]
        return np.array([_least(self.path, of_label) for of_label in objectives.T])

    def mean(self) -> Array:
        """Return the mean loss of each penalty over examples and labels, [k]."""
        means: Array = self.losses.mean((1, 2), dtype=np.float64)
        return means


def _least(path: Array, objectives: Array) -> float:
    step = int(objectives.argmin())
    if not 0 < step < len(path) - 1:
        return float(path[step])
    before, least, after = objectives[step - 1 : step + 2]
    offset = (before - after) / max(2 * (before - 2 * least + after), np.finfo(float).tiny)
    return float(path[step] * (path[step + 1] / path[step]) ** offset)


class LabelSearch:
    """Cross-validates labels on features."""

    def __init__(self, candidate: Candidate, targets: Array, folds: Indices, progress: TrainingProgress) -> None:
        """`candidate` has the features of n examples; `targets`, [n, c], is 1 where they have a label; `folds` [n]."""
        self._features = features = candidate.values(slice(None), np.float32)
        self.coordinates: Coordinates | None = None
        """In which coordinates to fit; None where those that a fit chooses are as good."""
        if pays_decorrelating(len(candidate.parts), *features.shape):
            self.coordinates = Decorrelated(features, 2, _LIKELY_L2 / len(folds), progress)
        self._targets = targets
        self._folds = folds
        self._numbers = np.unique(folds)
        self._weights = np.stack([(folds != fold).astype(np.float64) for fold in self._numbers], 1)
        self._progress = progress

    def scan(self, path: Array = np.array(L2_PATH), *, grows: bool = True) -> LabelScan:  # noqa: B008 - never written to
        """Return the losses along a path of penalties, which grows where the best of all labels is at an end of it."""
        tried: dict[float, Array] = {}
        start: Array | None = None
        for l2 in path:
            start = self._try(float(l2), start, tried)
        for factor in (1 / _STEP, _STEP) if grows else ():
            for _ in range(_MOST_GROWN):
                end = min(tried) if factor < 1 else max(tried)
                best = min(tried, key=lambda l2: float(tried[l2].sum()))
                if best != end or not L2_BOUNDS[0] <= end * factor <= L2_BOUNDS[1]:
                    break
                self._try(end * factor, None, tried)
        order = sorted(tried, reverse=True)
        return LabelScan(np.array(order), np.stack([tried[l2] for l2 in order]))

    def _try(self, l2: float, start: Array | None, tried: dict[float, Array]) -> Array:
        penalties = np.full(self._targets.shape[1], l2)
        solutions = fit_sigmoid(
            self._features,
            self._targets,
            self._weights,
            penalties,
            tolerance=_TOLERANCE,
            coordinates=self.coordinates,
            start=start,
            callback=self._progress,
        )
        tried[l2] = losses_of(self._own_logits(solutions), self._targets).astype(np.float32)
        return solutions

    def logits(self, l2: Array, tolerance: float) -> Array:
        """Return the out-of-fold logits of all examples, float64 [n, c]; `l2` is of each fold and label, [f, c]."""
        solutions = fit_sigmoid(
            self._features,
            self._targets,
            self._weights,
            l2,
            tolerance=tolerance,
            coordinates=self.coordinates,
            callback=self._progress,
        )
        return self._own_logits(solutions)

    def _own_logits(self, solutions: Array) -> Array:
        """Return the logits of each example by the fit that it is left out of, float64 [n, c]."""
        logits = np.empty(self._targets.shape)
        places = np.searchsorted(self._numbers, self._folds)
        for rows, scores in iterate_scores(self._features, solutions, self._progress):
            logits[rows] = scores[np.arange(len(scores)), places[rows]]
        return logits
