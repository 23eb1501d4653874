"""The regressions of `auto`: their optimality, alone and side by side, and on rotated features."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from lastlayer.classifier.domain.head import softmax, unit_length
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.logistic import fit_logistic, fit_single
from lastlayer.classifier.fitting.pca import MAX_COLUMNS, rotate, split_columns


def problem(examples: int, dimension: int, classes: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = np.arange(examples) % classes
    positive = np.abs(random.normal(size=(classes, dimension))[y] + 2 * random.normal(size=(examples, dimension)))
    return unit_length(positive.astype(np.float32)), y


def fit(features: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
    return fit_logistic(FeatureBlocks([features], features.dtype.type), *arguments, **options)


def gradient(features: np.ndarray, y: np.ndarray, solution: np.ndarray, l2: float) -> np.ndarray:
    slopes = softmax(features @ solution[:-1] + solution[-1])
    slopes[np.arange(len(y)), y] -= 1
    return np.vstack([features.T @ slopes + l2 * solution[:-1], slopes.sum(0)]) / len(y)


@settings(deadline=None, max_examples=25)
@given(
    examples=st.integers(4, 40),
    dimension=st.integers(1, 50),
    classes=st.integers(2, 4),
    l2=st.sampled_from([10.0, 0.1, 1e-3]),
)
def test_ends_at_the_minimum(examples: int, dimension: int, classes: int, l2: float) -> None:
    features, y = problem(examples, dimension, classes)
    features = features.astype(np.float64)
    solution = fit(features, y, classes, np.ones((examples, 1)), l2, tolerance=1e-7)[:, 0]
    assert solution.shape == (dimension + 1, classes)
    assert np.abs(gradient(features, y, solution, l2)).max() < 1e-6


@pytest.mark.parametrize("strength", [0.1, 10.0, 1000.0])
@pytest.mark.parametrize(("examples", "dimension"), [(30, 100), (100, 30)])
def test_rotated_it_finds_what_scikit_learn_finds(strength: float, examples: int, dimension: int) -> None:
    features, y = problem(examples, dimension, 3)
    rotated = rotate(features)
    solution = fit(rotated.values, y, 3, np.ones((examples, 1)), 1 / strength, tolerance=1e-8)[:, 0]
    weights, biases = rotated.restore(solution[:-1])
    reference = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(features.astype(np.float64), y)
    assert weights == pytest.approx(reference.coef_.T, abs=1e-4 * max(1, np.abs(reference.coef_).max()))
    predicted = softmax(features @ weights + biases + solution[-1])
    assert predicted == pytest.approx(reference.predict_proba(features.astype(np.float64)), abs=1e-4)


@pytest.mark.parametrize(("classes", "strength"), [(2, 2 / 0.01), (3, 1 / 0.01), (7, 1 / 0.01)])
def test_two_classes_are_as_strongly_penalised_as_scikit_learns_at_twice_its_strength(
    classes: int, strength: float
) -> None:
    features, y = problem(60, 20, classes)
    features = features.astype(np.float64)
    ours = fit(features, y, classes, np.ones((60, 1)), 0.01, tolerance=1e-9)[:, 0]
    reference = LogisticRegression(C=strength, tol=1e-12, max_iter=10_000, solver="newton-cg").fit(features, y)
    assert softmax(features @ ours[:-1] + ours[-1]) == pytest.approx(reference.predict_proba(features), abs=1e-7)
    if classes == 2:
        assert pytest.approx(reference.coef_, abs=1e-5) == np.diff(ours[:-1]).T
    else:
        assert pytest.approx(reference.coef_, abs=1e-5) == ours[:-1].T


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(("examples", "dimension"), [(40, 12), (12, 40)])
@pytest.mark.parametrize("l2", [10.0, 0.1, 1e-3])
def test_a_single_fit_is_at_least_as_exact(classes: int, examples: int, dimension: int, l2: float) -> None:
    """scikit-learn's solution is that of our solver, and nearer to the minimum than ours at the same tolerance."""
    features, y = problem(examples, dimension, classes)
    rotated = rotate(features)
    weights = 1.0 + np.arange(examples) % 3
    columns = FeatureBlocks([rotated.values], np.float64)
    single = fit_single(columns, y, classes, weights, l2, tolerance=1e-5)
    ours = fit_logistic(columns, y, classes, weights[:, None], l2, tolerance=1e-5)[:, 0]
    exact = fit_logistic(columns, y, classes, weights[:, None], l2, tolerance=1e-10)[:, 0]
    assert single == pytest.approx(exact, abs=1e-5 * max(1, np.abs(exact).max()))
    assert np.abs(single - exact).max() <= np.abs(ours - exact).max() + 1e-9
    assert single.sum(1) == pytest.approx(np.zeros(len(single)), abs=1e-9)  # no class is the reference of the others


def test_a_single_fit_of_features_that_never_vary_tells_the_frequencies() -> None:
    columns = FeatureBlocks([rotate(np.ones((6, 3), np.float32)).values], np.float64)
    solution = fit_single(columns, np.array([0, 0, 0, 1, 1, 2]), 3, np.ones(6), 0.1, tolerance=1e-8)
    assert softmax(solution)[0] == pytest.approx([1 / 2, 1 / 3, 1 / 6], abs=1e-6)


def test_a_single_fit_of_many_features_can_be_ended() -> None:
    features, y = problem(5100, 500, 2)
    beats = []

    def callback() -> None:
        beats.append(1)
        if len(beats) == 20:
            raise InterruptedError

    columns = FeatureBlocks([features], np.float64)
    with pytest.raises(InterruptedError):
        fit_single(columns, y, 2, np.ones(len(y)), 1e-3, tolerance=1e-8, callback=callback)


def test_a_single_fit_of_many_features_ends_at_the_minimum_sooner_from_near_it() -> None:
    features, y = problem(840, 300, 20)
    columns = FeatureBlocks([rotate(features).values], np.float64)
    beats: list[int] = []

    def fit_from(start: np.ndarray | None) -> tuple[np.ndarray, int]:
        beats.clear()
        found = fit_single(
            columns, y, 20, np.ones(len(y)), 1.0, tolerance=1e-6, start=start, callback=lambda: beats.append(1)
        )
        return found, len(beats)

    exact, from_nothing = fit_from(None)
    found, from_near = fit_from((1 - 1e-5) * exact)
    assert from_near < from_nothing / 2
    assert found == pytest.approx(exact, abs=1e-4 * np.abs(exact).max())


def test_regressions_side_by_side_do_not_meet() -> None:
    features, y = problem(40, 12, 3)
    features = features.astype(np.float64)
    sample_weight = np.arange(40)[:, None] % 4 != np.arange(4)
    together = fit(features, y, 3, sample_weight, 0.1, tolerance=1e-8)
    for number in range(4):
        rows = np.flatnonzero(sample_weight[:, number])
        alone = fit(features[rows], y[rows], 3, np.ones((len(rows), 1)), 0.1, tolerance=1e-8)
        assert together[:, number] == pytest.approx(alone[:, 0], abs=1e-6)


def test_regressions_side_by_side_have_penalties_of_their_own() -> None:
    features, y = problem(50, 6, 3)
    penalties = np.array([0.01, 0.1, 10.0])
    together = fit(features, y, 3, np.ones((50, 3)), penalties, tolerance=1e-7)
    for number, l2 in enumerate(penalties):
        alone = fit(features, y, 3, np.ones((50, 1)), l2, tolerance=1e-7)
        assert together[:, number] == pytest.approx(alone[:, 0], abs=1e-4)


def test_examples_can_count_more_than_once() -> None:
    features, y = problem(30, 8, 3)
    features = features.astype(np.float64)
    repeated = np.repeat(np.arange(30), 1 + np.arange(30) % 3)
    sample_weight = (1.0 + np.arange(30) % 3)[:, None]
    weighted = fit(features, y, 3, sample_weight, 0.1, tolerance=1e-8)
    reference = fit(features[repeated], y[repeated], 3, np.ones((len(repeated), 1)), 0.1, tolerance=1e-8)
    assert weighted == pytest.approx(reference, abs=1e-6)


def test_a_start_nearby_saves_steps() -> None:
    features, y = problem(60, 20, 3)
    features = features.astype(np.float64)
    sample_weight = np.ones((60, 1))
    steps: list[int] = []
    near = fit(features, y, 3, sample_weight, 0.011, tolerance=1e-4)
    cold = fit(features, y, 3, sample_weight, 0.01, tolerance=1e-4, callback=lambda: steps.append(0))
    warm = fit(features, y, 3, sample_weight, 0.01, tolerance=1e-4, start=near, callback=lambda: steps.append(1))
    assert warm == pytest.approx(cold, abs=0.05)
    assert steps.count(1) < steps.count(0)


def test_single_precision_is_close_and_ends() -> None:
    features, y = problem(200, 50, 4)
    sample_weight = np.ones((200, 1))
    single = fit(features, y, 4, sample_weight, 0.01, tolerance=1e-5)
    double = fit(features.astype(np.float64), y, 4, sample_weight, 0.01, tolerance=1e-8)
    assert single.dtype == np.float32
    assert softmax(features @ single[:-1, 0]) == pytest.approx(softmax(features @ double[:-1, 0]), abs=0.01)


def test_rotation_keeps_inner_products_and_drops_nothing_but_rounding() -> None:
    for shape in ((20, 50), (50, 20)):
        features, _ = problem(*shape, 2)
        features[:, 3] = features[:, 2]
        rotated = rotate(features)
        centred = features - features.mean(0)
        assert rotated.values.shape[1] == 19
        assert rotated.values @ rotated.values.T == pytest.approx(centred @ centred.T, abs=1e-5)
        assert rotated.directions.T @ rotated.directions == pytest.approx(np.eye(19), abs=1e-6)
        assert centred @ rotated.directions == pytest.approx(rotated.values, abs=1e-5)


def many_examples(dimension: int) -> np.ndarray:
    """Return more features than are copied, 84 MB of them; a column is the same as another."""
    random = np.random.default_rng(9)
    features = random.normal(size=(21_000_000 // dimension, dimension)).astype(np.float32)
    features *= np.linspace(1, 3, dimension, dtype=np.float32)
    features[:, 3] = features[:, 2]
    return features


@pytest.mark.long
def test_many_features_are_rotated_where_they_are() -> None:
    features = many_examples(300)
    before = features.copy()
    rotated = rotate(features)
    assert np.shares_memory(rotated.values, features)
    centred = before - before.mean(0)
    assert np.abs(centred @ rotated.directions - rotated.values).max() < 1e-4
    assert np.abs(rotated.directions.T @ rotated.directions - np.eye(rotated.values.shape[1])).max() < 1e-5
    variances = (rotated.values.astype(np.float64) ** 2).mean(0)
    assert np.diff(variances).min() > -1e-3  # the principal directions, from the least to the greatest
    products = rotated.values.T @ rotated.values
    assert np.abs(products - np.diag(products.diagonal())).max() < 1e-3 * products.max()


@pytest.mark.long
def test_many_examples_are_fitted_as_few_are() -> None:
    features = many_examples(300)
    y = (features[:, :3] @ np.array([[1.0, 0, -1], [0, 1, -1], [-1, 0, 1]])).argmax(1)
    parts = [features[:, :100], features[:, 100:]]
    sample_weight = (np.arange(len(y))[:, None] % 2 != np.arange(2)).astype(float)
    options: dict[str, Any] = {"l2": 10_000.0, "tolerance": 1e-3}
    found = fit_logistic(FeatureBlocks(parts, np.float32), y, 3, sample_weight, **options)
    rows = np.flatnonzero(sample_weight[:, 1])
    alone = fit(features[rows].astype(np.float64), y[rows], 3, np.ones((len(rows), 1)), **options)
    assert found[:, 1] == pytest.approx(alone[:, 0], abs=0.02 * np.abs(alone).max())


def test_columns_yield_every_row_once_in_the_precision_asked_for() -> None:
    features = many_examples(500)
    for parts, precision in (([features], np.float32), ([features[:, :200], features[:, 200:]], np.float64)):
        columns = FeatureBlocks(parts, precision)
        assert columns.shape == features.shape
        end = 0
        for rows, block in columns.blocks(5):
            assert rows.start == end
            assert block.dtype == precision
            assert np.array_equal(block, features[rows])
            end = rows.stop
        assert end == len(features)


def test_features_that_never_vary_have_no_directions() -> None:
    assert rotate(np.ones((5, 3), np.float32)).values.shape == (5, 0)


def test_wide_features_are_rotated_in_parts() -> None:
    wide = np.zeros((MAX_COLUMNS + 1, MAX_COLUMNS + 2), np.float32)
    assert [part.shape[1] for part in split_columns(wide)] == [MAX_COLUMNS // 2 + 1, MAX_COLUMNS // 2 + 1]
    assert len(split_columns(wide[:MAX_COLUMNS])) == 1
