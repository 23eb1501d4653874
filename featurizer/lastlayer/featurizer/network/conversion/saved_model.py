"""Whole models as TensorFlow's SavedModel, which takes pixels or JPEG files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lastlayer.featurizer.network.conversion import jpeg
from lastlayer.featurizer.network.conversion.graph import IMAGES, PROBABILITIES, WholeModel

PIXELS: Final = "serving_default"
"""The signature that takes `images`, uint8 [n, height, width, 3]."""
JPEG: Final = "jpeg"
"""The signature that takes `jpeg`, strings [n]: whole files, of any size."""
LABEL: Final = "label"
"""The output that both have beside PROBABILITIES: the best class, string [n]."""


def write(model: WholeModel, path: Path) -> None:
    """Write a model to a new folder, with its labels and what it tells of itself in `assets.extra`.

    Raises OSError where the folder cannot be written.
    """
    module = tf.Module()
    module.function = model.function()
    size = model.size

    def answer(images: tf.Tensor) -> Mapping[str, tf.Tensor]:
        found = module.function(images)
        return {LABEL: tf.gather(tf.constant(model.head.labels), tf.argmax(found, 1)), PROBABILITIES: found}

    def answer_files(files: tf.Tensor) -> Mapping[str, tf.Tensor]:
        pixels = tf.TensorSpec([size.height, size.width, 3], tf.uint8)
        decoded = tf.map_fn(lambda file: jpeg.decode(file, size, model.head.view), files, fn_output_signature=pixels)
        return answer(decoded)

    given = tf.TensorSpec([None, size.height, size.width, 3], tf.uint8, name=IMAGES)
    files = tf.TensorSpec([None], tf.string, name=JPEG)
    signatures = {
        PIXELS: tf.function(answer).get_concrete_function(given),
        JPEG: tf.function(answer_files).get_concrete_function(files),
    }
    _save(module, path, signatures)
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / "labels.txt").write_text(model.head.label_lines(), encoding="utf-8")
    (extra / "lastlayer.json").write_text(
        f"{json.dumps(model.told(), indent=2, ensure_ascii=False)}\n", encoding="utf-8"
    )


def write_pixels_alone(model: WholeModel, path: Path) -> None:
    """Write a model to a new folder for the converter to TensorFlow Lite, which knows no strings; raises OSError."""
    module = tf.Module()
    module.function = model.function()
    given = tf.TensorSpec([None, model.size.height, model.size.width, 3], tf.uint8, name=IMAGES)
    answer = tf.function(lambda images: {PROBABILITIES: module.function(images)})
    _save(module, path, {PIXELS: answer.get_concrete_function(given)})


def _save(module: tf.Module, path: Path, signatures: Mapping[str, Any]) -> None:
    try:
        tf.saved_model.save(module, path, signatures)
    except tf.errors.OpError as error:  # TensorFlow's own file system, such as on a full disk
        raise OSError(error.message.splitlines()[0]) from error


class SavedModelFile:
    """A SavedModel that is run."""

    def __init__(self, path: Path) -> None:
        self._loaded: Any = tf.saved_model.load(path)  # its signatures live as long as it does

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return float32 [n, c] of images, uint8 [n, height, width, 3]."""
        return self._call(PIXELS, images)

    def probabilities_of_files(self, files: Sequence[bytes]) -> npt.NDArray[np.float32]:
        """Return float32 [n, c] of JPEG files."""
        return self._call(JPEG, files)

    def _call(self, signature: str, given: Any) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] = self._loaded.signatures[signature](tf.constant(given))[PROBABILITIES].numpy()
        return found
