"""Whole models for TensorFlow Lite, now LiteRT."""

import json
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lastlayer.featurizer.errors import ConversionError
from lastlayer.featurizer.network.conversion.graph import IMAGES, PROBABILITIES, WholeModel
from lastlayer.featurizer.network.conversion.saved_model import PIXELS, write_pixels_alone
from lastlayer.featurizer.network.conversion.tflite_metadata import LABELS_FILE, describe
from lastlayer.rpc.system.cpu_quota import available_processors


def write(model: WholeModel, path: Path, *, quantize: bool) -> None:
    """Write a model to a file; raises ConversionError where TensorFlow cannot convert it.

    With `quantize` its weights are in int8, a quarter of the bytes; activations stay in float32, and each layer rounds
    its own to int8 while it computes where that is faster ("dynamic range quantization").

    Labels and what the model tells of itself are files of a zip archive at the end, where TensorFlow Lite's own
    metadata have them: `zipfile.ZipFile(path).read("labels.txt")`.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_pixels_alone(model, Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[PIXELS])
        if quantize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        try:
            content: bytes = converter.convert()
        except Exception as error:  # of several kinds, none of them documented
            reason = str(error).strip().splitlines()[0]
            raise ConversionError(f"TensorFlow Lite cannot have this network: {reason}") from error
    path.write_bytes(describe(content, model))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(LABELS_FILE, model.head.label_lines())
        archive.writestr("lastlayer.json", json.dumps(model.told(), indent=2, ensure_ascii=False))


class TfliteFile:
    """A model of TensorFlow Lite that is run."""

    probabilities_of_files = None

    def __init__(self, path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the package that it will move to
            self._interpreter: Any = tf.lite.Interpreter(model_path=str(path), num_threads=available_processors())
        self._runner = self._interpreter.get_signature_runner(PIXELS)

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return float32 [n, c] of images, uint8 [n, height, width, 3]."""
        found: npt.NDArray[np.float32] = self._runner(**{IMAGES: images})[PROBABILITIES]
        return found
