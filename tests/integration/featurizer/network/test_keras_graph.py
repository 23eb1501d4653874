"""Networks of keras.applications, with random weights from files of both layouts, run as Keras itself runs them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from lastlayer.featurizer.backbones.spec import BackboneSpec
from lastlayer.featurizer.errors import BackboneError
from tests.lazy import LazyModule

if TYPE_CHECKING:
    import keras

    from lastlayer.featurizer.network import graph as graphs
else:
    keras = LazyModule("keras")
    graphs = LazyModule("lastlayer.featurizer.network.graph")

SIZE = 32

# Keras, where it saves weights, has not followed numpy yet.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]


def declared(**changes: Any) -> BackboneSpec:
    declaration: dict[str, Any] = {
        "name": "mobile",
        "format": "keras",
        "application": "MobileNet",
        "preprocessing": {"width": SIZE, "height": SIZE, "mean": (127.5,) * 3, "scale": 1 / 127.5},
        "taps": [
            {"name": "middle", "tensor": "conv_pw_6_relu"},
            {"name": "last", "tensor": "conv_pw_13_relu"},
        ],
        "weights": [{"file": "model.weights.h5"}],
    }
    return BackboneSpec.model_validate(declaration | changes)


@pytest.fixture(scope="module")
def network() -> Any:
    """MobileNet with random weights, whose moving means and variances are not all alike."""
    graphs.configure_tensorflow()
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3))
    random = np.random.default_rng(0)
    network.set_weights(
        [values + random.uniform(0, 0.05, values.shape).astype(np.float32) for values in network.get_weights()]
    )
    return network


@pytest.fixture(scope="module")
def nested(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a larger model that holds the network as a frozen layer; the group is `layers/functional`."""
    network.trainable = False
    images = keras.Input((SIZE, SIZE, 3))
    larger = keras.Model(images, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(network(images))))
    path = tmp_path_factory.mktemp("nested") / "model.weights.h5"
    larger.save_weights(path)
    return path


def assert_same(graph: "graphs.Graph", network: Any) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    names = ["conv_pw_6_relu", "conv_pw_13_relu"]
    tapped = keras.Model(network.input, [network.get_layer(name).output for name in names])
    expected = [np.asarray(output).mean((1, 2)) for output in tapped((images - 127.5) / 127.5, training=False)]
    vectors = graph.run(images, ["middle", "last"])
    for got, wanted in zip((vectors["middle"], vectors["last"]), expected, strict=True):
        assert wanted.std() > 0
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


def test_the_weights_of_a_layer_of_a_larger_model(network: Any, nested: Path) -> None:
    graph = graphs.Graph(declared(), nested, "layers/functional")
    assert [(tap.name, tap.kind, tap.dimension) for tap in graph.taps] == [
        ("middle", "spatial_mean", 512),
        ("last", "spatial_mean", 1024),
    ]
    assert_same(graph, network)


def test_the_weights_of_the_network_alone(network: Any, tmp_path: Path) -> None:
    path = tmp_path / "own.weights.h5"
    network.save_weights(path)
    assert_same(graphs.Graph(declared(), path), network)


def test_another_network_is_refused(nested: Path) -> None:
    spec = declared(application="MobileNetV2", taps=[{"name": "last", "tensor": "out_relu"}])
    with pytest.raises(BackboneError, match=r"does not hold the weights of MobileNetV2: "):
        graphs.Graph(spec, nested, "layers/functional")


def test_weights_that_are_left_over_are_refused(nested: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.weights.h5"
    path.write_bytes(nested.read_bytes())
    with h5py.File(path, "a") as file:
        file.create_group("layers/functional/layers/conv2d_99/vars")
    with pytest.raises(BackboneError, match="it has further layers, such as `conv2d_99`"):
        graphs.Graph(declared(), path, "layers/functional")


def test_a_group_that_is_not_there_is_refused(nested: Path) -> None:
    with pytest.raises(BackboneError, match=r"weights of MobileNet: it has no group `layers/other/layers`"):
        graphs.Graph(declared(), nested, "layers/other")


def test_a_file_that_is_no_hdf5_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.weights.h5"
    path.write_bytes(b"damaged")
    with pytest.raises(BackboneError, match=r"damaged\.weights\.h5` does not hold the weights of MobileNet"):
        graphs.Graph(declared(), path, "layers/functional")


def test_a_layer_that_is_not_there_is_named(nested: Path) -> None:
    spec = declared(taps=[{"name": "mine", "tensor": "conv_pw_14_relu"}])
    with pytest.raises(BackboneError, match="MobileNet has no layer `conv_pw_14_relu` for the tap `mine`"):
        graphs.Graph(spec, nested, "layers/functional")


def test_an_application_that_is_not_there_is_named(nested: Path) -> None:
    with pytest.raises(BackboneError, match=r"keras\.applications has no `Mobile`"):
        graphs.Graph(declared(application="Mobile"), nested, "layers/functional")
