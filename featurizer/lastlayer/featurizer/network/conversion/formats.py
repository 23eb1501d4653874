"""The formats of whole models: which a name means, what each needs, how it is written and run."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.errors import ConversionError

if TYPE_CHECKING:
    from lastlayer.featurizer.network.conversion.graph import WholeModel

Format = Literal["tflite", "onnx", "saved_model"]

_NEEDED: Final[dict[Format, tuple[str, ...]]] = {
    "tflite": (),
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "saved_model": (),
}
"""The modules that each needs beside those of the featurizer."""


class RunnableFile(Protocol):
    """A file that is run as its users will run it."""

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return float32 [n, c] of images, uint8 [n, height, width, 3]."""
        ...

    @property
    def probabilities_of_files(self) -> Callable[[Sequence[bytes]], npt.NDArray[np.float32]] | None:
        """What returns float32 [n, c] of JPEG files; None where it takes none."""
        ...


def format_of(target: Path) -> Format:
    """Return the format that a name means: that of its ending, SavedModel where it has none.

    Raises ConversionError for another ending.
    """
    for known in get_args(Format):
        if target.suffix.lower() == f".{known}":
            found: Format = known
            return found
    if target.suffix:
        raise ConversionError(
            f"`{target}` names no format: give FILE.tflite, FILE.onnx, or a folder, whose name has no ending, for a "
            "SavedModel."
        )
    return "saved_model"


def check_installed(name: Format) -> None:
    """Raise ConversionError where packages are missing that a format needs."""
    missing = [module for module in _NEEDED[name] if importlib.util.find_spec(module) is None]
    if missing:
        are = "which is" if len(missing) == 1 else "which are"
        raise ConversionError(
            f"Writing {name} needs {', '.join(missing)}, {are} not installed: pip install 'lastlayer[convert]'"
        )


def write(model: "WholeModel", name: Format, path: Path, *, quantize: bool) -> None:
    """Write a model to a file, or a new folder; raises ConversionError where it cannot be converted."""
    if name == "tflite":
        from lastlayer.featurizer.network.conversion import tflite

        tflite.write(model, path, quantize=quantize)
    elif name == "onnx":
        from lastlayer.featurizer.network.conversion import onnx

        onnx.write(model, path)
    else:
        from lastlayer.featurizer.network.conversion import saved_model

        saved_model.write(model, path)


def load(name: Format, path: Path) -> RunnableFile:
    """Return a file that was written, to be run."""
    if name == "tflite":
        from lastlayer.featurizer.network.conversion.tflite import TfliteFile

        return TfliteFile(path)
    if name == "onnx":
        from lastlayer.featurizer.network.conversion.onnx import OnnxFile

        return OnnxFile(path)
    from lastlayer.featurizer.network.conversion.saved_model import SavedModelFile

    return SavedModelFile(path)
