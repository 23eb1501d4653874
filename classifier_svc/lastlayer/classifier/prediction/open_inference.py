"""The models of the store as the Open Inference Protocol asks for them; predictions are those of the `Predictor`."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.types import Predicted
from lastlayer.classifier.prediction.predictor import PredictionRequest, Predictions, Predictor
from lastlayer.classifier.store.models import ModelStore
from lastlayer.rpc.server.open_inference.models import IndexEntry, Inference, Inferred, Model, Tensor, take_all
from lastlayer.rpc.system.workers import Workers

_TOP_K: Final = "top_k"


class InferenceModels:
    """Answers for all models with all their versions (see `lastlayer.rpc.server.open_inference.models.Models`)."""

    outputs: Sequence[str] = ("label", "probability", "logits", "rejected")
    usual_outputs: Sequence[str] = ("label", "probability")
    parameters: Sequence[str] = (_TOP_K,)

    def __init__(self, models: ModelStore, predictor: Predictor, workers: Workers, *, max_images: int) -> None:
        """`workers` look models up; `max_images` are the most of a request."""
        self._models = models
        self._predictor = predictor
        self._workers = workers
        self.max_images = max_images
        self.featurizer_is_up = False
        """Whether the featurizer serves, without which nothing is predicted."""

    def find_obstacle(self) -> str:
        """Return why nothing can be predicted now, a sentence; empty where it can."""
        return "" if self.featurizer_is_up else "The featurizer is not available."

    async def describe(self, model: str, version: int) -> Model:
        """Return a model as a version has it, the default one where that is 0; raises ResourceNotFoundError."""
        return await self._workers.run(self._describe, model, version)

    def _describe(self, model: str, number: int) -> Model:
        version = self._models.get_version(model, number)
        return Model(
            name=model,
            versions=[known for _, known, _ in self._models.index(model)],
            outputs=[
                Tensor("label", "BYTES", (-1,)),
                Tensor("probability", "FP32", (-1,)),
                Tensor("logits", "FP32", (len(version.classes),)),
                Tensor("rejected", "BOOL", ()),
            ],
            backbone=version.backbone_name,
            backbone_digest=version.backbone_digest,
        )

    async def index(self, model: str) -> list[IndexEntry]:
        """Return the versions of a model, or of all where `model` is empty; raises ResourceNotFoundError."""
        return [IndexEntry(*row) for row in await self._workers.run(self._models.index, model)]

    async def infer(self, asked: Inference, *, deadline: float | None, patient: bool) -> Inferred:
        """Predict images: raises what `Predictor.answer` raises, and the error of the first image that failed."""
        request = PredictionRequest(asked.model, asked.version, asked.images, None)
        predictions = await self._predictor.answer(request, deadline=deadline, patient=patient)
        predicted = take_all(predictions.outcomes)
        outputs = _outputs(asked.outputs, predicted, predictions, asked.parameters.get(_TOP_K, 0))
        return Inferred(predictions.version.version, outputs)


def _outputs(
    asked: Sequence[str], predicted: Sequence[Predicted], predictions: Predictions, top_k: int
) -> dict[str, npt.NDArray[Any]]:
    """Return some outputs of some images, those of the best `top_k` classes, or of all where that is 0."""
    head = predictions.head
    probabilities = np.array([one.probabilities for one in predicted])
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, : top_k or None]
    outputs: dict[str, npt.NDArray[Any]] = {}
    for name in asked:
        if name == "label":
            outputs[name] = np.array([label.encode() for label in head.classes], np.object_)[order]
        elif name == "probability":
            outputs[name] = np.take_along_axis(probabilities, order, axis=1).astype(np.float32)
        elif name == "logits":
            outputs[name] = np.array([one.logits for one in predicted], np.float32)
        else:
            outputs[name] = np.array([_is_rejected(one, predictions) for one in predicted], np.bool_)
    return outputs


def _is_rejected(predicted: Predicted, predictions: Predictions) -> bool:
    unfamiliar = predictions.head.is_unfamiliar(predicted.distance)
    if predictions.head.multi_label:
        return unfamiliar
    return unfamiliar or bool(predicted.probabilities.max() < predictions.threshold)
