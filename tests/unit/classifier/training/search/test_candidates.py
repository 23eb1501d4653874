"""Vectors of taps side by side: restored, and in fewer directions."""

import numpy as np
import pytest

from lastlayer.classifier.domain.head import unit_length
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.logistic import fit_logistic
from lastlayer.classifier.fitting.pca import keep_largest, rotate
from tests.unit.classifier.training.search.test_cross_validation import candidate, examples, fit


def looked_at(values: FeatureBlocks) -> np.ndarray:
    return np.concatenate([block for _, block in values.blocks(1)])


def test_taps_side_by_side_are_restored_to_weights_on_their_vectors() -> None:
    one, y = examples(30, 7, 3)
    two, _ = examples(30, 50, 3)
    both = candidate("both", one, two)
    values = both.values(np.arange(30), np.float64)
    solution = fit_logistic(values, y, 3, np.ones((30, 1)), 0.1, tolerance=1e-8)[:, 0]
    weights, biases = both.restore(solution)
    side_by_side = np.hstack([unit_length(one), unit_length(two)])
    assert weights.shape == (57, 3)
    assert side_by_side @ weights + biases == pytest.approx(looked_at(values) @ solution[:-1] + solution[-1], abs=1e-5)
    direct = fit(side_by_side.astype(np.float64), y, 3, np.ones((30, 1)), 0.1, tolerance=1e-8)[:, 0]
    assert weights == pytest.approx(direct[:-1], abs=1e-4)


def test_the_directions_that_vary_most_are_kept_of_all_parts() -> None:
    wide, narrow = (rotate(examples(30, 10, 3)[0] * np.float32(scale)) for scale in (1.0, 1e-3))
    kept = keep_largest([wide, narrow], 8)
    assert [part.values.shape[1] for part in kept] == [8, 0]
    assert kept[0].directions.shape == (10, 8)
    assert np.array_equal(kept[0].values, wide.values[:, -8:])
    assert keep_largest([wide, narrow], 20) == [wide, narrow]
