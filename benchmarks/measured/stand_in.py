"""A stand-in for the featurizer, for when its speed is not what is measured: it makes up features, many in no time.

`python -m benchmarks.measured.stand_in HOST:PORT` serves it. An image is any bytes: what comes before the first blank
is its class, and the whole of it decides its features, which have the dimensions of GoogLeNet's. A head tells the
classes apart about as well as it does with photos, deeper taps better than shallow ones, and no tap perfectly.
"""

import asyncio
import hashlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import grpc
import numpy as np
import numpy.typing as npt

from lastlayer.local.services import free_port
from lastlayer.rpc.channel import FEATURIZER_SERVICE, MAX_MESSAGE_BYTES
from lastlayer.rpc.server.lifecycle import GrpcServer
from lastlayer.rpc.vectors import pack
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2

DIGEST: Final = "5" * 64
_TAPS: Final = {
    "mixed3b": (480, 4.0),
    "mixed4b": (512, 3.0),
    "mixed4d": (528, 2.0),
    "mixed4e": (832, 1.0),
    "avgpool0": (1024, 1.5),
    "softmax2_pre_activation": (1000, 2.0),
}
"""By tap: its dimension, and the standard deviation of what tells nothing of the class."""

_FACTORS: Final = 64
"""What an image shows, in numbers of which all features are mixtures."""

_SPREAD: Final = 0.35
"""How far the classes are apart, in standard deviations of what an image shows."""

_THUMBNAIL_BYTES: Final = 5000
"""About what the thumbnail of a photo has."""


class StandIn(featurizer_pb2_grpc.FeaturizerServicer):
    """Answers as a featurizer does, but for its maps."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self._mixtures = {
            tap: random.normal(size=(_FACTORS, dimension), scale=_FACTORS**-0.5).astype(np.float32)
            for tap, (dimension, _) in _TAPS.items()
        }

    async def GetBackbone(self, request: Any, context: Any) -> types_pb2.Backbone:  # noqa: ARG002, N802
        """Describe what is made up."""
        scores = list(_TAPS)[-1]
        return types_pb2.Backbone(
            name="stand-in",
            digest=DIGEST,
            taps=[
                types_pb2.Tap(
                    name=tap,
                    kind=types_pb2.TAP_KIND_CLASS_SCORES if tap == scores else types_pb2.TAP_KIND_SPATIAL_MEAN,
                    dimension=dimension,
                )
                for tap, (dimension, _) in _TAPS.items()
            ],
            max_images_per_request=256,
            max_message_bytes=MAX_MESSAGE_BYTES,
        )

    async def Featurize(  # noqa: N802
        self,
        request: featurizer_pb2.FeaturizeRequest,
        context: Any,  # noqa: ARG002
    ) -> featurizer_pb2.FeaturizeResponse:
        """Make up the features of some images."""
        return self._answer(request)

    async def FeaturizeStream(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:  # noqa: ARG002, N802
        """Make up the features of the images of each request."""
        async for request in request_iterator:
            yield featurizer_pb2.FeaturizeStreamResponse(
                request_id=request.request_id, response=self._answer(request.request)
            )

    async def GetFeatureMaps(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Refuse: there is no network that could have them."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "the stand-in has no maps")

    def _answer(self, request: featurizer_pb2.FeaturizeRequest) -> featurizer_pb2.FeaturizeResponse:
        randoms = [_random(image.content) for image in request.images]
        classes = [_random(image.content.partition(b" ")[0]) for image in request.images]
        vectors = self._vectors(_normal(randoms, _FACTORS) + _SPREAD * _normal(classes, _FACTORS), randoms)
        return featurizer_pb2.FeaturizeResponse(
            results=[
                featurizer_pb2.ImageFeatures(
                    id=image.id,
                    features=featurizer_pb2.FeatureVectors(
                        vectors=[
                            types_pb2.FeatureVector(tap=tap, values=pack(vectors[tap][row]))
                            for tap in request.taps or _TAPS
                        ]
                    ),
                    thumbnail=random.bytes(_THUMBNAIL_BYTES) if request.thumbnails else b"",
                )
                for row, (image, random) in enumerate(zip(request.images, randoms, strict=True))
            ],
            backbone_digest=DIGEST,
        )

    def _vectors(
        self, factors: npt.NDArray[np.float32], randoms: Sequence[np.random.Generator]
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Return the vectors of images at all taps, float32 [n, d]: none is negative, as behind a ReLU."""
        return {
            tap: np.maximum(0.5 + factors @ self._mixtures[tap] + noise * _normal(randoms, dimension), 0)
            for tap, (dimension, noise) in _TAPS.items()
        }


def _normal(randoms: Sequence[np.random.Generator], dimension: int) -> npt.NDArray[np.float32]:
    return np.stack([random.standard_normal(dimension, np.float32) for random in randoms])


def _random(content: bytes) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(content).digest()[:8]))


@contextmanager
def stand_in() -> Iterator[str]:
    """Run one as a process while the block lasts; yields its address once it serves."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.measured.stand_in", f"127.0.0.1:{free_port()}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def _serve(address: str) -> None:
    server = GrpcServer(address, services=[FEATURIZER_SERVICE], grace_s=0)
    server.register(featurizer_pb2_grpc.add_FeaturizerServicer_to_server, StandIn())
    await server.start()
    await server.set_serving(True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print(server.bound_address, flush=True)
    await stopped.wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
