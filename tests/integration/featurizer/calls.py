"""A featurizer that tests call: how it is started, what is sent, and how answers are read."""

import io
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.service.server import running
from lastlayer.rpc.channel import channel_options
from lastlayer.rpc.status import ErrorDetails, read_error
from lastlayer.rpc.vectors import unpack
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2

Stub = Any  # the generated type is of a synchronous stub


def settings(folder: Path, backbone: Path | str, **changes: object) -> FeaturizerSettings:
    values: dict[str, object] = {
        "home": folder / "home",
        "backbone": str(backbone),
        "address": "127.0.0.1:0",
        "grace_seconds": 5,
        "max_queued_images": 64,
        "max_images_per_request": 32,
        "max_image_megapixels": 1,
    }
    return FeaturizerSettings.model_validate(values | changes)


@asynccontextmanager
async def calling(chosen: FeaturizerSettings) -> AsyncIterator[Stub]:
    async with (
        running(chosen) as address,
        grpc.aio.insecure_channel(address, options=channel_options()) as channel,
    ):
        yield featurizer_pb2_grpc.FeaturizerStub(channel)


def photo(seed: int, kind: str = "PNG", size: tuple[int, int] = (60, 45)) -> bytes:
    file = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(values).save(file, kind)
    return file.getvalue()


def request(contents: Iterable[bytes], taps: Iterable[str] = (), digest: str = "") -> featurizer_pb2.FeaturizeRequest:
    images = [types_pb2.Image(id=f"image {index}", content=content) for index, content in enumerate(contents)]
    return featurizer_pb2.FeaturizeRequest(images=images, taps=taps, backbone_digest=digest)


def vectors(result: featurizer_pb2.ImageFeatures) -> dict[str, np.ndarray]:
    assert result.WhichOneof("outcome") == "features", result
    return {vector.tap: unpack(vector.values) for vector in result.features.vectors}


async def failure(call: grpc.aio.UnaryUnaryCall) -> ErrorDetails:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return read_error(caught.value)
