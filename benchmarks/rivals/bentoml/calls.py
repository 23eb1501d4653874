"""Callers of BentoML over HTTP: `python -m benchmarks.rivals.bentoml.calls ADDRESS PHOTOS`, in its environment."""

import asyncio
import base64
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import aiohttp
import numpy as np

from benchmarks.load.closed_loop import answer_commands, until
from benchmarks.load.photos import read_photos


async def _main(address: str, photos: Sequence[bytes]) -> None:
    async with aiohttp.ClientSession(f"http://{address}") as session:

        async def ready() -> bool:
            try:
                async with session.get("/readyz") as answer:
                    return bool(answer.status == 200)
            except aiohttp.ClientError:
                return False

        async def featurize(photo: bytes) -> bytes:
            form = aiohttp.FormData()
            form.add_field("photos", photo, filename="photo.jpg", content_type="image/jpeg")
            async with session.post("/featurize", data=form) as answer:
                answer.raise_for_status()
                [packed] = json.loads(await answer.read())
            return base64.b64decode(packed)

        async def vectors(photo: bytes) -> list[float]:
            return [float(value) for value in np.frombuffer(await featurize(photo), np.float32)]

        await until(ready)
        await answer_commands(featurize, vectors, photos, versions=[version("bentoml"), version("tensorflow")])


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], read_photos(Path(sys.argv[2]))))
