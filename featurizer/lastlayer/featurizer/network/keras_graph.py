"""Turns a network of keras.applications into a frozen graph, so that it runs like every other."""

import gc
import re
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from lastlayer.featurizer.backbones.spec import BackboneSpec
from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network.frozen_graph import Frozen


def freeze(spec: BackboneSpec, weights: Path, group: str) -> Frozen:
    """Return the network's graph.

    `weights` is an HDF5 file as keras.applications publishes them, without the top layer, or where `group` is given a
    `.weights.h5` file of Keras 3 that has the network's weights in that group.
    """
    size = spec.preprocessing
    application = getattr(keras.applications, spec.application, None)
    if application is None:
        raise BackboneError(f"The backbone `{spec.name}`: keras.applications has no `{spec.application}`.")
    # Layers without a name of their own are numbered by what was built before.
    keras.utils.clear_session()
    model = application(weights=None, include_top=False, input_shape=(size.height, size.width, 3))
    try:
        if group:
            _load_group(model, weights, group)
        else:
            model.load_weights(weights)
    except (OSError, ValueError) as error:
        raise BackboneError(f"`{weights}` does not hold the weights of {spec.application}: {error}") from error
    layers = {layer.name: layer for layer in model.layers}
    for tap in spec.taps:
        if tap.tensor not in layers:
            raise BackboneError(f"{spec.application} has no layer `{tap.tensor}` for the tap `{tap.name}`.")
    tapped = keras.Model(model.input, [layers[tap.tensor].output for tap in spec.taps])

    def forward(images: tf.Tensor) -> Any:
        outputs = tapped(images, training=False)
        return outputs if isinstance(outputs, list | tuple) else [outputs]

    signature = tf.TensorSpec([None, size.height, size.width, 3], tf.float32)
    frozen = convert_variables_to_constants_v2(tf.function(forward).get_concrete_function(signature))
    tensors = {tap.name: output.name for tap, output in zip(spec.taps, frozen.outputs, strict=True)}
    return Frozen(frozen.graph.as_graph_def(), frozen.inputs[0].name, tensors)


def forget() -> None:
    """Free the memory of networks that were frozen: Keras holds them, and they hold each other, in circles."""
    keras.utils.clear_session()
    gc.collect()


def _load_group(model: Any, weights: Path, group: str) -> None:
    """Set the model's weights from `<group>/layers/<kind>_<n>/vars/<i>`: each layer is named by its class, numbered
    within it, as Keras 3 stores a model. Raises ValueError where anything is missing, left or misshapen.
    """
    with h5py.File(weights, "r") as file:
        stored = file.get(f"{group}/layers")
        if stored is None:
            raise ValueError(f"it has no group `{group}/layers`.")
        seen: Counter[str] = Counter()
        for layer in model.layers:
            kind = _snake_case(type(layer).__name__)
            name = f"{kind}_{seen[kind]}" if seen[kind] else kind
            seen[kind] += 1
            variables = stored.get(f"{name}/vars", {})
            if set(variables) != {str(index) for index in range(len(layer.weights))}:
                raise ValueError(f"`{name}` has {len(variables)} variables instead of {len(layer.weights)}.")
            layer.set_weights([np.asarray(variables[str(index)]) for index in range(len(variables))])
        left = set(stored) - {f"{kind}_{n}" if n else kind for kind, count in seen.items() for n in range(count)}
        if left:
            raise ValueError(f"it has further layers, such as `{min(left)}`.")


def _snake_case(name: str) -> str:
    words = re.sub(r"\W+", "", name)
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", words)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
