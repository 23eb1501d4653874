"""The classifier's models as the Open Inference Protocol asks for them, by the Python client."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from lastlayer.client.api import Client
from lastlayer.client.results.predictions import Prediction
from lastlayer.rpc.errors import LastlayerError, RelayedError
from lastlayer.rpc.server.open_inference.models import IndexEntry, Inference, Inferred, Model, Tensor, take_all
from lastlayer.studio.routes.needs import MAX_IMAGES
from lastlayer.studio.routes.prediction import turn

_TOP_K: Final = "top_k"


class InferenceModels:
    """Answers one request, with what it offers (see `lastlayer.rpc.server.open_inference.models.Offer`).

    Logits are no part of what the client answers with, and so only gRPC has them.
    """

    max_images = MAX_IMAGES
    outputs: Sequence[str] = ("label", "probability", "rejected")
    usual_outputs: Sequence[str] = ("label", "probability")
    parameters: Sequence[str] = (_TOP_K,)

    def __init__(self, request: Request, client: Client) -> None:
        self._request = request
        self._client = client

    def find_obstacle(self) -> str:
        """Return why nothing can be predicted now, a sentence; empty where it can."""
        services = self._client.health()
        down = [name for name, state in services.items() if state != "SERVING"]
        return f"The {down[-1]} is not available." if down else ""

    async def describe(self, model: str, version: int) -> Model:
        """Return a model as a version has it, the default one where that is 0; raises `ClientError`."""
        return await run_in_threadpool(self._describe, model, version)

    def _describe(self, model: str, number: int) -> Model:
        known = self._client.get_version(model, number)
        return Model(
            name=model,
            versions=sorted(version.version for version in self._client.list_versions(model)),
            outputs=[
                Tensor("label", "BYTES", (-1,)),
                Tensor("probability", "FP32", (-1,)),
                Tensor("rejected", "BOOL", ()),
            ],
            backbone=known.backbone,
            backbone_digest=known.backbone_digest,
        )

    async def index(self, model: str) -> Sequence[IndexEntry]:
        """Return the versions of a model, or of all where `model` is empty; raises `ClientError`."""
        return await run_in_threadpool(self._index, model)

    def _index(self, name: str) -> list[IndexEntry]:
        models = [self._client.get_model(name)] if name else list(self._client.list_models())
        return [
            IndexEntry(model.name, version, version == model.default_version)
            for model in models
            for version in sorted(known.version for known in self._client.list_versions(model.name))
        ]

    async def infer(self, asked: Inference) -> Inferred:
        """Predict images: raises `ClientError`, and the error of the first image that failed."""
        async with turn(self._request, "predict", asked.images):
            found = await run_in_threadpool(
                self._client.predict,
                asked.images,
                model=asked.model,
                version=asked.version,
                top_k=asked.parameters.get(_TOP_K, 0),
            )
        predicted = take_all([_outcome(entry) for entry in found])
        outputs = {
            "label": np.array([[score.label.encode() for score in entry.scores] for entry in predicted], np.object_),
            "probability": np.array([[score.score for score in entry.scores] for entry in predicted], np.float32),
            "rejected": np.array([entry.rejected for entry in predicted], np.bool_),
        }
        return Inferred(predicted[0].version, {name: outputs[name] for name in asked.outputs})


def _outcome(entry: Prediction) -> Prediction | LastlayerError:
    error = entry.error
    return entry if error is None else RelayedError(error.reason, error.message, error.metadata)
