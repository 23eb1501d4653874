"""Predictions and explanations, read from messages."""

import math
from typing import TYPE_CHECKING

from lastlayer.client.errors import ServerError
from lastlayer.client.results.predictions import LabelScore, Prediction
from lastlayer.client.transport.messages.reading import image_error, read
from lastlayer.v1 import classifier_pb2

if TYPE_CHECKING:
    from lastlayer.client.results.images import Explanation


def read_prediction(name: str, result: classifier_pb2.ImagePrediction, model: str, version: int) -> Prediction:
    """Return the prediction for the image called `name`, or why there is none."""
    if result.HasField("error"):
        return Prediction(name, (), model, version, image_error(result.error))
    scores = tuple(read(LabelScore, score) for score in result.prediction.scores)
    if not scores:
        raise ServerError("The server sent a prediction without a class.", code="UNKNOWN")
    return read(Prediction, result.prediction, image=name, scores=scores, model=model, version=version, error=None)


def read_explanation(name: str, message: classifier_pb2.Explanation) -> "Explanation":
    """Return where in the image called `name` the score of a class comes from.

    Raises `ServerError` where that cannot be drawn: a region outside of the image, or numbers that are none.
    """
    from lastlayer.client.results.images import Explanation

    region = message.region
    if not (0 <= region.left < region.right <= 1 and 0 <= region.top < region.bottom <= 1):
        raise ServerError("The server sent a region that is not within the image.", code="UNKNOWN")
    if not message.contributions or not all(map(math.isfinite, message.contributions)):
        raise ServerError("The server sent contributions to a score that are no numbers.", code="UNKNOWN")
    answer = classifier_pb2.ImagePrediction(prediction=message.prediction)
    prediction = read_prediction(name, answer, message.model, message.version)
    return read(Explanation, message, prediction=prediction)
