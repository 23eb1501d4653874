"""Turns heads into ONNX, written with `onnx` alone, and compared with the head's own probabilities."""

import json
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from lastlayer.client.errors import ServerError
from lastlayer.client.export.npz import arrays, probabilities
from lastlayer.client.results.versions import Head

_OPSETS: Final = (helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3))
"""Old enough for runtimes of 2022, such as ONNX Runtime 1.13."""
_IR_VERSION: Final = 8
"""The version of the file's format that came with those."""
_TOLERANCE: Final = 1e-5
"""How far a probability may be from the head's own."""
_CHECKED: Final = 32
"""How many random vectors what is written is checked with."""
_LEAST_LENGTH: Final = 1e-30
"""What vectors of length 0 are divided by; they stay 0."""


def to_onnx(head: Head) -> bytes:
    """Return the head as ONNX: `vectors`, float32 [n, d], to `label`, string [n], and `probabilities`, float32 [n, c].

    Where images may have several labels there is `predicted`, bool [n, c], for `label`: which reach their thresholds.

    Raises `ServerError` where what comes out of it is not what the head makes of the same vectors.
    """
    weights, biases = arrays(head)
    constants: dict[str, npt.NDArray[Any]] = {"weights": weights, "biases": biases}
    nodes: list[NodeProto] = []
    last = "vectors"
    if head.square_root:
        nodes += [helper.make_node("Relu", [last], ["rectified"]), helper.make_node("Sqrt", ["rectified"], ["roots"])]
        last = "roots"
    if head.unit_length:
        nodes += _to_unit_length(head, last, constants)
        last = "directions"
    nodes.append(helper.make_node("Gemm", [last, "weights", "biases"], ["scores"]))
    nodes += _to_labels(head, constants) if head.multi_label else _to_class(head)
    decided = (
        helper.make_tensor_value_info("predicted", TensorProto.BOOL, [None, len(biases)])
        if head.multi_label
        else helper.make_tensor_value_info("label", TensorProto.STRING, [None])
    )
    graph = helper.make_graph(
        nodes,
        f"lastlayer {head.model}:{head.version}",
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, [None, len(weights)])],
        [
            decided,
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(biases)]),
        ],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=_OPSETS, ir_version=_IR_VERSION, producer_name="lastlayer")
    about = {
        "backbone": head.backbone,
        "backbone_digest": head.backbone_digest,
        "taps": "+".join(head.taps),
        "views": "+".join(head.views),
        **({"labels": json.dumps(head.classes, ensure_ascii=False)} if head.multi_label else {}),
    }
    helper.set_model_props(model, about)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    _check(content, head)
    return content


def _to_class(head: Head) -> list[NodeProto]:
    """Return what makes `probabilities` and the best `label` of `scores`."""
    return [
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["best"], axis=1, keepdims=0),
        helper.make_node(
            "LabelEncoder",
            ["best"],
            ["label"],
            domain="ai.onnx.ml",
            keys_int64s=list(range(len(head.classes))),
            values_strings=list(head.classes),
        ),
    ]


def _to_labels(head: Head, constants: dict[str, npt.NDArray[Any]]) -> list[NodeProto]:
    """Return what makes `probabilities` of `scores`, each by itself, and which are `predicted`."""
    constants["thresholds"] = np.array(head.label_thresholds, np.float32)
    return [
        helper.make_node("Sigmoid", ["scores"], ["probabilities"]),
        helper.make_node("GreaterOrEqual", ["probabilities", "thresholds"], ["predicted"]),
    ]


def _to_unit_length(head: Head, vectors: str, constants: dict[str, npt.NDArray[Any]]) -> list[NodeProto]:
    """Return what divides each tap's part of `vectors` by its Euclidean length, side by side as `directions`."""
    constants["least length"] = np.array(_LEAST_LENGTH, np.float32)
    constants["axis"] = np.array([1], np.int64)
    nodes = []
    parts = []
    for number, (start, end) in enumerate(pairwise([0, *np.cumsum(head.dimensions).tolist()])):
        part, length, above, direction = (f"{name} {number}" for name in ("part", "length", "divisor", "direction"))
        constants[f"start {number}"], constants[f"end {number}"] = np.array([start]), np.array([end])
        nodes += [
            helper.make_node("Slice", [vectors, f"start {number}", f"end {number}", "axis"], [part]),
            helper.make_node("ReduceL2", [part], [length], axes=[1], keepdims=1),
            helper.make_node("Max", [length, "least length"], [above]),
            helper.make_node("Div", [part, above], [direction]),
        ]
        parts.append(direction)
    return [*nodes, helper.make_node("Concat", parts, ["directions"], axis=1)]


def _check(content: bytes, head: Head) -> None:
    # Half of the elements are 0 and none is negative, as after a rectifier.
    random = np.random.default_rng(0).normal(size=(_CHECKED, sum(head.dimensions)))
    vectors = random.clip(0).astype(np.float32)
    evaluator: Any = ReferenceEvaluator(content)
    if head.multi_label:
        predicted, found = evaluator.run(["predicted", "probabilities"], {"vectors": vectors})
        _check_labels(head, predicted, found, probabilities(head, vectors))
        return
    labels, found = evaluator.run(["label", "probabilities"], {"vectors": vectors})
    expected = probabilities(head, vectors)
    best = expected.argmax(1)
    clear = np.partition(expected, -2)[:, -1] - np.partition(expected, -2)[:, -2] > 2 * _TOLERANCE
    same = np.array([label == head.classes[index] for label, index in zip(labels, best, strict=True)])
    if not (np.abs(found - expected) <= _TOLERANCE).all() or not same[clear].all():
        raise _differs()


def _check_labels(
    head: Head, predicted: npt.NDArray[np.bool_], found: npt.NDArray[np.float32], expected: npt.NDArray[np.float64]
) -> None:
    """Raise `ServerError` where independent labels, [n, c], came out otherwise than `expected`."""
    distances = expected - np.array(head.label_thresholds)
    clear = np.abs(distances) > _TOLERANCE
    if not (np.abs(found - expected) <= _TOLERANCE).all() or not (predicted == (distances >= 0))[clear].all():
        raise _differs()


def _differs() -> ServerError:
    return ServerError("The head cannot be written as ONNX: its predictions came out differently.", code="UNKNOWN")
