"""Real graphs in TensorFlow: numbers, taps, pruning, and each way in which a graph does not fit its declaration."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from lastlayer.featurizer.backbones.spec import BackboneSpec, TapSpec, builtin, read_backbone
from lastlayer.featurizer.config import EngineName
from lastlayer.featurizer.errors import BackboneError
from lastlayer.testing.tiny_backbone import MEAN, SCALE, TAPS, tiny_graph, tiny_weights, write_tiny_backbone
from lastlayer.testing.tiny_network import TinyNetwork
from tests.lazy import LazyModule
from tests.shared import SHARED, needs_shared

if TYPE_CHECKING:
    import tensorflow as tf

    from lastlayer.featurizer.network import graph as network
else:
    tf = LazyModule("tensorflow")
    network = LazyModule("lastlayer.featurizer.network.graph")


@pytest.fixture(scope="module")
def declaration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_backbone(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def spec(declaration: Path) -> BackboneSpec:
    return read_backbone(declaration)


@pytest.fixture(scope="module", params=["tensorflow", "openvino"])
def engine(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = request.param
    return name


@pytest.fixture(scope="module")
def graph(declaration: Path, spec: BackboneSpec, engine: EngineName) -> "network.Graph":
    network.configure_tensorflow()
    return network.Graph(spec, declaration.with_name("graph.pb"), engine=engine)


def images(count: int, size: int = 32) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3), np.uint8)


def convolved(values: npt.NDArray[Any], kernel: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A convolution with stride 2 and ReLU, in float64 by its definition."""
    windows = np.lib.stride_tricks.sliding_window_view(values, (3, 3), axis=(1, 2))[:, ::2, ::2]
    sums: npt.NDArray[Any] = np.einsum("nyxcij,ijco->nyxo", windows, kernel.astype(np.float64))
    return sums.clip(min=0)


def test_the_numbers_are_those_of_the_definition(graph: "network.Graph") -> None:
    pixels = images(5)
    vectors = graph.run(pixels, list(TAPS))
    kernels = tiny_weights()
    first = convolved((pixels - np.array(MEAN)) * SCALE, kernels["first"])
    pool = convolved(first, kernels["second"]).mean((1, 2))
    expected = {"conv": first.mean((1, 2)), "pool": pool, "scores": pool @ kernels["scores"].astype(np.float64)}
    for tap, dimension in TAPS.items():
        assert vectors[tap].shape == (5, dimension)
        assert vectors[tap].dtype == np.float32
        np.testing.assert_allclose(vectors[tap], expected[tap], rtol=1e-4, atol=1e-5)


def test_the_taps_are_described_in_their_order(graph: "network.Graph") -> None:
    kinds = {"conv": "spatial_mean", "pool": "spatial_mean", "scores": "class_scores"}
    assert [(tap.name, tap.kind, tap.dimension) for tap in graph.taps] == [
        (name, kinds[name], dimension) for name, dimension in TAPS.items()
    ]


def test_the_stand_in_of_lastlayer_testing_is_the_same_network(graph: "network.Graph") -> None:
    stand_in, pixels = TinyNetwork(tiny_weights()), images(5)
    assert stand_in.taps == graph.taps
    vectors, maps = stand_in.run(pixels, list(TAPS)), stand_in.maps(pixels, ["pool", "conv"])
    for tap, expected in graph.run(pixels, list(TAPS)).items():
        np.testing.assert_allclose(vectors[tap], expected, rtol=1e-4, atol=1e-5)
    for tap, expected in graph.maps(pixels, ["pool", "conv"]).items():
        np.testing.assert_allclose(maps[tap], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("taps", [["conv"], ["pool"], ["scores", "conv"], ["pool", "conv", "scores"]])
def test_some_taps_are_the_same_as_among_all(graph: "network.Graph", taps: list[str]) -> None:
    every = graph.run(images(3), list(TAPS))
    some = graph.run(images(3), taps)
    assert list(some) == taps
    for tap in taps:
        np.testing.assert_array_equal(some[tap], every[tap])


def test_an_image_has_the_same_vector_in_any_batch(graph: "network.Graph") -> None:
    pixels = images(16)
    together = graph.run(pixels, list(TAPS))
    for index in (0, 7, 15):
        alone = graph.run(pixels[index : index + 1], list(TAPS))
        for tap in TAPS:
            np.testing.assert_allclose(alone[tap][0], together[tap][index], rtol=1e-5, atol=1e-6)


def test_tensorflow_can_be_configured_again_once_it_is_used(graph: "network.Graph") -> None:
    graph.run(images(1), ["conv"])
    assert network.configure_tensorflow() == network.configure_tensorflow()


FREED_IN_A_THREAD = """
import gc, os, signal, sys, threading
from pathlib import Path
from lastlayer.featurizer.backbones.spec import read_backbone
from lastlayer.featurizer.network.graph import Graph, configure_tensorflow

heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("heard"))
declaration = Path(sys.argv[1])
configure_tensorflow()
graphs = [Graph(read_backbone(declaration), declaration.with_name("graph.pb"), engine="openvino")]

def free():
    graphs.pop().close()
    gc.collect()

thread = threading.Thread(target=free)
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGTERM)
sys.exit(heard != ["heard"])
"""


@pytest.mark.long
def test_a_signal_is_heard_after_a_thread_has_freed_openvinos_graph(declaration: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FREED_IN_A_THREAD, declaration], capture_output=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr.decode()[-2000:]


def test_batches_that_run_at_once_have_the_vectors_of_each_alone(graph: "network.Graph") -> None:
    batches = [images(size) for size in (8, 3, 8, 1, 5, 8, 2, 8) * 8]
    names = [tap.name for tap in graph.taps]
    with ThreadPoolExecutor(4) as threads:
        for batch, found in zip(batches, threads.map(lambda batch: graph.run(batch, names), batches), strict=True):
            alone = graph.run(batch, names)
            assert all(np.array_equal(found[name], alone[name]) for name in names)


def with_tap(spec: BackboneSpec, tensor: str) -> BackboneSpec:
    return spec.model_copy(update={"taps": (TapSpec(name="mine", tensor=tensor),)})


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        ("convv:0", r"has no tensor `convv:0` for the tap `mine`. The closest that exist: `conv:0`"),
        ("conv", r"declared as `conv`; a tensor is named like `conv:0`"),
        ("conv:7", r"cannot be imported: Invalid return output 7 of node 'conv'"),
        ("pool/reduction_indices:0", r"is int32 of shape \(2,\); float32 of shape \[n, d\] or"),
        ("Const_2:0", r"the tap `mine` does not yield one vector an image"),
    ],
)
def test_a_tap_that_does_not_fit_is_named(declaration: Path, spec: BackboneSpec, tensor: str, said: str) -> None:
    with pytest.raises(BackboneError, match=said):
        network.Graph(with_tap(spec, tensor), declaration.with_name("graph.pb"))


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        ("inputs:0", "has no tensor `inputs:0` for the input. The closest that exist: `input:0`"),
        ("conv:0", "the input `conv:0` is a Relu; a float32 Placeholder is needed"),
    ],
)
def test_an_input_that_does_not_fit_is_named(declaration: Path, spec: BackboneSpec, tensor: str, said: str) -> None:
    with pytest.raises(BackboneError, match=said):
        network.Graph(spec.model_copy(update={"input": tensor}), declaration.with_name("graph.pb"))


@pytest.mark.parametrize("content", [b"", b"no graph at all", None], ids=["empty", "no graph", "cut short"])
def test_a_damaged_file_is_named(tmp_path: Path, spec: BackboneSpec, content: bytes | None) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(tiny_graph().SerializeToString()[:-40] if content is None else content)
    with pytest.raises(BackboneError, match=r"graph\.pb` (holds no graph|is no frozen TensorFlow graph)"):
        network.Graph(spec, path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path, spec: BackboneSpec) -> None:
    with pytest.raises(BackboneError, match=r"absent\.pb` cannot be read: No such file"):
        network.Graph(spec, tmp_path / "absent.pb")


def written(graph: "tf.Graph", path: Path) -> Path:
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def test_a_graph_for_one_image_alone_is_refused(tmp_path: Path, spec: BackboneSpec, engine: EngineName) -> None:
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, [1, 32, 32, 3], name="input")
        tf.reshape(pixels, [1, 32 * 32 * 3], name="flat")
    with pytest.raises(BackboneError, match="does not take 2 images of 32 x 32"):
        network.Graph(with_tap(spec, "flat:0"), written(graph, tmp_path / "one.pb"), engine=engine)


def test_a_graph_for_another_size_is_refused(tmp_path: Path, spec: BackboneSpec, engine: EngineName) -> None:
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], name="input")
        tf.matmul(tf.reshape(pixels, [-1, 192]), tf.ones([192, 4]), name="scores")
    with pytest.raises(BackboneError, match="does not yield one vector an image"):
        network.Graph(with_tap(spec, "scores:0"), written(graph, tmp_path / "other.pb"), engine=engine)


def test_a_second_input_is_named(tmp_path: Path, spec: BackboneSpec) -> None:
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, [None, 32, 32, 3], name="input")
        keep = tf.compat.v1.placeholder(tf.float32, [], name="keep_probability")
        tf.multiply(pixels, keep, name="dropped")
    with pytest.raises(BackboneError, match="need a second input, `keep_probability`"):
        network.Graph(with_tap(spec, "dropped:0"), written(graph, tmp_path / "two.pb"))


def test_a_graph_that_is_not_frozen_is_refused(tmp_path: Path, spec: BackboneSpec) -> None:
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, [None, 32, 32, 3], name="input")
        weights = tf.compat.v1.get_variable("weights", [3], use_resource=True)
        tf.multiply(pixels, weights, name="scaled")
    with pytest.raises(BackboneError, match="is not frozen: `weights` is a variable"):
        network.Graph(with_tap(spec, "scaled:0"), written(graph, tmp_path / "variables.pb"))


def test_vectors_that_are_not_finite_are_refused(tmp_path: Path, spec: BackboneSpec, engine: EngineName) -> None:
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, [None, 32, 32, 3], name="input")
        tf.math.log(pixels - 1000.0, name="logarithm")
    with pytest.raises(BackboneError, match="the tap `mine` yields numbers that are not finite"):
        network.Graph(with_tap(spec, "logarithm:0"), written(graph, tmp_path / "nan.pb"), engine=engine)


def test_a_graph_that_openvino_cannot_run_is_refused(tmp_path: Path, spec: BackboneSpec) -> None:
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, [None, 32, 32, 3], name="input")
        tf.math.igamma(tf.reduce_mean(pixels, [1, 2]), 1.0, name="gamma")
    path = written(graph, tmp_path / "odd.pb")
    with pytest.raises(
        BackboneError,
        match=r"odd\.pb` cannot be loaded by openvino: .*No conversion rule found for operations: Igamma$",
    ):
        network.Graph(with_tap(spec, "gamma:0"), path, engine="openvino")


@needs_shared
def test_googlenet_yields_the_golden_vectors(engine: EngineName) -> None:
    golden = np.load(SHARED / "models/googlenet/golden.npz")
    network.configure_tensorflow()
    graph = network.Graph(builtin("googlenet"), SHARED / "models/googlenet/graph.pb", engine=engine)
    assert [(tap.name, tap.dimension) for tap in graph.taps] == [
        ("mixed3b", 480),
        ("mixed4b", 512),
        ("mixed4d", 528),
        ("mixed4e", 832),
        ("avgpool0", 1024),
        ("softmax2_pre_activation", 1000),
    ]
    vectors = graph.run(golden["crops"], ["mixed4e", "avgpool0", "softmax2_pre_activation"])
    for tap, name in {"mixed4e": "mixed4e_mean"}.items() | {(tap, tap) for tap in list(vectors)[1:]}:
        got, expected = vectors[tap].astype(np.float64), golden[name].astype(np.float64)
        assert np.abs(got - expected).max() < 1e-3 * np.abs(expected).max()
        lengths = np.linalg.norm(got, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((got * expected).sum(1) / lengths).min() > 0.99999


def test_the_mean_of_a_map_is_the_vector(graph: "network.Graph") -> None:
    taps = ["pool", "conv"]
    maps, vectors = graph.maps(images(3), taps), graph.run(images(3), taps)
    assert {tap: values.shape for tap, values in maps.items()} == {"pool": (3, 7, 7, 16), "conv": (3, 15, 15, 8)}
    for tap in taps:
        assert maps[tap].dtype == np.float32
        np.testing.assert_allclose(maps[tap].mean((1, 2), np.float64), vectors[tap], rtol=1e-5)


POOLINGS: dict[str, tuple[Any, str]] = {
    "mean": (lambda conv: tf.reduce_mean(conv, [1, 2], name="pooled"), "spatial_mean"),
    "mean that keeps its axes": (
        lambda conv: tf.squeeze(tf.reduce_mean(conv, [-3, -2], keepdims=True), [1, 2], name="pooled"),
        "spatial_mean",
    ),
    "pooling over all": (lambda conv: tf.nn.avg_pool2d(conv, 15, 1, "VALID", name="pooled"), "spatial_mean"),
    "pooling over all, flattened": (
        lambda conv: tf.reshape(tf.nn.avg_pool2d(conv, 15, 1, "VALID"), [-1, 8], name="pooled"),
        "spatial_mean",
    ),
    "maximum": (lambda conv: tf.reduce_max(conv, [1, 2], name="pooled"), "vector"),
    "mean over one axis": (lambda conv: tf.reshape(tf.reduce_mean(conv, [1]), [-1, 120], name="pooled"), "vector"),
    "pooling over a part, flattened": (
        lambda conv: tf.reshape(tf.nn.avg_pool2d(conv, 14, 14, "VALID"), [-1, 8], name="pooled"),
        "vector",
    ),
    "pooled twice, flattened": (
        lambda conv: tf.reshape(tf.nn.avg_pool2d(conv, 5, 5, "VALID"), [-1, 72], name="pooled"),
        "vector",
    ),
}


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_map_behind_the_network_s_own_pooling_is_found(
    declaration: Path, tmp_path: Path, pooling: str, engine: EngineName
) -> None:
    pool, kind = POOLINGS[pooling]
    with tf.Graph().as_default() as definition:
        pixels = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="input")
        pixels = tf.ensure_shape(pixels, [None, 32, 32, 3])
        pool(tf.nn.conv2d(pixels, tf.constant(tiny_weights()["first"]), strides=2, padding="VALID"))
    path = tmp_path / "graph.pb"
    path.write_bytes(definition.as_graph_def().SerializeToString())
    spec = read_backbone(declaration).model_copy(update={"taps": (TapSpec(name="pooled", tensor="pooled:0"),)})
    graph = network.Graph(spec, path, engine=engine)
    assert [tap.kind for tap in graph.taps] == [kind]
    if kind == "spatial_mean":
        mapped = graph.maps(images(2), ["pooled"])["pooled"]
        assert mapped.shape == (2, 15, 15, 8)
        vectors = graph.run(images(2), ["pooled"])["pooled"]
        np.testing.assert_allclose(mapped.mean((1, 2), np.float64), vectors, rtol=1e-5, atol=1e-5)


@pytest.mark.long
@needs_shared
def test_the_mean_of_a_map_of_googlenet_is_the_vector(engine: EngineName) -> None:
    graph = network.Graph(builtin("googlenet"), SHARED / "models/googlenet/graph.pb", engine=engine)
    taps = [tap.name for tap in graph.taps if tap.kind == "spatial_mean"]
    assert taps == ["mixed3b", "mixed4b", "mixed4d", "mixed4e", "avgpool0"]
    pixels = images(2, 224)
    maps, vectors = graph.maps(pixels, taps), graph.run(pixels, taps)
    assert [maps[tap].shape[1:3] for tap in taps] == [(28, 28), (14, 14), (14, 14), (14, 14), (7, 7)]
    for tap in taps:
        np.testing.assert_allclose(maps[tap].mean((1, 2), np.float64), vectors[tap], rtol=1e-5, atol=1e-7)
