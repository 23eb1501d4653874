"""The whole model as one frozen graph: pixels in, probabilities out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tensorflow as tf

from lastlayer.featurizer.backbones.spec import Preprocessing
from lastlayer.featurizer.errors import ConversionError
from lastlayer.featurizer.network.conversion.head import Head
from lastlayer.featurizer.network.loading import LocalBackbone

IMAGES: Final = "images"
"""The input: uint8 [n, height, width, 3], RGB: the head's view of each image, as the service makes it."""
PROBABILITIES: Final = "probabilities"
"""The output: float32 [n, c]."""

_LEAST_SQUARE: Final = 1e-30
"""What the squared length of a vector is at least, before vectors are divided by their lengths: zeros stay zeros."""


@dataclass(frozen=True)
class WholeModel:
    """A network with a head on it."""

    head: Head
    size: Preprocessing
    graph_def: tf.compat.v1.GraphDef
    """Frozen, from the placeholder IMAGES to PROBABILITIES."""

    def told(self) -> dict[str, str]:
        """Return what its file tells of it, by key."""
        return self.head.told(width=self.size.width, height=self.size.height)

    def function(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return the model as a function of TensorFlow: IMAGES in, PROBABILITIES out."""

        def call(images: tf.Tensor) -> Any:
            [found] = tf.import_graph_def(self.graph_def, {f"{IMAGES}:0": images}, [f"{PROBABILITIES}:0"], name="")
            return found

        signature = tf.TensorSpec([None, self.size.height, self.size.width, 3], tf.uint8, name=IMAGES)
        function: Callable[[tf.Tensor], tf.Tensor] = tf.compat.v1.wrap_function(call, [signature])
        return function


def join(backbone: LocalBackbone, head: Head) -> WholeModel:
    """Return the network that ends at the head's taps, with the head on it.

    Raises BackboneError, and ConversionError where the head does not fit the network or takes other views than a file
    sees.
    """
    head.check_views()
    if missing := [tap for tap in head.taps if tap not in {known.name for known in backbone.spec.taps}]:
        raise ConversionError(f"The network {backbone.spec.name} has no tap `{missing[0]}`, which the head takes.")
    network, images, outputs = backbone.tapped(head.taps)
    size = backbone.spec.preprocessing
    with tf.Graph().as_default() as graph:
        given = tf.compat.v1.placeholder(tf.uint8, [None, size.height, size.width, 3], name=IMAGES)
        names = [output.name for output in outputs]
        # All views run as one batch, as the weights would else be in the file twice.
        seen = [tf.reverse(given, [2]) if view.is_flipped else given for view in head.views]
        definition = network.as_graph_def()
        batch = tf.concat(seen, 0) if len(seen) > 1 else seen[0]
        vectors = tf.import_graph_def(definition, {images.name: batch}, names, name="network")
        if len(seen) > 1:
            vectors = [tf.reduce_mean(tf.reshape(tap, [len(seen), -1, tap.shape[1]]), 0) for tap in vectors]
        features = tf.concat([_prepare(tap, head) for tap in vectors], 1)
        if features.shape[1] not in (None, len(head.weights)):
            raise ConversionError(
                f"The network {backbone.spec.name} yields {features.shape[1]} numbers at the taps of the head, which "
                f"takes {len(head.weights)}."
            )
        logits = tf.matmul(features, tf.constant(head.weights)) + tf.constant(head.biases)
        tf.nn.softmax(logits, name=PROBABILITIES)
    return WholeModel(head, size, graph.as_graph_def())


def _prepare(vectors: tf.Tensor, head: Head) -> tf.Tensor:
    """Return a tap's vectors, float32 [n, d], as the weights take them."""
    if head.square_root:
        vectors = tf.sqrt(tf.nn.relu(vectors))
    if head.unit_length:
        squares = tf.reduce_sum(tf.square(vectors), 1, keepdims=True)
        vectors = vectors * tf.math.rsqrt(tf.maximum(squares, np.float32(_LEAST_SQUARE)))
    return vectors
