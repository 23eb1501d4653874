"""Whole models as ONNX, converted by tf2onnx."""

import logging
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import tf2onnx
from onnx import TensorProto, helper, numpy_helper

from lastlayer.featurizer.errors import ConversionError
from lastlayer.featurizer.network.conversion.graph import IMAGES, PROBABILITIES, WholeModel

LABEL: Final = "label"
"""The output beside PROBABILITIES: the best class, string [n]."""
_OPSET: Final = 17
"""Old enough for runtimes of 2022, such as ONNX Runtime 1.13."""
_IR_VERSION: Final = 8
"""The version of the file's format that came with those."""


def write(model: WholeModel, path: Path) -> None:
    """Write a model to a file, with what it tells of itself as its metadata; raises ConversionError."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    given, found = f"{IMAGES}:0", f"{PROBABILITIES}:0"
    try:
        converted, _ = tf2onnx.convert.from_graph_def(
            model.graph_def, input_names=[given], output_names=[found], opset=_OPSET
        )
    except Exception as error:  # of several kinds, none of them documented
        raise ConversionError(f"tf2onnx cannot convert this network: {str(error).strip().splitlines()[0]}") from error
    graph = converted.graph
    _rename(graph, {given: IMAGES, found: PROBABILITIES})
    labels = np.array(model.head.labels, np.object_)
    graph.initializer.append(numpy_helper.from_array(labels, "labels"))
    graph.node.extend(
        [
            helper.make_node("ArgMax", [PROBABILITIES], ["best"], axis=1, keepdims=0),
            helper.make_node("Gather", ["labels", "best"], [LABEL]),
        ]
    )
    size = model.size
    del graph.input[:], graph.output[:]
    graph.input.append(helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ["n", size.height, size.width, 3]))
    graph.output.extend(
        [
            helper.make_tensor_value_info(LABEL, TensorProto.STRING, ["n"]),
            helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["n", len(labels)]),
        ]
    )
    graph.name = f"lastlayer {model.head.model}:{model.head.version}"
    converted.ir_version, converted.producer_name, converted.producer_version = _IR_VERSION, "lastlayer", ""
    helper.set_model_props(converted, model.told())
    onnx.checker.check_model(converted)
    path.write_bytes(converted.SerializeToString())


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Give tensors of a graph other names."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


class OnnxFile:
    """A model in ONNX that is run."""

    probabilities_of_files = None

    def __init__(self, path: Path) -> None:
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return float32 [n, c] of images, uint8 [n, height, width, 3]."""
        [found] = self._session.run([PROBABILITIES], {IMAGES: images})
        probabilities: npt.NDArray[np.float32] = found
        return probabilities
