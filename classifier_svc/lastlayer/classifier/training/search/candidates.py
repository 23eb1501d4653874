"""What heads can be trained on: the vectors of some taps, side by side."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.pca import Rotated, rotate
from lastlayer.rpc.vectors import CROP_ALONE, View


@dataclass(frozen=True)
class Candidate:
    """Features that a head could be trained on: the taps, side by side, each scaled to unit length and rotated."""

    taps: tuple[str, ...]
    parts: tuple[Rotated, ...]
    """The features [n, r], in one part for each tap, or in several."""
    views: tuple[View, ...] = CROP_ALONE
    """The views whose vectors were averaged at each tap."""

    @property
    def key(self) -> tuple[tuple[str, ...], tuple[View, ...]]:
        """What tells it from other candidates of a search."""
        return self.taps, self.views

    def values(self, rows: Indices | slice, precision: type[np.floating[Any]]) -> FeatureBlocks:
        """Return the features of some examples, [rows, r], without a copy where `rows` is a slice and they are many."""
        return FeatureBlocks([part.values[rows] for part in self.parts], precision)

    def rotated(self, rows: Indices) -> "Candidate":
        """Return some of the examples, as few as `MAX_COLUMNS` or fewer, in fewer columns: one for each at most.

        What is fitted on them is the same. Its solutions are those of `rows` alone, not to be restored.
        """
        values = np.hstack([part.values[rows] for part in self.parts], dtype=np.float32, casting="unsafe")
        return Candidate(self.taps, (rotate(values),), self.views)

    def restore(self, solution: Array) -> tuple[Array, Array]:
        """Return a solution on these features, [r + 1, c], as weights [d, c] and biases [c] on the taps' vectors."""
        weights, biases, row = [], solution[-1].astype(np.float64), 0
        for part in self.parts:
            rank = part.values.shape[1]
            restored, bias = part.restore(solution[row : row + rank])
            weights.append(restored)
            biases = biases + bias
            row += rank
        return np.concatenate(weights), biases
