"""A service of BentoML: JPEGs in, vectors out. BentoML's adaptive batching is in front of it."""

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bentoml
import numpy as np
from PIL import Image


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Featurizer:
    """The frozen graph that the variable BACKBONE describes."""

    def __init__(self) -> None:
        # Here, so that the process that only starts this one needs no TensorFlow.
        from benchmarks.rivals.network import Network

        self._network = Network(Path(os.environ["BACKBONE"]))
        self._decoders = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    @bentoml.api(batchable=True, max_batch_size=16, max_latency_ms=1000)
    def featurize(self, photos: list[Image.Image]) -> list[str]:
        """Return the vectors of a batch of photos: float32, packed, in base64.

        As an array they would be written as decimal numbers.
        """
        vectors = self._network.run(np.stack(list(self._decoders.map(self._network.pixels, photos))))
        return [base64.b64encode(vector.tobytes()).decode() for vector in vectors]
