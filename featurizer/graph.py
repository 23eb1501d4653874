"""Runs a frozen network: pixels in, the vectors of its taps out.

With `keras_graph` and `spatial`, all that knows TensorFlow.
"""

import difflib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from google.protobuf.message import DecodeError

from featurizer.backbones import BackboneSpec
from featurizer.errors import BackboneError
from featurizer.processors import available_processors
from featurizer.spatial import feature_map

TapKind = Literal["spatial_mean", "vector", "class_scores"]


@dataclass(frozen=True)
class Tap:
    """A tap of a loaded network."""

    name: str
    kind: TapKind
    dimension: int


def configure_tensorflow() -> str:
    """Set TensorFlow's threads and memory for this process, before its first use; return the device it will use."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of deprecations that are not the user's
    processors = available_processors()
    tf.config.threading.set_intra_op_parallelism_threads(processors)
    tf.config.threading.set_inter_op_parallelism_threads(min(2, processors))
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Otherwise TensorFlow takes all of the device's memory, from everybody else too.
        tf.config.experimental.set_memory_growth(gpu, True)
    if gpus:
        return f"GPU: {tf.config.experimental.get_device_details(gpus[0]).get('device_name', gpus[0].name)}"
    return "CPU"


class Graph:
    """A network that was loaded, checked, pruned to its taps and warmed up."""

    def __init__(self, spec: BackboneSpec, weights: Path, group: str = "") -> None:
        """Load the network; `group` names the group of an HDF5 file that holds its weights.

        Raises BackboneError where the file is damaged or has not what the declaration says.
        """
        self._spec = spec
        if spec.format == "keras":
            from featurizer.keras_graph import freeze

            graph_def, input_name, tensors = freeze(spec, weights, group)
        else:
            graph_def, input_name = _read_graph(weights), spec.input
            tensors = {tap.name: tap.tensor for tap in spec.taps}
        _check_tensors(graph_def, input_name, tensors, weights)
        self._function, self._inputs, self._outputs, self._maps = _import(spec, graph_def, input_name, tensors, weights)
        self._pruned: dict[int, Callable[[tf.Tensor], list[tf.Tensor]]] = {}
        self._map: Callable[[tf.Tensor], list[tf.Tensor]] | None = None
        self.taps = self._warm_up(weights)
        """The taps, from the shallowest to the deepest."""

    def run(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Return the feature vectors of images at some taps.

        `images` is uint8 [n, height, width, 3], RGB; each result is float32 [n, d]. Only what the deepest of the taps
        needs is computed.
        """
        names = [tap.name for tap in self._spec.taps]
        # One function for each deepest tap; the shallower ones that it yields as well cost next to nothing, whereas
        # every function keeps the weights once more.
        count = 1 + max(names.index(tap) for tap in taps)
        outputs = self._up_to(count)(tf.constant(images))
        return {tap: outputs[names.index(tap)].numpy() for tap in taps}

    def maps(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Return the feature maps of images at some taps, each a spatial mean.

        `images` is uint8 [n, height, width, 3], RGB; each result is float32 [n, h, w, d], whose mean over h and w is
        what `run` returns.
        """
        if self._map is None:
            # Made when it is first needed, as it keeps the weights once more. One for all taps: maps are asked for one
            # image at a time, where it matters little how deep the network is run.
            self._map = self._function.prune(self._inputs, list(self._maps.values()))
        found = dict(zip(self._maps, self._map(tf.constant(images)), strict=True))
        return {tap: found[tap].numpy() for tap in taps}

    def _up_to(self, count: int) -> Callable[[tf.Tensor], list[tf.Tensor]]:
        if count not in self._pruned:
            outputs = [self._outputs[tap.name] for tap in self._spec.taps[:count]]
            self._pruned[count] = self._function.prune(self._inputs, outputs)
        return self._pruned[count]

    def _warm_up(self, weights: Path) -> tuple[Tap, ...]:
        size = self._spec.preprocessing
        names = [tap.name for tap in self._spec.taps]
        try:
            # Two images, as a graph that was frozen for a batch of one fails only with more.
            vectors = self.run(np.zeros((2, size.height, size.width, 3), np.uint8), names)
        except tf.errors.OpError as error:
            raise BackboneError(
                f"`{weights}` does not take 2 images of {size.width} x {size.height}: {error.message.splitlines()[0]}"
            ) from error
        taps = []
        for declared in self._spec.taps:
            if len(vectors[declared.name]) != 2:
                raise BackboneError(
                    f"`{weights}`: the tap `{declared.name}` does not yield one vector an image; is the graph frozen "
                    "for a fixed number of images?"
                )
            if not np.isfinite(vectors[declared.name]).all():
                raise BackboneError(f"`{weights}`: the tap `{declared.name}` yields numbers that are not finite.")
            kind: TapKind = "spatial_mean" if declared.name in self._maps else "vector"
            kind = "class_scores" if declared.class_scores else kind
            taps.append(Tap(declared.name, kind, vectors[declared.name].shape[1]))
        return tuple(taps)


def _read_graph(path: Path) -> tf.compat.v1.GraphDef:
    graph_def = tf.compat.v1.GraphDef()
    try:
        graph_def.ParseFromString(path.read_bytes())
    except OSError as error:
        raise BackboneError(f"`{path}` cannot be read: {error.strerror}.") from error
    except DecodeError as error:
        raise BackboneError(f"`{path}` is no frozen TensorFlow graph, or it is damaged.") from error
    if not graph_def.node:
        raise BackboneError(f"`{path}` holds no graph.")
    return graph_def


def _check_tensors(graph_def: tf.compat.v1.GraphDef, input_name: str, tensors: dict[str, str], path: Path) -> None:
    nodes = {node.name: node for node in graph_def.node}
    for key, tensor in {"input": input_name, **{f"tap `{name}`": tensor for name, tensor in tensors.items()}}.items():
        name, colon, index = tensor.partition(":")
        if not colon or not index.isdigit():
            raise BackboneError(f"The {key} is declared as `{tensor}`; a tensor is named like `{name}:0`.")
        if name not in nodes:
            close = difflib.get_close_matches(name, nodes, n=3, cutoff=0.4)
            hint = f" The closest that exist: {', '.join(f'`{match}:0`' for match in close)}." if close else ""
            raise BackboneError(f"`{path}` has no tensor `{tensor}` for the {key}.{hint}")
    node = nodes[input_name.partition(":")[0]]
    if node.op != "Placeholder" or node.attr["dtype"].type != tf.float32.as_datatype_enum:
        raise BackboneError(f"`{path}`: the input `{input_name}` is a {node.op}; a float32 Placeholder is needed.")


def _needed(
    graph_def: tf.compat.v1.GraphDef, input_name: str, tensors: dict[str, str], path: Path
) -> tf.compat.v1.GraphDef:
    """Return the part of the graph between the input and the taps; raises BackboneError where it needs more."""
    input_node = input_name.partition(":")[0]
    tapped = [tensor.partition(":")[0] for tensor in tensors.values()]
    needed: tf.compat.v1.GraphDef = tf.compat.v1.graph_util.extract_sub_graph(graph_def, [input_node, *tapped])
    for node in needed.node:
        if node.op in ("Variable", "VariableV2", "VarHandleOp"):
            raise BackboneError(f"`{path}` is not frozen: `{node.name}` is a variable; its value must be in the graph.")
        if node.op == "Placeholder" and node.name != input_node:
            raise BackboneError(f"`{path}`: the taps need a second input, `{node.name}`; freeze its value too.")
    return needed


def _import(
    spec: BackboneSpec, graph_def: tf.compat.v1.GraphDef, input_name: str, tensors: dict[str, str], path: Path
) -> tuple[Any, list[tf.Tensor], dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Wrap the graph so that it takes uint8 pixels and yields one vector a tap.

    Returns the function, its inputs, its outputs, and the maps of the taps that are means of one.
    """
    size = spec.preprocessing
    needed = _needed(graph_def, input_name, tensors, path)
    outputs: dict[str, tf.Tensor] = {}
    maps: dict[str, tf.Tensor] = {}

    def build(images: tf.Tensor) -> list[tf.Tensor]:
        pixels = (tf.cast(images, tf.float32) - tf.constant(size.mean, tf.float32)) * size.scale
        found = tf.import_graph_def(needed, {input_name: pixels}, list(tensors.values()), name="")
        for (name, tensor), output in zip(tensors.items(), found, strict=True):
            if output.shape.rank not in (2, 4) or output.dtype != tf.float32:
                raise BackboneError(
                    f"`{path}`: the tensor `{tensor}` of the tap `{name}` is {output.dtype.name} of shape "
                    f"{output.shape}; float32 of shape [n, d] or [n, height, width, d] is needed."
                )
            outputs[name] = tf.reduce_mean(output, [1, 2]) if output.shape.rank == 4 else tf.identity(output)
            if (mapped := feature_map(output)) is not None:
                maps[name] = mapped
        return list(outputs.values())

    signature = tf.TensorSpec([None, size.height, size.width, 3], tf.uint8)
    try:
        function = tf.compat.v1.wrap_function(build, [signature])
    except (ValueError, tf.errors.InvalidArgumentError) as error:
        raise BackboneError(f"`{path}` cannot be imported: {str(error).splitlines()[0]}") from error
    return function, function.inputs, outputs, maps
