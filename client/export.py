"""Writes heads for use elsewhere: as ONNX, or as NumPy arrays."""

import io
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer

from client.errors import InvalidInputError, ServerError
from client.results import Head

_TOLERANCE: Final = 1e-5
_CHECKED: Final = 32
"""How many random vectors an ONNX file is checked with before it is written."""


def write(head: Head, target: Path) -> None:
    """Write a head to `target`, .onnx or .npz, whole or not at all; raises `InvalidInputError` where that cannot be."""
    content = _onnx(head) if target.suffix.lower() == ".onnx" else _npz(head)
    try:
        with tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent) as folder:
            unfinished = Path(folder) / "head"
            unfinished.write_bytes(content)
            unfinished.replace(target)
    except OSError as error:
        raise InvalidInputError(f"`{target}` cannot be written: {error.strerror or error}.") from error


def pipeline(head: Head) -> Pipeline:
    """Return the head as a fitted pipeline of scikit-learn, from vectors, float32 [n, d], the taps side by side."""
    weights, biases = _arrays(head)
    # A regression of two classes has one row in scikit-learn: the second class's score less the first one's.
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


def probabilities(head: Head, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the probabilities of the classes, float64 [n, c], of vectors, float32 [n, d], the taps side by side."""
    weights, biases = _arrays(head)
    values = vectors.astype(np.float64)
    if head.unit_length:
        parts = np.split(values, np.cumsum(head.dimensions)[:-1], axis=1)
        lengths = [np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
        values = np.hstack(
            [part / np.where(length > 0, length, 1) for part, length in zip(parts, lengths, strict=True)]
        )
    scores = values @ weights + biases
    exponentials = np.exp(scores - scores.max(1, keepdims=True))
    shares: npt.NDArray[np.float64] = exponentials / exponentials.sum(1, keepdims=True)
    return shares


def _arrays(head: Head) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    shape = (sum(head.dimensions), len(head.classes))
    return np.frombuffer(head.weights, "<f4").reshape(shape), np.frombuffer(head.biases, "<f4")


def _onnx(head: Head) -> bytes:
    """Return the head as ONNX: `vectors`, float32 [n, d], to `label` [n] and `probabilities`, float32 [n, c]."""
    vectors = np.abs(np.random.default_rng(0).normal(size=(_CHECKED, sum(head.dimensions)))).astype(np.float32)
    model: Any = to_onnx(
        pipeline(head),
        initial_types=[("vectors", FloatTensorType([None, vectors.shape[1]]))],
        options={"zipmap": False},
        name=f"lastlayer {head.model}:{head.version}",
    )
    for key, value in (
        ("backbone", head.backbone),
        ("backbone_digest", head.backbone_digest),
        ("taps", "+".join(head.taps)),
    ):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    content: bytes = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = session.run(["probabilities"], {"vectors": vectors})[0]
    if not np.allclose(found, probabilities(head, vectors), atol=_TOLERANCE):
        raise ServerError("The head cannot be written as ONNX: its probabilities came out differently.", code="UNKNOWN")
    return content


def _npz(head: Head) -> bytes:
    weights, biases = _arrays(head)
    file = io.BytesIO()
    np.savez(
        file,
        weights=weights,
        biases=biases,
        classes=np.array(head.classes),
        taps=np.array(head.taps),
        dimensions=np.array(head.dimensions),
        unit_length=np.array(head.unit_length),
        backbone=np.array(head.backbone),
        backbone_digest=np.array(head.backbone_digest),
    )
    return file.getvalue()
