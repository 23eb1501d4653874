"""Models of OpenVINO yield the same once they are rewritten for bfloat16; what does not fit stays as it is."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lastlayer.featurizer.network.rewriting.sixteen_bits import quantize_after_pooling, sum_up_by_convolution

openvino = pytest.importorskip("openvino", reason="networks in bfloat16 and int8 are run by OpenVINO")
ops = pytest.importorskip("openvino.opset13")

IMAGES = np.random.default_rng(0).standard_normal((2, 8, 12, 10)).astype(np.float32)
"""[n, channels, height, width]"""


def outputs_of(model: Any) -> list[npt.NDArray[np.float32]]:
    """Return what a model yields in float32."""
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([IMAGES])
    return [found[index] for index in range(len(model.outputs))]


def kinds_of(model: Any) -> Counter[str]:
    return Counter(node.get_type_name() for node in model.get_ops())


def mean_model(
    axes: tuple[int, ...] = (2, 3), *, keep_dims: bool = False, height: int = 12, then: str = "Result"
) -> Any:
    """Return a model with a mean of some axes, whose result leads to an output: directly, or through something."""
    images = ops.parameter([-1, 8, height, 10], np.float32)
    mean = ops.reduce_mean(ops.relu(images), ops.constant(np.array(axes)), keep_dims)
    if then == "Transpose":
        mean = ops.transpose(mean, ops.constant(np.array([0, 1])))
    elif then == "MatMul":
        mean = ops.matmul(mean, ops.constant(np.ones((8, 3), np.float32)), False, False)
    return openvino.Model([mean], [images])


@pytest.mark.parametrize("then", ["Result", "Transpose"])
def test_a_mean_of_a_map_becomes_a_convolution_with_the_same_result(then: str) -> None:
    model = mean_model(then=then)
    before = outputs_of(model)
    sum_up_by_convolution(model)
    assert kinds_of(model)["ReduceMean"] == 0
    assert kinds_of(model)["GroupConvolution"] == 1
    np.testing.assert_allclose(outputs_of(model)[0], before[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        mean_model((1, 2)),
        mean_model((2,)),
        mean_model(keep_dims=True),
        mean_model(height=-1),
        mean_model(then="MatMul"),
    ],
    ids=["of channels", "of rows", "still a map", "of an unknown size", "not an output"],
)
def test_other_means_stay(model: Any) -> None:
    before = kinds_of(model)
    sum_up_by_convolution(model)
    assert kinds_of(model) == before


def test_several_taps_are_rewritten_and_other_outputs_stay() -> None:
    images = ops.parameter([-1, 8, 12, 10], np.float32)
    maps = ops.relu(images)
    axes = ops.constant(np.array([2, 3]))
    smaller = ops.max_pool(maps, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2])
    outputs = [
        ops.reduce_mean(maps, axes, False),
        ops.reduce_mean(smaller.output(0), axes, False),
        ops.reduce_max(maps, axes, False),
    ]
    model = openvino.Model(outputs, [images])
    before = outputs_of(model)
    sum_up_by_convolution(model)
    assert kinds_of(model)["GroupConvolution"] == 2
    for found, expected in zip(outputs_of(model), before, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def quantized_model(*, normalised: bool = True, read_twice: bool = False) -> Any:
    """Return a model that quantises what it then pools."""
    images = ops.parameter([-1, 8, 12, 10], np.float32)
    maps: Any = ops.relu(images)
    if normalised:
        maps = ops.lrn(maps, ops.constant(np.array([1])), alpha=1e-2, beta=0.75, bias=1, size=5)
    bounds = [ops.constant(np.float32(bound)) for bound in (0, 2.5, 0, 2.5)]
    quantized = ops.fake_quantize(maps, *bounds, 256)
    pooled = ops.max_pool(quantized, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3])
    outputs = [ops.multiply(pooled.output(0), np.float32(3)), *([ops.relu(quantized)] if read_twice else [])]
    return openvino.Model(outputs, [images])


def order_of(model: Any) -> list[str]:
    kinds = ("LRN", "FakeQuantize", "MaxPool")
    return [node.get_type_name() for node in model.get_ordered_ops() if node.get_type_name() in kinds]


def test_what_was_normalised_is_pooled_before_it_is_quantised() -> None:
    model = quantized_model()
    before = outputs_of(model)
    quantize_after_pooling(model)
    assert order_of(model) == ["LRN", "MaxPool", "FakeQuantize"]
    np.testing.assert_array_equal(outputs_of(model)[0], before[0])


@pytest.mark.parametrize(
    "model",
    [quantized_model(normalised=False), quantized_model(read_twice=True)],
    ids=["a convolution may quantise by itself", "something else reads it, too"],
)
def test_other_quantisations_stay(model: Any) -> None:
    before = order_of(model)
    quantize_after_pooling(model)
    assert order_of(model) == before
