"""The coordinates in which regressions are fitted: linear, reversible, and fewer steps from the minimum."""

from typing import Any

import numpy as np
import pytest

from lastlayer.classifier.domain.head import softmax
from lastlayer.classifier.fitting.coordinates import (
    MOST_COLUMNS,
    Decorrelated,
    ScaledColumns,
    pays_decorrelating,
)
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.logistic import fit_logistic
from lastlayer.classifier.fitting.pca import rotate

KINDS = pytest.mark.parametrize("kind", [ScaledColumns, Decorrelated])
PRECISIONS = pytest.mark.parametrize("precision", [np.float32, np.float64])


def correlated(examples: int, columns: int, classes: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Two parts, each in its principal directions, of which the second is nearly made of the first."""
    random = np.random.default_rng(3)
    y = np.arange(examples) % classes
    first = random.normal(size=(classes, columns))[y] + 2 * random.normal(size=(examples, columns))
    first *= np.logspace(0, -2, columns)
    second = first @ random.normal(size=(columns, columns)) + 1e-3 * random.normal(size=(examples, columns))
    return [rotate(part.astype(np.float32)).values for part in (first, second)], y


@KINDS
@PRECISIONS
def test_they_are_linear_and_reversible(kind: Any, precision: type[np.floating[Any]]) -> None:
    parts, _ = correlated(60, 7, 3)
    coordinates = kind(FeatureBlocks(parts, precision), 3, 0.01, lambda: None)
    random = np.random.default_rng(4)
    point, slopes = random.normal(size=(2, 15, 2, 3)).astype(precision)
    weights = coordinates.to_weights(point)
    assert weights.dtype == coordinates.to_gradient(slopes).dtype == precision
    assert coordinates.to_point(weights) == pytest.approx(point, abs=1e-3 if precision is np.float32 else 1e-9)
    # The derivative along a step is the same in both.
    along = np.einsum("rpc,rpc->p", weights, slopes)
    assert np.einsum("rpc,rpc->p", point, coordinates.to_gradient(slopes)) == pytest.approx(along, rel=1e-4)


@PRECISIONS
def test_the_curvature_at_the_start_is_one_in_all_directions(precision: type[np.floating[Any]]) -> None:
    parts, _ = correlated(80, 5, 4)
    features = FeatureBlocks(parts, precision)
    coordinates = Decorrelated(features, 4, 0.02, lambda: None)
    [(_, values)] = features.blocks(1)
    directions = coordinates.to_weights(np.eye(11, dtype=precision)[:, :, None])[:-1, :-1, 0]
    curvature = 3 / 16 * values.T @ values / 80 + 0.02 * np.eye(10)
    assert directions.T @ curvature @ directions == pytest.approx(np.eye(10), abs=1e-3)


@pytest.mark.parametrize("l2", [10.0, 1.0, 0.01])
def test_correlated_features_take_fewer_steps_to_the_same_solution(l2: float) -> None:
    parts, y = correlated(200, 12, 3)
    features, weight = FeatureBlocks(parts, np.float64), np.ones((200, 1))

    def fit(coordinates: Any) -> tuple[np.ndarray, int]:
        beats: list[None] = []
        options = {"tolerance": 1e-8, "coordinates": coordinates, "callback": lambda: beats.append(None)}
        return fit_logistic(features, y, 3, weight, l2, **options), len(beats)

    plain, plain_steps = fit(None)
    found, steps = fit(Decorrelated(features, 3, l2 / 200, lambda: None))
    values = np.hstack(parts)
    assert values @ found[:-1, 0] == pytest.approx(values @ plain[:-1, 0], abs=1e-4)
    assert steps < plain_steps / 2


def test_a_weak_penalty_on_correlated_features_is_fitted_at_all() -> None:
    parts, y = correlated(200, 12, 3)
    features = FeatureBlocks(parts, np.float64)
    coordinates = Decorrelated(features, 3, 1e-6 / 200, lambda: None)
    solution = fit_logistic(features, y, 3, np.ones((200, 1)), 1e-6, tolerance=1e-7, coordinates=coordinates)[:, 0]
    values = np.hstack(parts).astype(np.float64)
    slopes = softmax(values @ solution[:-1] + solution[-1]) - np.eye(3)[y]
    assert np.abs(values.T @ slopes + 1e-6 * solution[:-1]).max() / 200 < 1e-6


def test_a_fit_goes_on_from_where_another_one_ended() -> None:
    parts, y = correlated(90, 6, 3)
    features, weight = FeatureBlocks(parts, np.float64), np.ones((90, 1))
    coordinates = Decorrelated(features, 3, 0.1 / 90, lambda: None)
    solution = fit_logistic(features, y, 3, weight, 0.1, tolerance=1e-6, coordinates=coordinates)
    beats: list[None] = []
    again = fit_logistic(
        features,
        y,
        3,
        weight,
        0.1,
        tolerance=1e-5,
        coordinates=coordinates,
        start=solution,
        callback=lambda: beats.append(None),
    )
    assert again == pytest.approx(solution, abs=1e-9)
    assert len(beats) == 1


def test_copies_of_a_column_and_columns_without_variance_do_no_harm() -> None:
    random = np.random.default_rng(5)
    column = random.normal(size=(40, 1)).astype(np.float32)
    features = FeatureBlocks([column, column, np.zeros((40, 2), np.float32)], np.float32)
    coordinates = Decorrelated(features, 2, 1e-12, lambda: None)
    assert np.isfinite(coordinates.to_weights(np.ones((5, 1, 2), np.float32))).all()
    solution = fit_logistic(
        features, (column[:, 0] > 0).astype(np.intp), 2, np.ones((40, 1)), 1e-3, tolerance=1e-3, coordinates=coordinates
    )
    assert np.isfinite(solution).all()
    assert ((column[:, 0] > 0) == (np.hstack([column, column]) @ np.diff(solution[:2, 0])[:, 0] > 0)).mean() > 0.9


def test_it_can_be_ended_while_it_is_made() -> None:
    def end() -> None:
        raise InterruptedError

    parts, _ = correlated(30, 3, 3)
    with pytest.raises(InterruptedError):
        Decorrelated(FeatureBlocks(parts, np.float32), 3, 0.1, end)


def test_it_pays_for_several_parts_and_enough_examples() -> None:
    assert pays_decorrelating(2, 2000, 3376)
    assert not pays_decorrelating(1, 2000, 1000)  # in its principal directions already
    assert not pays_decorrelating(2, 1000, 3376)
    assert not pays_decorrelating(2, 1000, 0)  # all images are the same
    assert not pays_decorrelating(2, 1_000_000, MOST_COLUMNS + 1)
