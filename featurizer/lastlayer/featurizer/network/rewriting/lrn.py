"""Replaces local response normalisation (LRN), which TensorFlow computes slowly, by the operations it is made of.

LRN divides each channel by what its neighbours measure (Krizhevsky, Sutskever and Hinton, "ImageNet classification with
deep convolutional neural networks", 2012, section 3.3). With the names of TensorFlow's attributes, for channel i:

    y[i] = x[i] / (bias + alpha * sum(x[j] ** 2 for j from i - depth_radius to i + depth_radius)) ** beta

With beta = 3/4, the paper's value, the power is two square roots: s ** -0.75 = rsqrt(s) * sqrt(rsqrt(s)).
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

_BETA: Final = 0.75
"""The exponent of the paper, which all networks that we know use."""

_BLOCK: Final = 16
"""How many channels are summed together where there are many: a vector of a processor."""
_BLOCKS_WORTHWHILE: Final = 128
"""From how many channels on: with fewer, multiplying by the zeros of a whole matrix costs less than blocks do."""


def replace_normalisations(
    graph_def: tf.compat.v1.GraphDef, input_tensor: str, shape: tuple[int, int, int]
) -> tf.compat.v1.GraphDef:
    """Return a frozen graph without the local response normalisations whose exponent is 0.75.

    Each becomes a convolution that sums the squares of neighbouring channels, and two square roots: the same numbers to
    about 2e-7, in half the time or less. `shape` is an image's height, width and channels. Raises ValueError or
    InvalidArgumentError where the graph cannot be imported.
    """
    slow = [node for node in graph_def.node if node.op == "LRN" and abs(node.attr["beta"].f - _BETA) < 1e-6]
    if not slow:
        return graph_def
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, *shape])
        tf.import_graph_def(graph_def, {input_tensor: images}, name="")
        shapes = {node.name: graph.get_operation_by_name(node.name).inputs[0].shape for node in slow}
    replaced = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.name in shapes and shapes[node.name][-1] is not None:
            replaced.node.extend(_parts(node, shapes[node.name]))
        else:
            replaced.node.add().CopyFrom(node)
    return replaced


def _parts(node: Any, shape: tf.TensorShape) -> list[Any]:
    """Return the nodes that compute what the LRN `node` does; the last of them has its name.

    `shape` is that of its input, [n, height, width, channels].
    """
    name = node.name
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, shape, name=f"{name}/input")
        with tf.name_scope(f"{name}/lastlayer/"):
            root = tf.math.rsqrt(_sums(tf.square(images), node.attr))
            factor = root * tf.sqrt(root)
        tf.multiply(images, factor, name=name)
    parts = [part for part in graph.as_graph_def().node if part.op != "Placeholder"]
    for part in parts:
        part.input[:] = [node.input[0] if source == f"{name}/input" else source for source in part.input]
    return parts


def _sums(squares: tf.Tensor, attributes: Any) -> tf.Tensor:
    """Return bias + alpha * the sum of the squares around each channel, float32 [n, height, width, channels]."""
    radius, bias = attributes["depth_radius"].i, attributes["bias"].f
    _, height, width, channels = squares.shape
    blocks, rest = divmod(channels, _BLOCK)
    if channels < _BLOCKS_WORTHWHILE or rest or radius > _BLOCK or None in (height, width):
        return _convolve(squares, _band(channels, attributes)[None, None], bias)
    # The matrix is the same around each block of channels: zeros, but for the block and its two neighbours. So the
    # blocks become the places of a convolution of 1 x 3.
    band = _band(3 * _BLOCK, attributes)[:, _BLOCK : 2 * _BLOCK].reshape(1, 3, _BLOCK, _BLOCK)
    sums = _convolve(tf.reshape(squares, [-1, height * width, blocks, _BLOCK]), band, bias)
    return tf.reshape(sums, [-1, height, width, channels])


def _band(channels: int, attributes: Any) -> npt.NDArray[np.float32]:
    """Return the matrix, float32 [channels, channels], that sums neighbouring channels, times alpha."""
    distance = np.abs(np.arange(channels)[:, None] - np.arange(channels))
    return np.where(distance <= attributes["depth_radius"].i, np.float32(attributes["alpha"].f), np.float32(0))


def _convolve(squares: tf.Tensor, kernel: npt.NDArray[np.float32], bias: float) -> tf.Tensor:
    # As a convolution with a bias TensorFlow fuses it, and runs it in reduced precision where that is on.
    return tf.nn.bias_add(tf.nn.conv2d(squares, kernel, 1, "SAME"), np.full(kernel.shape[-1], bias, np.float32))
