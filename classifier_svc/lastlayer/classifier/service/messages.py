"""Writes answers: messages from plain data. Those about versions are in `version_messages`."""

import datetime
from collections.abc import Awaitable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from google.protobuf import timestamp_pb2

from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import Dataset, Model, PoolSource, Predicted, StoredExample
from lastlayer.classifier.evaluation.evaluation import Evaluated
from lastlayer.classifier.evaluation.review import Reviewed, ReviewedExample
from lastlayer.classifier.features.ingest import Offered, Outcome
from lastlayer.classifier.prediction.head_export import ExportedHead
from lastlayer.classifier.prediction.predictor import Explanation, Predictions
from lastlayer.classifier.service.pagination import take_fitting
from lastlayer.rpc.channel import MAX_MESSAGE_BYTES
from lastlayer.rpc.errors import InvalidFieldError, LastlayerError
from lastlayer.rpc.status import to_status
from lastlayer.rpc.vectors import pack
from lastlayer.v1 import classifier_pb2, types_pb2

_MAX_RESPONSE_BYTES: Final = MAX_MESSAGE_BYTES - 64 * 1024

_POOL_SOURCES: Final = {
    None: classifier_pb2.POOL_SOURCE_UNSPECIFIED,
    PoolSource.ADDED: classifier_pb2.POOL_SOURCE_ADDED,
    PoolSource.CAPTURED: classifier_pb2.POOL_SOURCE_CAPTURED,
}


def to_outcome(example: classifier_pb2.Example, offer: Offered, outcome: Outcome) -> classifier_pb2.ExampleOutcome:
    """Return what became of an example that was offered to a dataset."""
    message = classifier_pb2.ExampleOutcome(id=example.id, content_sha256=offer.content_sha256)
    if outcome.error is not None:
        message.error.CopyFrom(to_status(outcome.error))
        return message
    message.label = offer.label or ("" if outcome.multi_label else next(iter(outcome.labels), ""))
    message.label_trimmed = any(label.strip() != label for label in (example.label, *example.labels))
    message.labels.extend(outcome.labels if outcome.multi_label else ())
    if outcome.content_needed:
        message.content_needed.SetInParent()
    elif offer.label and len(outcome.labels) > 1 and not outcome.multi_label:
        message.conflict.labels.extend(outcome.labels)
    elif outcome.is_new:
        message.added.SetInParent()
    else:
        message.present.relabelled = outcome.relabelled
        message.present.SetInParent()
        if outcome.relabelled and not outcome.multi_label:
            [message.label] = outcome.labels
    return message


def to_example_evaluation(example: classifier_pb2.Example, evaluated: Evaluated) -> classifier_pb2.ExampleEvaluation:
    """Return what a version makes of an example."""
    message = classifier_pb2.ExampleEvaluation(
        id=evaluated.name,
        label=evaluated.label,
        label_trimmed=any(label.strip() != label for label in (example.label, *example.labels)),
        label_known=evaluated.label_known,
        labels=evaluated.labels,
    )
    if isinstance(evaluated.outcome, LastlayerError):
        message.error.CopyFrom(to_status(evaluated.outcome))
    else:
        probabilities = evaluated.outcome.probabilities
        best = int(probabilities.argmax())
        if evaluated.label_thresholds is not None:
            message.predicted_labels.extend(
                predicted_labels(probabilities, evaluated.classes, evaluated.label_thresholds)
            )
        message.predicted.CopyFrom(types_pb2.LabelScore(label=evaluated.classes[best], score=probabilities[best]))
    return message


def to_evaluate_progress(
    request: classifier_pb2.EvaluateRequest, evaluated: Sequence[Evaluated]
) -> classifier_pb2.EvaluateResponse:
    """Return what a version makes of the examples of a request."""
    results = map(to_example_evaluation, request.examples, evaluated)
    return classifier_pb2.EvaluateResponse(progress=classifier_pb2.EvaluateProgress(results=results))


def to_predict_response(
    request: classifier_pb2.PredictRequest, predictions: Predictions
) -> classifier_pb2.PredictResponse:
    """Return the predictions of the images of a request; raises InvalidFieldError where a message cannot hold them."""
    classes = predictions.head.classes
    reject_unlike = None if predictions.accepts_all else predictions.head
    response = classifier_pb2.PredictResponse(
        results=[
            to_image_prediction(
                image.id,
                outcome,
                classes,
                request.top_k,
                predictions.threshold,
                reject_unlike,
                predictions.label_thresholds,
            )
            for image, outcome in zip(request.images, predictions.outcomes, strict=True)
        ],
        model=predictions.version.model,
        version=predictions.version.version,
    )
    if response.ByteSize() > _MAX_RESPONSE_BYTES:
        raise InvalidFieldError(
            "top_k",
            f"The answer has {len(classes)} classes for each of {len(request.images)} images, which is too large for "
            "a message; ask for the best ones with `top_k`, or for fewer images.",
        )
    return response


async def to_stream_response(
    request_id: str, response: Awaitable[classifier_pb2.PredictResponse]
) -> classifier_pb2.PredictStreamResponse:
    """Return a response once it is there, or why there is none, as the stream goes on."""
    try:
        return classifier_pb2.PredictStreamResponse(request_id=request_id, response=await response)
    except LastlayerError as error:
        return classifier_pb2.PredictStreamResponse(request_id=request_id, error=to_status(error))


def to_image_prediction(
    image_id: str,
    outcome: Predicted | LastlayerError,
    classes: Sequence[str],
    top_k: int,
    threshold: float,
    reject_unlike: Head | None = None,
    label_thresholds: Sequence[float] | None = None,
) -> classifier_pb2.ImagePrediction:
    """Return the prediction of an image, or why it has none.

    What is unlike the training images of the head `reject_unlike` is rejected, whatever its probability.
    """
    if isinstance(outcome, LastlayerError):
        return classifier_pb2.ImagePrediction(id=image_id, error=to_status(outcome))
    unfamiliar = reject_unlike is not None and reject_unlike.is_unfamiliar(outcome.distance)
    prediction = to_prediction(
        outcome.probabilities,
        classes,
        top_k,
        threshold,
        distance=outcome.distance,
        unfamiliar=unfamiliar,
        label_thresholds=label_thresholds,
    )
    return classifier_pb2.ImagePrediction(id=image_id, prediction=prediction)


def to_prediction(
    probabilities: npt.NDArray[np.float64],
    classes: Sequence[str],
    top_k: int,
    threshold: float,
    *,
    distance: float = 0.0,
    unfamiliar: bool = False,
    label_thresholds: Sequence[float] | None = None,
) -> classifier_pb2.Prediction:
    """Return the classes of an image, best first, the first `top_k` or all where that is 0, from their probabilities,
    float64 [c]; rejected where the best one is less probable than `threshold`, or where the image is `unfamiliar`.

    With `label_thresholds`, [c], those of a multi-label version, it has the labels that reach theirs, and is rejected
    only where it is `unfamiliar`.
    """
    best = np.argsort(-probabilities, kind="stable")[: top_k or None]
    scores = [types_pb2.LabelScore(label=classes[index], score=probabilities[index]) for index in best]
    if label_thresholds is not None:
        labels = predicted_labels(probabilities, classes, label_thresholds)
        further = [
            index for index in np.argsort(-probabilities, kind="stable")[len(best) :] if classes[index] in labels
        ]
        return classifier_pb2.Prediction(
            scores=[*scores, *(types_pb2.LabelScore(label=classes[row], score=probabilities[row]) for row in further)],
            rejected=unfamiliar,
            distance=distance,
            unfamiliar=unfamiliar,
            multi_label=True,
            labels=labels,
        )
    rejected = unfamiliar or bool(probabilities[best[0]] < threshold)
    return classifier_pb2.Prediction(scores=scores, rejected=rejected, distance=distance, unfamiliar=unfamiliar)


def predicted_labels(
    probabilities: npt.NDArray[np.float64], classes: Sequence[str], thresholds: Sequence[float]
) -> list[str]:
    """Return the labels whose probability, of float64 [c], is at least their threshold, the most probable first."""
    order = np.argsort(-probabilities, kind="stable")
    return [classes[index] for index in order if probabilities[index] >= thresholds[index]]


def to_explanation(explanation: Explanation) -> classifier_pb2.Explanation:
    """Return where the score of a class of a version comes from."""
    explained, head = explanation.explained, explanation.head
    height, width = explained.contributions.shape
    return classifier_pb2.Explanation(
        model=explanation.version.model,
        version=explanation.version.version,
        label=explained.label,
        probability=explained.probability,
        logit=explained.logit,
        bias=explained.bias,
        height=height,
        width=width,
        contributions=explained.contributions.ravel(),
        region=types_pb2.ImageRegion(**explanation.region._asdict()),
        prediction=to_prediction(
            explained.probabilities,
            head.classes,
            0,
            head.threshold,
            distance=explained.distance,
            unfamiliar=head.is_unfamiliar(explained.distance),
            label_thresholds=head.label_thresholds,
        ),
    )


def to_head(exported: ExportedHead) -> classifier_pb2.Head:
    """Return the numbers of a head."""
    version, head = exported.version, exported.head
    return classifier_pb2.Head(
        model=version.model,
        version=version.version,
        backbone=version.backbone_name,
        backbone_digest=version.backbone_digest,
        taps=[
            classifier_pb2.HeadTap(name=tap, dimension=dimension)
            for tap, dimension in zip(head.taps, exported.tap_dimensions, strict=True)
        ],
        unit_length=head.unit_length,
        square_root=head.square_root,
        classes=head.classes,
        weights=pack(head.weights),
        biases=pack(head.biases),
        views=[view.wire for view in head.views],
        multi_label=head.multi_label,
        label_thresholds=head.label_thresholds,
    )


def to_stored_example(record: StoredExample) -> classifier_pb2.StoredExample:
    """Return an example of a dataset, or an image of its pool."""
    return classifier_pb2.StoredExample(
        id=record.name,
        content_sha256=record.content_sha256,
        labels=record.labels,
        stale=record.stale,
        thumbnail=record.thumbnail,
        source=_POOL_SOURCES[record.source],
        pool_time=to_timestamp(record.pool_time) if record.pool_time is not None else None,
    )


def to_review(reviewed: Reviewed) -> classifier_pb2.ReviewExamplesResponse:
    """Return what a review found, as much of it as fits into a message."""
    return classifier_pb2.ReviewExamplesResponse(
        examples=take_fitting(map(_to_reviewed, reviewed.examples)), total_count=reviewed.total
    )


def _to_reviewed(example: ReviewedExample) -> classifier_pb2.ReviewedExample:
    return classifier_pb2.ReviewedExample(
        example=to_stored_example(example.stored),
        label=example.label,
        label_probability=example.label_probability,
        suggested_label=example.suggested_label,
        suggested_probability=example.suggested_probability,
    )


def to_timestamp(moment: datetime.datetime) -> timestamp_pb2.Timestamp:
    """Return a moment, which has a time zone."""
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message


def to_dataset(record: Dataset) -> classifier_pb2.Dataset:
    """Return a dataset with its counts."""
    return classifier_pb2.Dataset(
        name=record.name,
        example_count=record.example_count,
        classes=[
            classifier_pb2.ClassCount(label=label, example_count=count) for label, count in record.class_counts.items()
        ],
        backbone=record.backbone.name if record.backbone else "",
        backbone_digest=record.backbone.digest if record.backbone else "",
        create_time=to_timestamp(record.create_time),
        update_time=to_timestamp(record.update_time),
        conflict_count=record.conflict_count,
        stale_count=record.stale_count,
        precisions=[
            classifier_pb2.PrecisionCount(precision=precision, example_count=count)
            for precision, count in record.precisions.items()
        ],
        views=[view.wire for view in record.views],
        multi_label=record.multi_label,
        without_label_count=record.without_label_count,
        pool_count=record.pool_count,
        captured_count=record.captured_count,
    )


def to_model(record: Model) -> classifier_pb2.Model:
    """Return a model with its default version."""
    return classifier_pb2.Model(
        name=record.name,
        default_version=record.default_version,
        version_count=record.version_count,
        create_time=to_timestamp(record.create_time),
        update_time=to_timestamp(record.update_time),
        classes=record.classes,
    )
