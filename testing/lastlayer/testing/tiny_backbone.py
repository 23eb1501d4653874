"""A network that is tiny: 32 x 32 pixels, three taps, random weights. And the same as a frozen graph of TensorFlow."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import tensorflow as tf

TAPS: Final = {"conv": 8, "pool": 16, "scores": 5}
"""The taps and their dimensions, from the shallowest to the deepest; `conv` is a feature map, `scores` class scores."""

MEAN: Final = (110.0, 120.0, 130.0)
SCALE: Final = 1 / 64

_TOML: Final = """\
name = "tiny"
description = "A tiny network with random weights"
input = "input:0"

[preprocessing]
width = 32
height = 32
mean = {mean}
scale = {scale}

[[taps]]
name = "conv"
tensor = "conv:0"

[[taps]]
name = "pool"
tensor = "pool:0"

[[taps]]
name = "scores"
tensor = "scores:0"
class_scores = true

[[weights]]
file = "graph.pb"
"""


def write_tiny_backbone(folder: Path, *, seed: int = 0) -> Path:
    """Write `graph.pb`, a frozen graph of TensorFlow, and its declaration `tiny.toml` into the folder.

    Returns the path of the latter, which `LASTLAYER_BACKBONE` and `services(backbone=…)` take. Another `seed` gives
    other weights, and with them another digest. Needs TensorFlow.

    >>> write_tiny_backbone(Path("network"))
    PosixPath('network/tiny.toml')
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "graph.pb").write_bytes(tiny_graph(seed).SerializeToString())
    declaration = folder / "tiny.toml"
    declaration.write_text(tiny_declaration())
    return declaration


def tiny_declaration() -> str:
    """Return the TOML that declares the network as a backbone."""
    return _TOML.format(mean=list(MEAN), scale=SCALE)


def tiny_graph(seed: int = 0) -> "tf.compat.v1.GraphDef":
    """Return the graph: two convolutions, the mean over space, class scores."""
    import tensorflow as tf

    kernels = tiny_weights(seed)
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="input")
        first = tf.nn.conv2d(pixels, tf.constant(kernels["first"]), strides=2, padding="VALID")
        conv = tf.nn.relu(first, name="conv")
        second = tf.nn.relu(tf.nn.conv2d(conv, tf.constant(kernels["second"]), strides=2, padding="VALID"))
        pool = tf.reduce_mean(second, [1, 2], name="pool")
        tf.matmul(pool, tf.constant(kernels["scores"]), name="scores")
    return graph.as_graph_def()


def tiny_weights(seed: int = 0) -> "dict[str, npt.NDArray[np.float32]]":
    """Return the network's kernels, float32: `first` [3, 3, 3, 8], `second` [3, 3, 8, 16], `scores` [16, 5]."""
    import numpy as np

    random = np.random.default_rng(seed)
    shapes = {"first": (3, 3, 3, 8), "second": (3, 3, 8, 16), "scores": (16, 5)}
    return {
        name: (random.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)
        for name, shape in shapes.items()
    }
