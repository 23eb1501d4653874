"""The network that docs/how-to/operate/own-network.md declares: its TOML, and a tiny graph that fits it."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.lazy import LazyModule
from tests.markdown import blocks

tf = LazyModule("tensorflow")


def write_network(folder: Path) -> Path:
    """Write the page's `mine.toml` and a `mine.pb` with random weights; return the path of the former."""
    [declared] = [block for block in blocks("docs/how-to/operate/own-network.md") if block.file == "mine.toml"]
    folder.mkdir(parents=True)
    (folder / "mine.pb").write_bytes(_graph().SerializeToString())
    (folder / declared.file).write_text(declared.text)
    return folder / declared.file


def _graph() -> Any:
    random = np.random.default_rng(0)
    graph = tf.Graph()
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="input")
        kernel = tf.constant(random.standard_normal((8, 8, 3, 16)).astype(np.float32) / 14)
        # VALID, as TensorFlow Lite is wrong about SAME where strides are larger than the kernel.
        tf.nn.relu(tf.nn.conv2d(pixels, kernel, strides=32, padding="VALID"), name="global_pool")
    return graph.as_graph_def()
