"""Callers of MLServer over gRPC: `python -m benchmarks.rivals.mlserver.calls ADDRESS PHOTOS`, in its environment."""

import asyncio
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import grpc
import numpy as np
from mlserver.grpc.dataplane_pb2 import ModelInferRequest, ModelReadyRequest
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub

from benchmarks.load.closed_loop import answer_commands, until
from benchmarks.load.photos import read_photos

MODEL = "network"


async def _main(address: str, photos: Sequence[bytes]) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = GRPCInferenceServiceStub(channel)

        async def ready() -> bool:
            try:
                return bool((await stub.ModelReady(ModelReadyRequest(name=MODEL))).ready)
            except grpc.aio.AioRpcError:
                return False

        async def featurize(photo: bytes) -> bytes:
            tensor = ModelInferRequest.InferInputTensor(name="photos", datatype="BYTES", shape=[1, 1])
            tensor.contents.bytes_contents.append(photo)
            answer = await stub.ModelInfer(ModelInferRequest(model_name=MODEL, inputs=[tensor]))
            packed: bytes = answer.outputs[0].contents.bytes_contents[0]
            return packed

        async def vectors(photo: bytes) -> list[float]:
            return [float(value) for value in np.frombuffer(await featurize(photo), np.float32)]

        await until(ready)
        await answer_commands(featurize, vectors, photos, versions=[version("mlserver"), version("tensorflow")])


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], read_photos(Path(sys.argv[2]))))
