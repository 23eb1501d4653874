"""Which format a name means, and what is said where its packages are missing."""

import importlib.util
from pathlib import Path

import pytest

from lastlayer.featurizer.errors import ConversionError
from lastlayer.featurizer.network.conversion.formats import check_installed, format_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app.tflite", "tflite"),
        ("APP.TFLITE", "tflite"),
        ("a/model.onnx", "onnx"),
        ("saved_model/", "saved_model"),
        ("flowers/1", "saved_model"),
        ("flowers.saved_model", "saved_model"),
    ],
)
def test_the_ending_says_the_format(name: str, expected: str) -> None:
    assert format_of(Path(name)) == expected


def test_another_ending_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConversionError, match=r"`model\.h5` names no format: give FILE\.tflite, FILE\.onnx, or"):
        format_of(Path("model.h5"))


def test_missing_packages_are_named_with_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("tf2onnx", "onnxruntime") else name)
    check_installed("tflite")
    with pytest.raises(ConversionError, match=r"needs onnxruntime, tf2onnx, which are not .* 'lastlayer\[convert\]'"):
        check_installed("onnx")
