"""A frozen graph as the rivals run it: loaded with TensorFlow, fed with photos that Pillow decodes.

It does for them what `featurizer` does for our service, to the same pixels and the same taps, and uses nothing of ours:
the rivals' environments have TensorFlow and Pillow, but not our packages.
"""

import io
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image


class Network:
    """A frozen graph, and how photos become its input."""

    def __init__(self, description: Path) -> None:
        """`description` is a file that `benchmarks.measured.backbone_file` wrote."""
        described = json.loads(description.read_text())
        self._size: tuple[int, int] = (described["width"], described["height"])
        graph_def = tf.compat.v1.GraphDef.FromString((description.parent / described["graph"]).read_bytes())
        graph = tf.Graph()
        with graph.as_default():
            images = tf.compat.v1.placeholder(tf.uint8, [None, *reversed(self._size), 3])
            pixels = (tf.cast(images, tf.float32) - tf.constant(described["mean"], tf.float32)) * described["scale"]
            taps = tf.import_graph_def(graph_def, {described["input"]: pixels}, described["taps"], name="")
            means = [tf.reduce_mean(tap, [1, 2]) if tap.shape.rank == 4 else tap for tap in taps]
            vectors = tf.concat(means, axis=1)
        processors = len(os.sched_getaffinity(0))
        options = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=processors, inter_op_parallelism_threads=2)
        # 1.03 to 1.08 times as fast as a function of TensorFlow 2, in batches of 1, 8 and 16.
        self._run = tf.compat.v1.Session(graph=graph, config=options).make_callable(vectors, [images])

    def decode(self, content: bytes) -> npt.NDArray[np.uint8]:
        """Return the centre of a JPEG, uint8 [height, width, 3], RGB, scaled to just cover width x height."""
        return self.pixels(Image.open(io.BytesIO(content)))

    def pixels(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """Return the same of a JPEG that is opened, but not decoded."""
        image.draft("RGB", (2 * max(self._size), 2 * max(self._size)))
        scale = max(own / given for own, given in zip(self._size, image.size, strict=True))
        scaled = [round(given * scale) for given in image.size]
        offset = [(whole - own) // 2 for whole, own in zip(scaled, self._size, strict=True)]
        across, down = image.width / scaled[0], image.height / scaled[1]
        box = (
            offset[0] * across,
            offset[1] * down,
            (offset[0] + self._size[0]) * across,
            (offset[1] + self._size[1]) * down,
        )
        return np.asarray(image.convert("RGB").resize(self._size, Image.Resampling.BILINEAR, box))

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return float32 [n, d] of uint8 [n, height, width, 3]: of each image its vectors at all taps in a row."""
        vectors: npt.NDArray[np.float32] = self._run(pixels)
        return vectors
