"""Messages of the contract as the client's plain results."""

import datetime
from typing import Any, Literal

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import status_pb2

from lastlayer.client.errors import ImageError
from lastlayer.client.results import (
    Calibration,
    ClassMetrics,
    Dataset,
    Evaluation,
    ExampleEvaluation,
    ExampleOutcome,
    Explanation,
    Head,
    ImageRegion,
    LabelScore,
    Metrics,
    Model,
    ModelVersion,
    NearDuplicate,
    Prediction,
    RecipeEstimate,
    Rejection,
    RejectionPoint,
    ReliabilityBin,
    Review,
    ReviewedExample,
    StoredExample,
    Trial,
)
from lastlayer.rpc.status import read_status
from lastlayer.v1 import classifier_pb2, types_pb2

RECIPES = {
    "auto": classifier_pb2.RECIPE_AUTO,
    "tutorial": classifier_pb2.RECIPE_TUTORIAL,
}
CLASS_WEIGHTS = {
    "none": classifier_pb2.CLASS_WEIGHT_NONE,
    "balanced": classifier_pb2.CLASS_WEIGHT_BALANCED,
}
_CLASS_WEIGHT_NAMES: dict[Any, str] = {number: name for name, number in CLASS_WEIGHTS.items()}
REVIEW_KINDS = {
    "suspicious": classifier_pb2.REVIEW_KIND_SUSPICIOUS_LABELS,
    "mistakes": classifier_pb2.REVIEW_KIND_MISTAKES,
}
_RECIPE_NAMES = {number: name for name, number in RECIPES.items()}


def image_error(status: status_pb2.Status) -> ImageError:
    """Return why one image failed."""
    details = read_status(status)
    return ImageError(details.message, code=details.code.name, reason=details.reason, metadata=details.metadata)


def prediction(name: str, result: classifier_pb2.ImagePrediction, model: str, version: int) -> Prediction:
    """Return the prediction for one image."""
    if result.HasField("error"):
        return Prediction(name, (), model, version, image_error(result.error))
    scores = tuple(LabelScore(score.label, score.score) for score in result.prediction.scores)
    return Prediction(name, scores, model, version, rejected=result.prediction.rejected)


def explanation(name: str, message: classifier_pb2.Explanation) -> Explanation:
    """Return where in an image a score comes from."""
    flat, width, region = message.contributions, message.width, message.region
    answer = classifier_pb2.ImagePrediction(prediction=message.prediction)
    return Explanation(
        label=message.label,
        probability=message.probability,
        logit=message.logit,
        bias=message.bias,
        contributions=tuple(tuple(flat[row * width : (row + 1) * width]) for row in range(message.height)),
        region=ImageRegion(region.left, region.top, region.right, region.bottom),
        prediction=prediction(name, answer, message.model, message.version),
    )


def example_outcome(name: str, outcome: classifier_pb2.ExampleOutcome) -> ExampleOutcome:
    """Return what became of an example whose content is no longer asked for."""
    kind = outcome.WhichOneof("outcome")
    trimmed = outcome.label_trimmed
    if kind == "error":
        return ExampleOutcome(name, outcome.label, "failed", trimmed, error=image_error(outcome.error))
    if kind == "conflict":
        return ExampleOutcome(name, outcome.label, "conflict", trimmed, tuple(outcome.conflict.labels))
    return ExampleOutcome(name, outcome.label, "added" if kind == "added" else "present", trimmed)


def example_evaluation(name: str, result: classifier_pb2.ExampleEvaluation) -> ExampleEvaluation:
    """Return what the model made of one example."""
    failed = result.HasField("error")
    return ExampleEvaluation(
        image=name,
        label=result.label,
        label_known=result.label_known,
        predicted=None if failed else LabelScore(result.predicted.label, result.predicted.score),
        error=image_error(result.error) if failed else None,
        label_trimmed=result.label_trimmed,
    )


def evaluation(message: classifier_pb2.Evaluation, failed: tuple[ExampleEvaluation, ...], trimmed: int) -> Evaluation:
    """Return an evaluation together with the images that are in no metric."""
    unknown = {entry.label: entry.example_count for entry in message.unknown_labels}
    return Evaluation(
        message.model,
        message.version,
        metrics(message.metrics),
        unknown,
        failed,
        trimmed,
        near_duplicates=tuple(
            NearDuplicate(near.id, near.training_id, near.training_label, near.similarity)
            for near in message.near_duplicates
        ),
        near_duplicate_count=message.near_duplicate_count,
    )


def metrics(message: types_pb2.Metrics) -> Metrics:
    """Return metrics, the confusion matrix as rows."""
    size = len(message.classes)
    flat = message.confusion_matrix
    return Metrics(
        example_count=message.example_count,
        log_loss=message.log_loss,
        log_loss_reduction=message.log_loss_reduction if message.HasField("log_loss_reduction") else None,
        accuracy=message.micro_accuracy,
        macro_accuracy=message.macro_accuracy,
        classes=tuple(
            ClassMetrics(entry.label, entry.example_count, entry.log_loss, entry.precision, entry.recall)
            for entry in message.classes
        ),
        confusion_matrix=tuple(tuple(flat[row * size : (row + 1) * size]) for row in range(size)),
        accuracy_interval=_interval(message, "micro_accuracy_interval"),
        log_loss_interval=_interval(message, "log_loss_interval"),
        expected_calibration_error=message.expected_calibration_error,
        reliability=tuple(
            ReliabilityBin(entry.lower, entry.upper, entry.example_count, entry.mean_probability, entry.accuracy)
            for entry in message.reliability
        ),
    )


def _interval(
    message: types_pb2.Metrics, name: Literal["micro_accuracy_interval", "log_loss_interval"]
) -> tuple[float, float] | None:
    if not message.HasField(name):  # the server is an older one, or there are too few examples
        return None
    interval = getattr(message, name)
    return interval.lower, interval.upper


def model_version(message: classifier_pb2.ModelVersion) -> ModelVersion:
    """Return one version of a model."""
    return ModelVersion(
        model=message.model,
        version=message.version,
        dataset=message.dataset,
        recipe=_recipe(message.recipe),
        taps=tuple(message.taps),
        l1=message.l1,
        l2=message.l2,
        classes=tuple(message.classes),
        example_count=message.example_count,
        backbone=message.backbone,
        backbone_digest=message.backbone_digest,
        cross_validation=metrics(message.cross_validation) if message.HasField("cross_validation") else None,
        comparisons=tuple(
            RecipeEstimate(_recipe(entry.recipe), tuple(entry.taps), metrics(entry.cross_validation))
            for entry in message.comparisons
        ),
        create_time=_time(message.create_time),
        training_duration_s=message.training_duration.ToNanoseconds() / 1e9,
        notes=tuple(message.notes),
        class_weight=_CLASS_WEIGHT_NAMES.get(message.class_weight, "none"),
        calibration=Calibration(
            message.calibration.temperature,
            message.calibration.log_loss_before,
            message.calibration.expected_calibration_error_before,
        )
        if message.HasField("calibration")
        else None,
        rejection=Rejection(message.rejection.threshold, message.rejection.min_precision)
        if message.HasField("rejection")
        else None,
        rejection_curve=tuple(
            RejectionPoint(point.threshold, point.precision, point.coverage) for point in message.rejection_curve
        ),
        trials=tuple(
            Trial(
                taps=tuple(trial.taps),
                l2=trial.l2,
                log_loss=trial.log_loss,
                log_loss_standard_error=trial.log_loss_standard_error,
                example_count=trial.example_count,
                chosen=trial.chosen,
                whitening=trial.whitening,
            )
            for trial in message.trials
        ),
        libraries=dict(message.libraries),
        whitening=message.whitening,
    )


def model(message: classifier_pb2.Model) -> Model:
    """Return one model."""
    return Model(
        name=message.name,
        default_version=message.default_version,
        version_count=message.version_count,
        classes=tuple(message.classes),
        create_time=_time(message.create_time),
        update_time=_time(message.update_time),
    )


def dataset(message: classifier_pb2.Dataset) -> Dataset:
    """Return one dataset."""
    return Dataset(
        name=message.name,
        example_count=message.example_count,
        classes={entry.label: entry.example_count for entry in message.classes},
        conflict_count=message.conflict_count,
        backbone=message.backbone,
        backbone_digest=message.backbone_digest,
        create_time=_time(message.create_time),
        update_time=_time(message.update_time),
        stale_count=message.stale_count,
    )


def stored_example(message: classifier_pb2.StoredExample) -> StoredExample:
    """Return an example of a dataset."""
    return StoredExample(message.id, message.content_sha256, tuple(message.labels), message.stale, message.thumbnail)


def review(message: classifier_pb2.ReviewExamplesResponse) -> Review:
    """Return training examples that are worth a look."""
    examples = (
        ReviewedExample(
            example=stored_example(entry.example),
            label=entry.label,
            label_probability=entry.label_probability,
            suggested_label=entry.suggested_label,
            suggested_probability=entry.suggested_probability,
        )
        for entry in message.examples
    )
    return Review(tuple(examples), message.total_count)


def head(message: classifier_pb2.Head) -> Head:
    """Return a version's numbers."""
    return Head(
        model=message.model,
        version=message.version,
        backbone=message.backbone,
        backbone_digest=message.backbone_digest,
        taps=tuple(tap.name for tap in message.taps),
        dimensions=tuple(tap.dimension for tap in message.taps),
        unit_length=message.unit_length,
        classes=tuple(message.classes),
        weights=message.weights,
        biases=message.biases,
    )


def _recipe(number: Any) -> str:
    # A newer server may know recipes that this client does not.
    return _RECIPE_NAMES.get(number, f"recipe {number}")


def _time(message: Timestamp) -> datetime.datetime:
    return message.ToDatetime(tzinfo=datetime.UTC)
