"""Turns heads into files of NumPy arrays."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from lastlayer.client.errors import ServerError
from lastlayer.client.results.versions import Head


def to_npz(head: Head) -> bytes:
    """Return the head as arrays that `numpy.load(…, allow_pickle=False)` reads; see docs/how-to/export.md."""
    weights, biases = arrays(head)
    file = io.BytesIO()
    further: dict[str, Any] = {"label_thresholds": np.array(head.label_thresholds)} if head.multi_label else {}
    np.savez(
        file,
        weights=weights,
        biases=biases,
        classes=np.array(head.classes),
        taps=np.array(head.taps),
        dimensions=np.array(head.dimensions),
        unit_length=np.array(head.unit_length),
        square_root=np.array(head.square_root),
        views=np.array(head.views),
        backbone=np.array(head.backbone),
        backbone_digest=np.array(head.backbone_digest),
        **further,
    )
    return file.getvalue()


def arrays(head: Head) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return weights, float32 [d, c], and biases, float32 [c]; raises `ServerError` where their sizes are others."""
    shape = (sum(head.dimensions), len(head.classes))
    least = 1 if head.multi_label else 2
    positive = min(head.dimensions, default=0) > 0 and len(head.dimensions) == len(head.taps) and shape[1] >= least
    if not positive or (len(head.weights), len(head.biases)) != (4 * shape[0] * shape[1], 4 * shape[1]):
        raise ServerError("The server sent a head whose numbers do not fit its taps and classes.", code="UNKNOWN")
    return np.frombuffer(head.weights, "<f4").reshape(shape), np.frombuffer(head.biases, "<f4")


def probabilities(head: Head, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the probabilities of the classes, float64 [n, c], of vectors, float32 [n, d], the taps side by side."""
    weights, biases = arrays(head)
    values = vectors.astype(np.float64)
    if head.square_root:
        values = np.sqrt(np.maximum(values, 0))
    if head.unit_length:
        parts = np.split(values, np.cumsum(head.dimensions)[:-1], axis=1)
        lengths = [np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
        values = np.hstack(
            [part / np.where(length > 0, length, 1) for part, length in zip(parts, lengths, strict=True)]
        )
    scores = values @ weights + biases
    if head.multi_label:
        independent: npt.NDArray[np.float64] = np.exp(-np.logaddexp(0, -scores))
        return independent
    exponentials = np.exp(scores - scores.max(1, keepdims=True))
    shares: npt.NDArray[np.float64] = exponentials / exponentials.sum(1, keepdims=True)
    return shares
