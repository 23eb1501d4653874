"""Runs a frozen network: pixels in, the vectors of its taps out.

TensorFlow is known in this folder alone.
"""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lastlayer.featurizer.backbones.spec import BackboneSpec
from lastlayer.featurizer.backbones.tap import Tap, TapKind
from lastlayer.featurizer.config import EngineName, Precision
from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network.engines import EngineError, Function, OpenVinoEngine, make_engine
from lastlayer.featurizer.network.frozen_graph import Frozen, GraphCache, load_or_make, needed_part, read_graph
from lastlayer.featurizer.network.quantization import Quantized, quantize
from lastlayer.featurizer.network.rewriting.lrn import replace_normalisations
from lastlayer.rpc.system.cpu_quota import available_processors

_RESHAPING: Final = ("Identity", "Reshape", "Squeeze")
"""What leaves the numbers of a pooled vector as they are."""


def configure_tensorflow(engine: EngineName | Literal["auto"] = "tensorflow") -> str:
    """Set TensorFlow's threads and memory for this process, before its first use.

    Returns the device on which the engine will run graphs, and TensorFlow where it is not decided yet.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of deprecations that are not the user's
    # Of what Keras runs where it loads a network; graphs have `_options`.
    processors = available_processors()
    tf.config.threading.set_intra_op_parallelism_threads(processors)
    tf.config.threading.set_inter_op_parallelism_threads(min(2, processors))
    if engine == "openvino":
        tf.config.set_visible_devices([], "GPU")
        return "CPU, by OpenVINO"
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Otherwise TensorFlow takes all of the device's memory, from everybody else too.
        tf.config.experimental.set_memory_growth(gpu, True)
    if gpus:
        return f"GPU: {tf.config.experimental.get_device_details(gpus[0]).get('device_name', gpus[0].name)}"
    return "CPU"


class Graph:
    """A network that was loaded, checked, pruned to its taps and warmed up."""

    def __init__(
        self,
        spec: BackboneSpec,
        weights: Path,
        group: str = "",
        *,
        precision: Precision = "float32",
        engine: EngineName = "tensorflow",
        cache: GraphCache | None = None,
        quantized: Quantized | None = None,
    ) -> None:
        """Load the network; `group` names the group of an HDF5 file that holds its weights.

        `quantized` is the network in int8, which that precision needs. Without a `cache` the graph of a Keras network
        is made each time. Raises BackboneError where the file is damaged or has not what the declaration says.
        """
        self._spec = spec
        frozen = _freeze(spec, weights, group, cache)
        definition, images, self._outputs, self._maps = _import(spec, frozen, weights, engine)
        try:
            self._engine = make_engine(engine, definition, images, precision, quantized)
        except EngineError as error:
            raise BackboneError(f"`{weights}` cannot be loaded by {engine}: {error}") from error
        self._runs: dict[int, Function] = {}
        self._map: Function | None = None
        self._making = threading.Lock()
        self.taps = self._warm_up(weights)
        """The taps, from the shallowest to the deepest."""

    def run(
        self, images: npt.NDArray[np.uint8], taps: Sequence[str], *, alone: bool = True
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Return the feature vectors of images at some taps.

        `images` is uint8 [n, height, width, 3], RGB; each result is float32 [n, d]. Only what the deepest of the taps
        needs is computed. `alone` is whether nothing else is going to run meanwhile. It may be called in several
        threads at once.
        """
        names = [tap.name for tap in self._spec.taps]
        # One function for each deepest tap; the shallower ones that it yields as well cost next to nothing, whereas
        # every function costs memory.
        count = 1 + max(names.index(tap) for tap in taps)
        outputs = self._up_to(count)(images, alone)
        return {tap: outputs[names.index(tap)] for tap in taps}

    def maps(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Return the feature maps of images at some taps, each a spatial mean.

        `images` is uint8 [n, height, width, 3], RGB; each result is float32 [n, h, w, d], whose mean over h and w is
        what `run` returns.
        """
        with self._making:
            if self._map is None:
                # Made when it is first needed, as it costs memory. One for all taps: maps are asked for one image at a
                # time, where it matters little how deep the network is run.
                self._map = self._engine.function(list(self._maps.values()))
        found = dict(zip(self._maps, self._map(images, True), strict=True))
        return {tap: found[tap] for tap in taps}

    def close(self) -> None:
        """Free the network, which cannot be run any more."""
        self._engine.close()

    def _up_to(self, count: int) -> Function:
        with self._making:
            if count not in self._runs:
                outputs = [self._outputs[tap.name] for tap in self._spec.taps[:count]]
                self._runs[count] = self._engine.function(outputs)
            return self._runs[count]

    def _warm_up(self, weights: Path) -> tuple[Tap, ...]:
        size = self._spec.preprocessing
        names = [tap.name for tap in self._spec.taps]
        try:
            # Two images, as a graph that was frozen for a batch of one fails only with more.
            vectors = self.run(np.zeros((2, size.height, size.width, 3), np.uint8), names)
        except EngineError as error:
            raise BackboneError(
                f"`{weights}` does not take 2 images of {size.width} x {size.height}: {error}"
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


def quantize_network(
    spec: BackboneSpec,
    weights: Path,
    group: str,
    cache: GraphCache,
    images: npt.NDArray[np.uint8],
    *,
    whole_ranges: bool,
) -> tuple[bytes, bytes]:
    """Return the topology and the weights of a network in int8, with all that `Graph` runs of it.

    It is calibrated on the images, uint8 [n, height, width, 3]; of `whole_ranges` see `quantization.quantize`. Raises
    BackboneError.
    """
    frozen = _freeze(spec, weights, group, cache)
    definition, placeholder, outputs, maps = _import(spec, frozen, weights, "openvino")
    try:
        model = OpenVinoEngine(definition, placeholder, "float32").part([*outputs.values(), *maps.values()])
    except EngineError as error:
        raise BackboneError(f"`{weights}` cannot be loaded by openvino: {error}") from error
    return quantize(model, images, whole_ranges=whole_ranges)


def tapped_network(
    spec: BackboneSpec, weights: Path, group: str, cache: GraphCache, taps: Sequence[str]
) -> tuple[tf.Graph, tf.Tensor, list[tf.Tensor]]:
    """Return a network that ends at some of its taps: its graph, its input and the vectors of the taps, in their order.

    The input is uint8 [n, height, width, 3], each vector float32 [n, d]. Raises BackboneError.
    """
    frozen = _freeze(spec, weights, group, cache)
    wanted = frozen._replace(tensors={tap: frozen.tensors[tap] for tap in taps})
    # Other runtimes are as slow at local response normalisation as TensorFlow is, so that it is replaced for them, too:
    # with GoogLeNet TensorFlow Lite and ONNX Runtime compute half as many images again.
    definition, images, outputs, _ = _import(spec, wanted, weights, "tensorflow")
    return definition, images, [outputs[tap] for tap in taps]


def _freeze(spec: BackboneSpec, weights: Path, group: str, cache: GraphCache | None) -> Frozen:
    if spec.format == "frozen_graph":
        return Frozen(read_graph(weights), spec.input, {tap.name: tap.tensor for tap in spec.taps})

    def make() -> Frozen:
        from lastlayer.featurizer.network.keras_graph import forget, freeze

        frozen = freeze(spec, weights, group)
        forget()
        return frozen

    if cache is None:
        return make()
    return load_or_make(cache, group, make)


def _import(
    spec: BackboneSpec, frozen: Frozen, path: Path, engine: EngineName
) -> tuple[tf.Graph, tf.Tensor, dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Wrap the graph so that it takes uint8 pixels and yields one vector a tap.

    Returns the graph, its input, its outputs, and the maps of the taps that are means of one.
    """
    size = spec.preprocessing
    needed = needed_part(frozen, path)
    outputs: dict[str, Any] = {}
    maps: dict[str, Any] = {}
    definition = tf.Graph()
    with definition.as_default():
        images = tf.compat.v1.placeholder(tf.uint8, [None, size.height, size.width, 3], name="lastlayer/images")
        # A row of means, as subtracting three numbers over and over takes several times as long.
        means = tf.constant(np.tile(size.mean, (size.width, 1)), tf.float32)
        pixels = (tf.cast(images, tf.float32) - means) * size.scale
        try:
            if engine == "tensorflow":  # the other one is as fast with what it is given
                needed = replace_normalisations(needed, frozen.input, (size.height, size.width, 3))
            found = tf.import_graph_def(needed, {frozen.input: pixels}, list(frozen.tensors.values()), name="")
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            raise BackboneError(f"`{path}` cannot be imported: {str(error).splitlines()[0]}") from error
        for (name, tensor), output in zip(frozen.tensors.items(), found, strict=True):
            if output.shape.rank not in (2, 4) or output.dtype != tf.float32:
                raise BackboneError(
                    f"`{path}`: the tensor `{tensor}` of the tap `{name}` is {output.dtype.name} of shape "
                    f"{output.shape}; float32 of shape [n, d] or [n, height, width, d] is needed."
                )
            outputs[name] = tf.reduce_mean(output, [1, 2]) if output.shape.rank == 4 else tf.identity(output)
            if (mapped := _feature_map(output)) is not None:
                # OpenVINO knows only tensors that nothing else takes by their names.
                maps[name] = tf.identity(mapped)
    return definition, images, outputs, maps


def _feature_map(output: tf.Tensor) -> tf.Tensor | None:
    """Return the map, float32 [n, height, width, d], whose mean over height and width is the vector of a tap.

    `output` is the tap's tensor: [n, d], or [n, height, width, d], which is averaged. Where the network itself pools
    all of a map into it, the map is the one before the pooling. None where the vector is no such mean.
    """
    pooled = output
    while pooled.op.type in _RESHAPING:
        pooled = pooled.op.inputs[0]
    if _is_global_mean(pooled) and pooled.shape[-1] == output.shape[-1]:
        return pooled.op.inputs[0]
    return output if output.shape.rank == 4 else None


def _is_global_mean(tensor: tf.Tensor) -> bool:
    op: Any = tensor.op
    if op.type not in ("Mean", "AvgPool") or op.inputs[0].shape.rank != 4:
        return False
    if op.type == "Mean":
        axes = tf.get_static_value(op.inputs[1])
        return axes is not None and sorted(int(axis) % 4 for axis in axes.flatten()) == [1, 2]
    if op.get_attr("data_format") != b"NHWC" or tensor.shape[1:3] != (1, 1):
        return False
    return bool(op.get_attr("ksize")[1:3] == op.inputs[0].shape[1:3].as_list())
