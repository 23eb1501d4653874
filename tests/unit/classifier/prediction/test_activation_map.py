"""Class activation maps: they add up to the score, on any grid, and say so where they cannot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastlayer.classifier.domain.errors import NotExplainableError
from lastlayer.classifier.domain.head import Head, softmax
from lastlayer.classifier.domain.types import FeatureMaps, Region
from lastlayer.classifier.domain.views import mean_over
from lastlayer.classifier.prediction.activation_map import (
    ActivationMap,
    activation_map,
    check_explainable,
    regrid,
)
from lastlayer.rpc.errors import InvalidFieldError
from lastlayer.rpc.vectors import View, place

CENTRE = Region(0.25, 0.0, 0.75, 1.0)
WHOLE = Region(0.0, 0.0, 1.0, 1.0)


def head(dimensions: dict[str, int], classes: int, unit_length: bool, seed: int, square_root: bool = False) -> Head:
    random = np.random.default_rng(seed)
    return Head(
        taps=tuple(dimensions),
        unit_length=unit_length,
        classes=tuple(f"class {number}" for number in range(classes)),
        weights=random.normal(size=(sum(dimensions.values()), classes)).astype(np.float32),
        biases=random.normal(size=classes).astype(np.float32),
        l1=0.0,
        l2=1.0,
        square_root=square_root,
    )


def explain(fitted: Head, maps: FeatureMaps, label: str = "") -> ActivationMap:
    """Return the map of what has one view, and see that it covers what that covers."""
    explained, region = activation_map(fitted, [(maps, CENTRE)], label)
    assert region == CENTRE
    return explained


GRIDS = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6))


@settings(deadline=None)
@given(
    shapes=st.lists(GRIDS, min_size=1, max_size=3),
    classes=st.integers(2, 5),
    unit_length=st.booleans(),
    square_root=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_contributions_and_bias_add_up_to_the_score_of_every_class(
    shapes: list[tuple[int, int, int]], classes: int, unit_length: bool, square_root: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    maps = {f"tap {number}": random.gamma(1, 3, shape).astype(np.float32) for number, shape in enumerate(shapes)}
    fitted = head({tap: values.shape[2] for tap, values in maps.items()}, classes, unit_length, seed, square_root)
    explained = [explain(fitted, maps, label) for label in fitted.classes]
    finest = (max(shape[0] for shape in shapes), max(shape[1] for shape in shapes))
    assert all(entry.contributions.shape == finest for entry in explained)
    means = {tap: values.mean((0, 1))[None] for tap, values in maps.items()}
    [predicted] = fitted.probabilities(means)
    logits = np.array([entry.logit for entry in explained])
    np.testing.assert_allclose(softmax(logits[None])[0], predicted, atol=1e-4)
    np.testing.assert_allclose([entry.probability for entry in explained], predicted, atol=1e-4)
    assert explain(fitted, maps).label == fitted.classes[predicted.argmax()]


def test_the_part_of_a_cell_is_that_of_the_definition() -> None:
    maps = {"a": np.array([[[1, 0], [3, 0]], [[0, 4], [0, 4]]], np.float32)}  # the mean is (1, 2)
    fitted = Head(("a",), True, ("x", "y"), np.array([[2, 0], [1, 0]], np.float32), np.zeros(2, np.float32), 0.0, 1.0)
    expected = np.array([[2, 6], [4, 4]]) / (4 * np.sqrt(5))
    np.testing.assert_allclose(explain(fitted, maps, "x").contributions, expected)
    raw = Head(("a",), False, fitted.classes, fitted.weights, fitted.biases, 0.0, 1.0)
    np.testing.assert_allclose(explain(raw, maps, "x").contributions, expected * np.sqrt(5))


def test_an_image_of_nothing_has_the_bias_alone() -> None:
    fitted = head({"a": 3}, 2, True, 0)
    explained = explain(fitted, {"a": np.zeros((4, 4, 3), np.float32)}, "class 1")
    assert (explained.contributions == 0).all()
    assert explained.logit == explained.bias == pytest.approx(float(fitted.biases[1]))


SIZES = st.integers(1, 20)


@given(SIZES, SIZES, SIZES, SIZES, st.integers(0, 2**32 - 1))
def test_another_grid_keeps_the_sum_and_the_centre(height: int, width: int, down: int, across: int, seed: int) -> None:
    grid = np.random.default_rng(seed).random((height, width))
    shared = regrid(grid, down, across)
    assert shared.shape == (down, across)
    assert shared.sum() == pytest.approx(grid.sum(), rel=1e-12)
    if down % height == 0 and across % width == 0:  # cells are split, and none is shared out to two
        middles = (np.arange(height) + 0.5) / height, (np.arange(down) + 0.5) / down
        assert shared.sum(1) @ middles[1] == pytest.approx(grid.sum(1) @ middles[0])


def test_a_cell_is_shared_out_by_area() -> None:
    np.testing.assert_allclose(regrid(np.array([[6.0, 3.0]]), 1, 3), [[4, 3, 2]])
    np.testing.assert_allclose(regrid(np.array([[8.0]]), 2, 2), [[2, 2], [2, 2]])


def test_an_unknown_class() -> None:
    fitted = head({"a": 3}, 12, True, 0)
    with pytest.raises(InvalidFieldError, match=r"no class `dog`; it knows class 0, class 1, .* and 2 more") as caught:
        explain(fitted, {"a": np.ones((2, 2, 3), np.float32)}, "dog")
    assert caught.value.field == "label"


def test_taps_that_are_no_spatial_means() -> None:
    check_explainable(["a", "b"], ["b", "a"], "Version 1")
    with pytest.raises(NotExplainableError, match=r"Version 1 .* the tap `c`, .* recipe auto .*: a, b\)"):
        check_explainable(["a", "c"], ["a", "b"], "Version 1")
    with pytest.raises(NotExplainableError, match=r"can be explained: none\)"):
        check_explainable(["c"], [], "Version 1")


@settings(deadline=None)
@given(
    shapes=st.lists(GRIDS, min_size=2, max_size=2),
    unit_length=st.booleans(),
    square_root=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_contributions_of_two_views_add_up_to_the_score(
    shapes: list[tuple[int, int, int]], unit_length: bool, square_root: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    views = (View.CROP, View.WHOLE)
    seen = [
        ({f"tap {number}": random.gamma(1, 3, shape).astype(np.float32) for number, shape in enumerate(shapes)}, region)
        for region in (CENTRE, WHOLE)
    ]
    fitted = head({f"tap {number}": shape[2] for number, shape in enumerate(shapes)}, 3, unit_length, seed, square_root)
    vectors = {
        place(tap, view): values.mean((0, 1))
        for view, (maps, _) in zip(views, seen, strict=True)
        for tap, values in maps.items()
    }
    [predicted] = fitted.probabilities({tap: mean_over(vectors, tap, views)[None] for tap in fitted.taps})
    found = [activation_map(fitted, seen, label) for label in fitted.classes]
    assert {region for _, region in found} == {WHOLE}
    np.testing.assert_allclose(softmax(np.array([[entry.logit for entry, _ in found]]))[0], predicted, atol=1e-4)


def test_what_the_crop_shows_lies_where_the_crop_is() -> None:
    crop, whole = np.zeros((2, 2, 1), np.float32), np.zeros((2, 4, 1), np.float32)
    crop[0, 1], whole[1, 3] = 4, 8
    fitted = Head(("a",), False, ("x", "y"), np.array([[1, 0]], np.float32), np.zeros(2, np.float32), 0.0, 1.0)
    explained, _ = activation_map(fitted, [({"a": crop}, CENTRE), ({"a": whole}, WHOLE)], "x")
    expected = np.zeros((2, 4))
    expected[0, 2], expected[1, 3] = 0.5, 0.5  # the crop's right half is the third quarter of the image
    np.testing.assert_allclose(explained.contributions, expected)


def test_a_grid_goes_where_its_region_is() -> None:
    np.testing.assert_allclose(regrid(np.array([[8.0]]), 1, 4, CENTRE), [[0, 4, 4, 0]])
