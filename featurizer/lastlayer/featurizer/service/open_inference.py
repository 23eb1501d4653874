"""The backbone as the Open Inference Protocol asks for it; features are those of the `Pipeline`."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from lastlayer.featurizer.pipeline.pipeline import Pipeline
from lastlayer.rpc.errors import ResourceNotFoundError
from lastlayer.rpc.server.open_inference.models import IndexEntry, Inference, Inferred, Model, Tensor, take_all
from lastlayer.v1 import types_pb2

_VERSION: Final = 1
"""There is one; which network it is, its digest says."""


class InferenceModels:
    """Answers for the backbone that is served (see `lastlayer.rpc.server.open_inference.models.Models`)."""

    parameters: Sequence[str] = ()

    def __init__(self, backbone: types_pb2.Backbone, pipeline: Pipeline) -> None:
        self._backbone = backbone
        self._pipeline = pipeline
        self.max_images: int = backbone.max_images_per_request
        self.outputs: Sequence[str] = [tap.name for tap in backbone.taps]
        self.usual_outputs: Sequence[str] = self.outputs

    def find_obstacle(self) -> str:
        """Return that nothing is in the way."""
        return ""

    async def describe(self, model: str, version: int) -> Model:
        """Return the backbone; raises ResourceNotFoundError for any other."""
        self._check(model, version)
        return Model(
            name=model,
            versions=[_VERSION],
            outputs=[Tensor(tap.name, "FP32", (tap.dimension,)) for tap in self._backbone.taps],
            backbone=model,
            backbone_digest=self._backbone.digest,
        )

    async def index(self, model: str) -> list[IndexEntry]:
        """Return the one version; raises ResourceNotFoundError for any other backbone."""
        if model:
            self._check(model, 0)
        return [IndexEntry(self._backbone.name, _VERSION, is_default=True)]

    async def infer(self, asked: Inference, *, deadline: float | None, patient: bool) -> Inferred:
        """Compute features: raises what `Pipeline.featurize` raises, and the error of the first image that failed."""
        self._check(asked.model, asked.version)
        outcomes = await self._pipeline.featurize(asked.images, asked.outputs, deadline=deadline, wait=patient)
        found = take_all(outcomes)
        return Inferred(
            _VERSION,
            {tap: np.stack([image.vectors[tap] for image in found]) for tap in asked.outputs},
            {"backbone_digest": self._backbone.digest, "precision": self._backbone.precision},
        )

    def _check(self, model: str, version: int) -> None:
        name = self._backbone.name
        if model != name:
            raise ResourceNotFoundError("model", model, f"This featurizer serves `{name}`.")
        if version not in (0, _VERSION):
            raise ResourceNotFoundError("version", f"{model}:{version}", f"There is {_VERSION}.")
