"""Between messages and plain data; knows neither the store nor the network."""

import base64
import datetime
import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
from google.protobuf import timestamp_pb2

from lastlayer.classifier.domain.types import Dataset, Model
from lastlayer.classifier.features.ingest import Offered, Outcome, sha256
from lastlayer.classifier.service.validation import check_id, check_label, check_name
from lastlayer.classifier.training.recipes import Recipe
from lastlayer.classifier.training.trainer import ClassWeight
from lastlayer.rpc.errors import ImageEmptyError, InvalidFieldError, LastlayerError
from lastlayer.rpc.status import to_status
from lastlayer.v1 import classifier_pb2, types_pb2

Message = TypeVar(
    "Message",
    classifier_pb2.Dataset,
    classifier_pb2.Model,
    classifier_pb2.ModelVersion,
    classifier_pb2.ReviewedExample,
    classifier_pb2.StoredExample,
)

_MAX_PAGE_BYTES: Final = 8 * 1024 * 1024
"""Where a page ends early: the metrics of a version with a thousand classes have megabytes."""

_RECIPES = {
    classifier_pb2.RECIPE_UNSPECIFIED: Recipe.AUTO,
    classifier_pb2.RECIPE_AUTO: Recipe.AUTO,
    classifier_pb2.RECIPE_TUTORIAL: Recipe.TUTORIAL,
}
RECIPE_NUMBERS = {Recipe.AUTO: classifier_pb2.RECIPE_AUTO, Recipe.TUTORIAL: classifier_pb2.RECIPE_TUTORIAL}
_CLASS_WEIGHTS = {
    classifier_pb2.CLASS_WEIGHT_UNSPECIFIED: ClassWeight.NONE,
    classifier_pb2.CLASS_WEIGHT_NONE: ClassWeight.NONE,
    classifier_pb2.CLASS_WEIGHT_BALANCED: ClassWeight.BALANCED,
}
CLASS_WEIGHT_NUMBERS = {
    ClassWeight.NONE: classifier_pb2.CLASS_WEIGHT_NONE,
    ClassWeight.BALANCED: classifier_pb2.CLASS_WEIGHT_BALANCED,
}


def recipe(number: "classifier_pb2.Recipe") -> Recipe:
    """Return a recipe; raises InvalidFieldError for a number that this version does not know."""
    if number not in _RECIPES:
        raise InvalidFieldError("recipe", f"There is no recipe {number}; RECIPE_AUTO and RECIPE_TUTORIAL are accepted.")
    return _RECIPES[number]


def class_weight(number: "classifier_pb2.ClassWeight") -> ClassWeight:
    """Return how much examples count; raises InvalidFieldError for a number that this version does not know."""
    if number not in _CLASS_WEIGHTS:
        raise InvalidFieldError(
            "class_weight",
            f"There is no class weight {number}; CLASS_WEIGHT_NONE and CLASS_WEIGHT_BALANCED are accepted.",
        )
    return _CLASS_WEIGHTS[number]


def min_precision(requested: float) -> float:
    """Return the precision that is asked for, 0 for none; raises InvalidFieldError."""
    if not 0 <= requested < 1:
        raise InvalidFieldError(
            "min_precision", f"The precision is {requested:g}; from 0 (reject nothing) to below 1 is accepted."
        )
    return requested


def threshold(request: classifier_pb2.PredictRequest, default: float) -> float:
    """Return below which probability predictions are rejected, `default` where the request has none; raises
    InvalidFieldError.
    """
    if not request.HasField("threshold"):
        return default
    if not 0 <= request.threshold <= 1:
        raise InvalidFieldError(
            "threshold", f"The threshold is {request.threshold:g}; from 0 (reject nothing) to 1 is accepted."
        )
    return request.threshold


def page_size(requested: int) -> int:
    """Return how many items a page has; raises InvalidFieldError."""
    if not 0 <= requested <= 1000:
        raise InvalidFieldError("page_size", f"The page size is {requested}; 0 (for 100) to 1000 are accepted.")
    return requested or 100


def page_token(last: str) -> str:
    """Return the token of the page that comes after the item named `last`."""
    return base64.urlsafe_b64encode(last.encode()).decode()


def read_page_token(token: str) -> str:
    """Return the name in a page token, empty for the first page; raises InvalidFieldError."""
    try:
        name = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
        return check_name("page_token", name) if name else ""
    except (ValueError, InvalidFieldError) as error:
        raise InvalidFieldError("page_token", "The page token is not one that this service has given.") from error


def read_version_token(token: str) -> int:
    """Return the version number in a page token, 0 for the first page; raises InvalidFieldError."""
    text = read_page_token(token)
    if not re.fullmatch(r"(?:[1-9][0-9]{0,8})?", text):
        raise InvalidFieldError("page_token", "The page token is not one that this service has given.")
    return int(text or "0")


def fitting(messages: Iterable[Message]) -> list[Message]:
    """Return the first of some messages, at least one where there are any: as many as fit into one answer."""
    fit: list[Message] = []
    size = 0
    for message in messages:
        size += message.ByteSize()
        if fit and size > _MAX_PAGE_BYTES:
            break
        fit.append(message)
    return fit


def offered(index: int, example: classifier_pb2.Example, *, content_needed: bool = False) -> Offered:
    """Return an example as it is offered; what is wrong with it is in its `error`.

    A checksum alone will do, unless `content_needed` is set. Reads the image whole, which takes a moment.
    """
    field = f"examples[{index}]"
    kind = example.WhichOneof("source")
    checksum = sha256(example.content) if example.content else example.content_sha256
    try:
        name = check_id(f"{field}.id", example.id)
        label = check_label(f"{field}.label", example.label)
        if kind == "content" and not example.content:
            raise ImageEmptyError("The image has no bytes.")
        if kind is None or (kind == "content_sha256" and content_needed):
            accepted = "`content`" if content_needed else "`content` or `content_sha256`"
            raise InvalidFieldError(field, f"The example has no {accepted}.")
        if len(checksum) != 32:
            raise InvalidFieldError(f"{field}.content_sha256", f"A sha256 has 32 bytes, not {len(checksum)}.")
    except LastlayerError as error:
        return Offered("", "", b"", checksum if len(checksum) == 32 else b"", error)
    return Offered(name, label, example.content, checksum)


def example_outcome(example: classifier_pb2.Example, offer: Offered, outcome: Outcome) -> classifier_pb2.ExampleOutcome:
    """Return what became of an example."""
    message = classifier_pb2.ExampleOutcome(id=example.id, content_sha256=offer.content_sha256)
    if outcome.error is not None:
        message.error.CopyFrom(to_status(outcome.error))
        return message
    message.label = offer.label
    message.label_trimmed = offer.label != example.label
    if outcome.content_needed:
        message.content_needed.SetInParent()
    elif len(outcome.labels) > 1:
        message.conflict.labels.extend(outcome.labels)
    elif outcome.is_new:
        message.added.SetInParent()
    else:
        message.present.SetInParent()
    return message


def example_evaluation(
    example: classifier_pb2.Example, outcome: npt.NDArray[np.float64] | LastlayerError, classes: Sequence[str]
) -> classifier_pb2.ExampleEvaluation:
    """Return what a model makes of an example, from the probabilities of its classes, float64 [c].

    `label_known` is left to the caller.
    """
    label = example.label.strip()
    message = classifier_pb2.ExampleEvaluation(id=example.id, label=label, label_trimmed=label != example.label)
    if isinstance(outcome, LastlayerError):
        message.error.CopyFrom(to_status(outcome))
    else:
        best = int(outcome.argmax())
        message.predicted.CopyFrom(types_pb2.LabelScore(label=classes[best], score=outcome[best]))
    return message


def prediction(
    image_id: str,
    outcome: npt.NDArray[np.float64] | LastlayerError,
    classes: Sequence[str],
    top_k: int,
    threshold: float,
) -> classifier_pb2.ImagePrediction:
    """Return the classes of an image, best first, from their probabilities, float64 [c]; rejected where the best one is
    less probable than `threshold`.
    """
    if isinstance(outcome, LastlayerError):
        return classifier_pb2.ImagePrediction(id=image_id, error=to_status(outcome))
    best = np.argsort(-outcome, kind="stable")[: top_k or None]
    scores = [types_pb2.LabelScore(label=classes[index], score=outcome[index]) for index in best]
    rejected = bool(outcome[best[0]] < threshold)
    prediction = classifier_pb2.Prediction(scores=scores, rejected=rejected)
    return classifier_pb2.ImagePrediction(id=image_id, prediction=prediction)


def timestamp(moment: datetime.datetime) -> timestamp_pb2.Timestamp:
    """Return a moment in UTC."""
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message


def dataset(record: Dataset) -> classifier_pb2.Dataset:
    """Return a dataset."""
    return classifier_pb2.Dataset(
        name=record.name,
        example_count=sum(record.class_counts.values()),
        classes=[
            classifier_pb2.ClassCount(label=label, example_count=count) for label, count in record.class_counts.items()
        ],
        backbone=record.backbone.name if record.backbone else "",
        backbone_digest=record.backbone.digest if record.backbone else "",
        create_time=timestamp(record.create_time),
        update_time=timestamp(record.update_time),
        conflict_count=record.conflict_count,
        stale_count=record.stale_count,
    )


def model(record: Model) -> classifier_pb2.Model:
    """Return a model."""
    return classifier_pb2.Model(
        name=record.name,
        default_version=record.default_version,
        version_count=record.version_count,
        create_time=timestamp(record.create_time),
        update_time=timestamp(record.update_time),
        classes=record.classes,
    )
