"""A custom runtime of MLServer: JPEGs in, vectors out. MLServer's adaptive batching is in front of it.

Photos come as a tensor of BYTES. Vectors leave as one too, packed float32: as FP32, every number would become an object
of Python on its way, which costs about 5 % of the images per second.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from benchmarks.rivals.network import Network


class Runtime(MLModel):
    """The frozen graph that the model's `uri` describes."""

    async def load(self) -> bool:
        """Load the graph."""
        self._network = Network(Path(self.settings.parameters.uri))
        self._decoders = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Return the vectors of a batch of photos."""
        loop = asyncio.get_running_loop()
        photos = payload.inputs[0].data.root
        decoding = [loop.run_in_executor(self._decoders, self._network.decode, photo) for photo in photos]
        pixels = np.stack(await asyncio.gather(*decoding))
        # Not in a thread: MLServer cuts batches while others run, and would cut small ones all the time. What arrives
        # while the graph has the loop becomes one batch.
        vectors = self._network.run(pixels)
        packed = [vector.tobytes() for vector in vectors]
        output = ResponseOutput(name="vectors", datatype="BYTES", shape=[len(packed), 1], data=packed)
        return InferenceResponse(model_name=self.name, outputs=[output])
