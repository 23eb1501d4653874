"""Turns heads into ONNX: a scikit-learn pipeline, converted, and compared with the head's own probabilities."""

from typing import Any, Final

import numpy as np
import onnxruntime
from onnx import helper
from skl2onnx import to_onnx as convert
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer

from lastlayer.client.errors import ServerError
from lastlayer.client.export.npz import arrays, probabilities
from lastlayer.client.results import Head

_TOLERANCE: Final = 1e-5
"""How far a probability may be from the head's own."""
_CHECKED: Final = 32
"""How many random vectors the conversion is checked with."""


def to_onnx(head: Head) -> bytes:
    """Return the head as ONNX: `vectors`, float32 [n, d], to `label`, string [n], and `probabilities`, float32 [n, c].

    Raises `ServerError` where what comes out of it is not what the head makes of the same vectors.
    """
    model: Any = convert(
        pipeline(head),
        initial_types=[("roots" if head.square_root else "vectors", FloatTensorType([None, sum(head.dimensions)]))],
        options={"zipmap": False},
        name=f"lastlayer {head.model}:{head.version}",
    )
    if head.square_root:
        _take_roots(model)
    for key, value in (
        ("backbone", head.backbone),
        ("backbone_digest", head.backbone_digest),
        ("taps", "+".join(head.taps)),
        ("views", "+".join(head.views)),
    ):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    content: bytes = model.SerializeToString()
    _check(content, head)
    return content


def _take_roots(model: Any) -> None:
    """Put the square root, of what is above 0, before a model whose input is `roots`; its input is then `vectors`."""
    model.graph.input[0].name = "vectors"
    model.graph.node.insert(0, helper.make_node("Relu", ["vectors"], ["rectified"]))
    model.graph.node.insert(1, helper.make_node("Sqrt", ["rectified"], ["roots"]))


def pipeline(head: Head) -> Pipeline:
    """Return the head as a fitted pipeline of scikit-learn, from vectors, float32 [n, d], the taps side by side.

    Where the head takes square roots, the pipeline is from them.
    """
    weights, biases = arrays(head)
    # A regression of two classes has one row in scikit-learn, whose sigmoid is the second class's probability: the
    # softmax of two scores is the sigmoid of their difference.
    rows, intercepts = (weights.T, biases) if len(biases) > 2 else (np.diff(weights).T, np.diff(biases))
    regression = LogisticRegression()
    regression.classes_ = np.array(head.classes)
    regression.coef_, regression.intercept_ = rows.astype(np.float64), intercepts.astype(np.float64)
    regression.n_features_in_ = len(weights)
    if not head.unit_length:
        return Pipeline([("regression", regression)])
    ends = np.cumsum(head.dimensions)
    parts = [
        (f"tap {tap}", Normalizer(), list(range(end - dimension, end)))
        for tap, end, dimension in zip(head.taps, ends, head.dimensions, strict=True)
    ]
    lengths = ColumnTransformer(parts).fit(np.ones((1, len(weights)), np.float32))
    return Pipeline([("lengths", lengths), ("regression", regression)])


def _check(content: bytes, head: Head) -> None:
    # Half of the elements are 0 and none is negative, as after a rectifier.
    random = np.random.default_rng(0).normal(size=(_CHECKED, sum(head.dimensions)))
    vectors = random.clip(0).astype(np.float32)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    labels, found = session.run(["label", "probabilities"], {"vectors": vectors})
    expected = probabilities(head, vectors)
    best = expected.argmax(1)
    clear = np.partition(expected, -2)[:, -1] - np.partition(expected, -2)[:, -2] > 2 * _TOLERANCE
    same = np.array([label == head.classes[index] for label, index in zip(labels, best, strict=True)])
    if not (np.abs(found - expected) <= _TOLERANCE).all() or not same[clear].all():
        raise ServerError("The head cannot be written as ONNX: its predictions came out differently.", code="UNKNOWN")
