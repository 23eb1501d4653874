"""Heads outside of the service, against softmax(x * weights + biases) worked out here."""

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from lastlayer.client import Head, ServerError
from lastlayer.client.export.npz import probabilities, to_npz
from lastlayer.client.export.onnx import to_onnx

LABELS = ("größe 🦆", "cat", "dog", "x" * 256)


def head(classes: int, *, unit_length: bool = True, **changes: Any) -> Head:
    random = np.random.default_rng(classes)
    fields: dict[str, Any] = {
        "model": "pets",
        "version": 3,
        "backbone": "tiny",
        "backbone_digest": "ab" * 32,
        "taps": ("mixed4e", "pool"),
        "dimensions": (5, 3),
        "unit_length": unit_length,
        "classes": LABELS[:classes],
        "weights": random.normal(scale=4, size=(8, classes)).astype("<f4").tobytes(),
        "biases": random.normal(size=classes).astype("<f4").tobytes(),
    }
    return Head(**{**fields, **changes})


VECTORS = np.random.default_rng(0).normal(size=(40, 8)).clip(0).astype(np.float32)
VECTORS[0] = 0
VECTORS[1, :5] = 0


def expected(known: Head) -> npt.NDArray[np.float64]:
    weights = np.frombuffer(known.weights, "<f4").reshape(8, -1).astype(np.float64)
    rows = []
    for vector in np.sqrt(VECTORS.astype(np.float64)) if known.square_root else VECTORS.astype(np.float64):
        parts = [vector[:5], vector[5:]]
        if known.unit_length:
            parts = [part / max(np.sqrt((part**2).sum()), 1e-300) for part in parts]
        powers = np.exp(np.concatenate(parts) @ weights + np.frombuffer(known.biases, "<f4"))
        rows.append(powers / powers.sum())
    return np.array(rows)


@pytest.mark.parametrize("unit_length", [True, False])
@pytest.mark.parametrize("classes", [2, 3, 4])
class TestProbabilities:
    def test_of_numpy(self, classes: int, unit_length: bool) -> None:
        known = head(classes, unit_length=unit_length)
        assert probabilities(known, VECTORS) == pytest.approx(expected(known), abs=1e-12)

    def test_of_onnx(self, classes: int, unit_length: bool) -> None:
        known = head(classes, unit_length=unit_length)
        session = onnxruntime.InferenceSession(to_onnx(known))
        labels, found = session.run(["label", "probabilities"], {"vectors": VECTORS})
        assert (found.shape, found.dtype) == ((40, classes), np.float32)
        assert found == pytest.approx(expected(known), abs=1e-5)
        assert list(labels) == [known.classes[best] for best in expected(known).argmax(1)]


@pytest.mark.parametrize("classes", [2, 4])
def test_square_roots_are_part_of_what_is_written(classes: int) -> None:
    known = head(classes, square_root=True)
    assert probabilities(known, VECTORS) == pytest.approx(expected(known), abs=1e-12)
    session = onnxruntime.InferenceSession(to_onnx(known))
    assert [entry.name for entry in session.get_inputs()] == ["vectors"]
    _, found = session.run(["label", "probabilities"], {"vectors": VECTORS})
    assert found == pytest.approx(expected(known), abs=1e-5)


def test_onnx_says_what_it_takes() -> None:
    session = onnxruntime.InferenceSession(to_onnx(head(3)))
    assert [(entry.name, entry.type, entry.shape[1]) for entry in session.get_inputs()] == [
        ("vectors", "tensor(float)", 8)
    ]
    assert session.get_modelmeta().custom_metadata_map == {
        "backbone": "tiny",
        "backbone_digest": "ab" * 32,
        "taps": "mixed4e+pool",
        "views": "crop",
    }
    both = onnxruntime.InferenceSession(to_onnx(replace(head(3), views=("crop", "whole-flipped"))))
    assert both.get_modelmeta().custom_metadata_map["views"] == "crop+whole-flipped"


def test_arrays_are_as_documented() -> None:
    known = head(3)
    with np.load(io.BytesIO(to_npz(known)), allow_pickle=False) as arrays:
        assert set(arrays) == {
            *("weights", "biases", "classes", "taps", "dimensions", "unit_length", "backbone", "backbone_digest"),
            "square_root",
            "views",
        }
        assert arrays["views"].tolist() == ["crop"]
        assert arrays["weights"].tobytes() == known.weights
        assert (arrays["weights"].shape, arrays["biases"].shape) == ((8, 3), (3,))
        assert tuple(arrays["classes"]) == known.classes
        assert (str(arrays["backbone"]), str(arrays["backbone_digest"])) == ("tiny", "ab" * 32)
        assert arrays["unit_length"].item() is True


@pytest.mark.parametrize("changes", [{"weights": b"\0" * 95}, {"biases": b""}, {"dimensions": (5, 4)}])
def test_numbers_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    for export in (to_npz, to_onnx):
        with pytest.raises(ServerError, match="do not fit its taps and classes"):
            export(head(3, **changes))


@pytest.mark.parametrize("classes", [1, 3])
def test_labels_that_are_independent_of_each_other(classes: int) -> None:
    thresholds = (0.5, 0.25, 0.75)[:classes]
    known = head(classes, multi_label=True, label_thresholds=thresholds, square_root=True)
    of_all = probabilities(known, VECTORS)
    weights = np.frombuffer(known.weights, "<f4").reshape(8, -1)
    roots = np.sqrt(VECTORS[5])
    parts = [part / np.linalg.norm(part) for part in (roots[:5], roots[5:])]
    logits = np.concatenate(parts) @ weights + np.frombuffer(known.biases, "<f4")
    assert of_all[5] == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-6)
    session = onnxruntime.InferenceSession(to_onnx(known))
    predicted, found = session.run(["predicted", "probabilities"], {"vectors": VECTORS})
    assert found == pytest.approx(of_all, abs=1e-5)
    assert (predicted == (of_all >= thresholds)).all()
    assert json.loads(session.get_modelmeta().custom_metadata_map["labels"]) == list(LABELS[:classes])
    with np.load(io.BytesIO(to_npz(known))) as arrays:
        assert arrays["label_thresholds"].tolist() == list(thresholds)
