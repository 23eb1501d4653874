"""Local response normalisation without TensorFlow's slow kernel for it."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.lazy import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf

    from lastlayer.featurizer.network.rewriting import lrn
else:
    tf = LazyModule("tensorflow")
    lrn = LazyModule("lastlayer.featurizer.network.rewriting.lrn")


SHAPE = (6, 5, 20)


def normalising_graph(channels: int = SHAPE[-1], **attributes: float) -> "tf.compat.v1.GraphDef":
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, None, None, channels], name="input")
        first = tf.nn.relu(tf.nn.local_response_normalization(images, name="first", **attributes))
        tf.nn.local_response_normalization(first, name="second/nested", **attributes)
    return graph.as_graph_def()


def run(graph_def: "tf.compat.v1.GraphDef", images: np.ndarray) -> np.ndarray:
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            return np.asarray(session.run("second/nested:0", {"input:0": images}))


@pytest.mark.parametrize("channels", [20, 136, 144])  # few, many, and many that are blocks of 16
@pytest.mark.parametrize(
    "attributes",
    [
        {"depth_radius": 2, "bias": 1.0, "alpha": 2e-5, "beta": 0.75},  # of Inception
        {"depth_radius": 5, "bias": 2.0, "alpha": 1e-4, "beta": 0.75},  # of AlexNet
        {"depth_radius": 16, "bias": 1.0, "alpha": 1e-3, "beta": 0.75},  # as many neighbours as are in a block
        {"depth_radius": 30, "bias": 0.5, "alpha": 0.3, "beta": 0.75},  # more than that, and than there are channels
    ],
)
def test_same_numbers_without_the_slow_kernel(attributes: dict[str, float], channels: int) -> None:
    slow = normalising_graph(channels, **attributes)
    shape = (*SHAPE[:2], channels)

    fast = lrn.replace_normalisations(slow, "input:0", shape)

    assert not [node for node in fast.node if node.op == "LRN"]
    images = np.random.default_rng(0).normal(0, 50, (3, *shape)).astype(np.float32)
    np.testing.assert_allclose(run(fast, images), run(slow, images), rtol=2e-6)


def test_other_exponents_stay() -> None:
    graph_def = normalising_graph(beta=0.5)

    assert lrn.replace_normalisations(graph_def, "input:0", SHAPE) is graph_def


def test_unknown_channels_stay() -> None:
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, name="input")
        tf.nn.local_response_normalization(
            tf.reshape(images, tf.abs(tf.shape(images))), beta=0.75, name="second/nested"
        )
    graph_def = graph.as_graph_def()

    replaced = lrn.replace_normalisations(graph_def, "input:0", SHAPE)

    assert [node.op for node in replaced.node] == [node.op for node in graph_def.node]
