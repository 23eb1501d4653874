"""What runs a prepared graph: TensorFlow, or OpenVINO, which is faster on processors."""

import functools
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lastlayer.featurizer.config import EngineName, Precision
from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network.quantization import Quantized
from lastlayer.featurizer.network.rewriting.sixteen_bits import quantize_after_pooling, sum_up_by_convolution
from lastlayer.featurizer.network.variants import reduced_precision
from lastlayer.rpc.system.cpu_quota import available_processors

Run = Callable[[npt.NDArray[np.uint8]], list[npt.NDArray[np.float32]]]
"""Images, uint8 [n, height, width, 3], in; an array for each output out. Raises EngineError."""

Function = Callable[[npt.NDArray[np.uint8], bool], list[npt.NDArray[np.float32]]]
"""The same, and whether nothing else is going to run meanwhile, so that these images may have all processors."""

_REWRITES: Final = {"bfloat16": "auto_mixed_precision_onednn_bfloat16", "float16": "auto_mixed_precision"}
"""What TensorFlow calls the rewriting of a graph to each precision; sums stay in float32."""

_NOISE: Final = ("Exception from", "Check '", "FrontEnd API failed", "Summary:", "To facilitate")
"""How lines of OpenVINO's errors begin that tell users nothing."""


class EngineError(Exception):
    """The graph cannot be run, with a reason of one line."""


class Engine(Protocol):
    """Runs parts of one graph."""

    def function(self, outputs: Sequence[tf.Tensor]) -> Function:
        """Return what computes some tensors of the graph, and no more than they need. Raises EngineError."""
        ...

    def close(self) -> None:
        """Free the graph; its functions cannot be called any more."""
        ...


class TensorFlowEngine:
    """Runs a graph with TensorFlow, on a GPU where it sees one."""

    def __init__(self, graph: tf.Graph, images: tf.Tensor, precision: Precision) -> None:
        """`images` is the placeholder of `graph` that is fed."""
        # A session, and not a function, which keeps more copies of the weights: 570 MB instead of 400 with GoogLeNet.
        self._session = tf.compat.v1.Session(graph=graph, config=_options(precision))
        self._images = images

    def function(self, outputs: Sequence[tf.Tensor]) -> Function:
        """Return what computes some tensors of the graph."""
        # Each keeps the weights once more.
        run = self._session.make_callable(list(outputs), [self._images])

        def call(images: npt.NDArray[np.uint8], _alone: bool) -> list[npt.NDArray[np.float32]]:
            try:
                arrays: list[npt.NDArray[np.float32]] = run(images)
            except tf.errors.OpError as error:
                raise EngineError(error.message.splitlines()[0]) from error
            return arrays

        return call

    def close(self) -> None:
        """Close the session."""
        self._session.close()


def _options(precision: Precision) -> tf.compat.v1.ConfigProto:
    processors = available_processors()
    options = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=processors, inter_op_parallelism_threads=min(2, processors)
    )
    options.gpu_options.allow_growth = True
    # Copies of the graph for whoever asks how it was run: nobody does, and they cost 10 to 30 MB a function.
    options.experimental.disable_output_partition_graphs = True
    if precision != "float32":
        rewrites = options.graph_options.rewrite_options
        setattr(rewrites, _REWRITES[precision], rewrites.ON)
    return options


class OpenVinoEngine:
    """Runs a graph with OpenVINO, on the processors."""

    def __init__(
        self, graph: tf.Graph, images: tf.Tensor, precision: Precision, quantized: Quantized | None = None
    ) -> None:
        """`images` is the placeholder of `graph` that is fed, and `quantized` the same network in int8.

        Raises BackboneError where OpenVINO is not installed, and EngineError where it cannot read the graph.
        """
        self._openvino = _openvino()
        self._core = _core()
        try:
            if quantized is None:
                self._model = self._read(graph)
            else:
                weights = self._openvino.Tensor(np.frombuffer(quantized.weights, np.uint8))
                self._model = self._core.read_model(quantized.xml, weights)
        except RuntimeError as error:
            raise EngineError(_reason(error)) from error
        self._images = images.name
        # What is not in int8 there, such as depthwise convolutions and LRN, gains from 16 bits, too.
        short = precision == "bfloat16" or (quantized is not None and reduced_precision(gpu=False) == "bfloat16")
        if short and quantized is not None:
            quantize_after_pooling(self._model)
        self._sums_up = short and quantized is None
        self._options = {
            "INFERENCE_PRECISION_HINT": "bf16" if short else "f32",
            "INFERENCE_NUM_THREADS": available_processors(),
            # The decoders want processors too, and the scheduler knows best which.
            "ENABLE_CPU_PINNING": False,
        }

    def _read(self, graph: tf.Graph) -> Any:
        # It reads graphs of TensorFlow from files alone.
        with tempfile.NamedTemporaryFile(suffix=".pb") as file:
            file.write(graph.as_graph_def().SerializeToString())
            file.flush()
            return self._core.read_model(file.name)

    def part(self, outputs: Sequence[tf.Tensor]) -> Any:
        """Return the part of the network that computes some tensors of the graph, as a model of OpenVINO."""
        # A copy, as compiling changes it.
        model = self._model.clone()
        ports = {name: port for node in model.get_ops() for port in node.outputs() for name in port.get_names()}
        images = ports[self._images].get_node()
        part = self._openvino.Model([ports[output.name] for output in outputs], [images])
        if self._sums_up:
            sum_up_by_convolution(part)
        return part

    def function(self, outputs: Sequence[tf.Tensor]) -> Function:
        """Return what computes some tensors of the graph."""
        for_one = self._compile(outputs, streams=1)
        # Of two batches each has half of the processors, so that these need not wait for each other after each layer:
        # batches of 4 images are as fast there as the largest ones are on all. A third batch waits inside until one of
        # the two ends. Compiled when first needed, in 0.1 s, as it costs memory.
        for_more = functools.cache(lambda: self._compile(outputs, streams=2))
        lock, running = threading.Lock(), 0

        def call(images: npt.NDArray[np.uint8], alone: bool) -> list[npt.NDArray[np.float32]]:
            nonlocal running
            with lock:
                run = for_one if alone and not running else for_more()
                running += 1
            try:
                return run(images)
            finally:
                with lock:
                    running -= 1

        return call

    def _compile(self, outputs: Sequence[tf.Tensor], streams: int) -> Run:
        """Return what computes some tensors of the graph, for so many batches at once; the results are the same."""
        try:
            compiled = self._core.compile_model(self.part(outputs), "CPU", {**self._options, "NUM_STREAMS": streams})
        except RuntimeError as error:
            raise EngineError(_reason(error)) from error
        # A request serves one thread at a time; as many are made as threads come at once.
        free: list[Any] = []

        def call(images: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
            try:
                try:
                    request = free.pop()
                except IndexError:
                    request = compiled.create_infer_request()
                results = request.infer([images], share_inputs=True)
            except RuntimeError as error:
                raise EngineError(_reason(error)) from error
            free.append(request)
            return [results[index] for index in range(len(outputs))]

        return call

    def close(self) -> None:
        """Forget the model."""
        del self._model


def make_engine(
    name: EngineName, graph: tf.Graph, images: tf.Tensor, precision: Precision, quantized: Quantized | None = None
) -> Engine:
    """Return an engine for a graph whose placeholder `images` is fed. Raises BackboneError or EngineError."""
    if name == "openvino":
        return OpenVinoEngine(graph, images, precision, quantized)
    return TensorFlowEngine(graph, images, precision)


@functools.cache
def _core() -> Any:
    """Return OpenVINO's one core of this process, which is never freed.

    The core replaces the stack on which the thread that made it handles signals, and frees that stack with itself:
    were the last reference dropped in another thread, the next signal would end the process.
    """
    return _openvino().Core()


def _openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise BackboneError(
            "FEATURIZER_ENGINE is `openvino`, but OpenVINO is not installed: `pip install "
            "'lastlayer[featurizer-openvino]'` brings it, and `tensorflow` works without."
        ) from error
    return openvino


def _reason(error: RuntimeError) -> str:
    """Return what an error of OpenVINO says was wrong, without the places in its code and its advice to programmers."""
    lines = [line.strip().removeprefix("-- ") for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith(_NOISE)]
    return " ".join(said).rstrip(".") or type(error).__name__
