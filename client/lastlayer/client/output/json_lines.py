"""Results for programs: what `--json` prints, one object a line, in UTF-8."""

import dataclasses
import json
from typing import Any

import click

from lastlayer.client.errors import ImageError
from lastlayer.client.results import (
    AddedExamples,
    Dataset,
    Evaluation,
    Explanation,
    Metrics,
    Model,
    ModelVersion,
    Prediction,
    ReviewedExample,
    ServerStatus,
    StoredExample,
)

Json = dict[str, Any]


def print_json(value: Json) -> None:
    """Print one object on a line of standard output."""
    # JSON is UTF-8 whatever the terminal's encoding; a file name that is no Unicode becomes JSON's own escapes.
    click.echo(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def error_json(error: ImageError) -> Json:
    """Return why an image failed."""
    return {"code": error.code, "reason": error.reason, "message": error.message}


def prediction_json(prediction: Prediction) -> Json:
    """Return a prediction, or why there is none."""
    if prediction.error is not None:
        return {"image": prediction.image, "error": error_json(prediction.error)}
    return {
        "image": prediction.image,
        "label": prediction.label,
        "score": prediction.score,
        "scores": [{"label": entry.label, "score": entry.score} for entry in prediction.scores],
        "rejected": prediction.rejected,
        "model": prediction.model,
        "version": prediction.version,
    }


def explanation_json(explanation: Explanation) -> Json:
    """Return where in an image a score comes from; `contributions` are the rows of the grid."""
    region = explanation.region
    return {
        "image": explanation.prediction.image,
        "label": explanation.label,
        "score": explanation.probability,
        "logit": explanation.logit,
        "bias": explanation.bias,
        "contributions": [list(row) for row in explanation.contributions],
        "region": {"left": region.left, "top": region.top, "right": region.right, "bottom": region.bottom},
        "scores": [{"label": entry.label, "score": entry.score} for entry in explanation.prediction.scores],
        "model": explanation.prediction.model,
        "version": explanation.prediction.version,
    }


def metrics_json(metrics: Metrics) -> Json:
    """Return metrics; lists are in the order of the classes."""
    return {
        "accuracy": metrics.accuracy,
        "macro_accuracy": metrics.macro_accuracy,
        "log_loss": metrics.log_loss,
        "log_loss_reduction": metrics.log_loss_reduction,
        "per_class_log_loss": [entry.log_loss for entry in metrics.classes],
        "confusion_matrix": [list(row) for row in metrics.confusion_matrix],
        "classes": [entry.label for entry in metrics.classes],
        "accuracy_interval": metrics.accuracy_interval and list(metrics.accuracy_interval),
        "log_loss_interval": metrics.log_loss_interval and list(metrics.log_loss_interval),
        # Without bins it is not known: the version is older than they are.
        "expected_calibration_error": metrics.expected_calibration_error if metrics.reliability else None,
        "reliability": [dataclasses.asdict(entry) for entry in metrics.reliability],
    }


def version_json(version: ModelVersion) -> Json:
    """Return a version; its metrics are null where there are too few examples to estimate them."""
    estimate = version.cross_validation
    return {
        "model": version.model,
        "version": version.version,
        "classes": list(version.classes),
        "examples": version.example_count,
        "tap": "+".join(version.taps),
        "recipe": version.recipe,
        "metrics": None if estimate is None else {"estimate": "cross-validation", **metrics_json(estimate)},
        "comparisons": [
            {
                "recipe": entry.recipe,
                "tap": "+".join(entry.taps),
                "metrics": {"estimate": "cross-validation", **metrics_json(entry.cross_validation)},
            }
            for entry in version.comparisons
        ],
        "l1": version.l1,
        "l2": version.l2,
        "dataset": version.dataset,
        "backbone": version.backbone,
        "backbone_digest": version.backbone_digest,
        "create_time": version.create_time.isoformat(),
        "training_duration_s": version.training_duration_s,
        "notes": list(version.notes),
        "class_weight": version.class_weight,
        "whitening": version.whitening,
        "calibration": version.calibration and dataclasses.asdict(version.calibration),
        "rejection": version.rejection and dataclasses.asdict(version.rejection),
        "rejection_curve": [dataclasses.asdict(point) for point in version.rejection_curve],
        "trials": [dataclasses.asdict(trial) for trial in version.trials],
        "libraries": version.libraries,
    }


def training_json(version: ModelVersion, added: AddedExamples, trimmed: int) -> Json:
    """Return a version with what became of the examples that were sent for it."""
    return {**version_json(version), **added_json(added, trimmed)}


def added_json(added: AddedExamples, trimmed: int) -> Json:
    """Return what became of examples that were sent."""
    return {
        "added": added.added,
        "present": added.present,
        "trimmed_labels": trimmed,
        "conflicts": [{"image": entry.image, "labels": list(entry.conflicting_labels)} for entry in added.conflicts],
        "failed": [
            {"image": entry.image, "error": error_json(entry.error)}
            for entry in added.failed
            if entry.error is not None
        ],
    }


def evaluation_json(evaluation: Evaluation, trimmed: int) -> Json:
    """Return an evaluation."""
    return {
        "examples": evaluation.metrics.example_count,
        **metrics_json(evaluation.metrics),
        "model": evaluation.model,
        "version": evaluation.version,
        "unknown_labels": evaluation.unknown_labels,
        "trimmed_labels": trimmed,
        "failed": [
            {"image": entry.image, "error": error_json(entry.error)}
            for entry in evaluation.failed
            if entry.error is not None
        ],
        "near_duplicates": [dataclasses.asdict(near) for near in evaluation.near_duplicates],
        "near_duplicate_count": evaluation.near_duplicate_count,
    }


def model_json(model: Model) -> Json:
    """Return a model."""
    return {
        "model": model.name,
        "default_version": model.default_version,
        "versions": model.version_count,
        "classes": list(model.classes),
        "create_time": model.create_time.isoformat(),
        "update_time": model.update_time.isoformat(),
    }


def dataset_json(dataset: Dataset) -> Json:
    """Return a dataset."""
    return {
        "dataset": dataset.name,
        "examples": dataset.example_count,
        "classes": dataset.classes,
        "conflicts": dataset.conflict_count,
        "stale": dataset.stale_count,
        "backbone": dataset.backbone,
        "backbone_digest": dataset.backbone_digest,
        "create_time": dataset.create_time.isoformat(),
        "update_time": dataset.update_time.isoformat(),
    }


def status_json(status: ServerStatus) -> Json:
    """Return how the server is."""
    return {
        "server": status.server,
        "serving": status.serving,
        "services": status.services,
        "backbone": status.backbone or None,
    }


def example_json(example: StoredExample) -> Json:
    """Return an example of a dataset."""
    return {
        "id": example.id,
        "sha256": example.sha256.hex(),
        "labels": list(example.labels),
        "stale": example.stale,
    }


def reviewed_json(reviewed: ReviewedExample) -> Json:
    """Return a training example that is worth a look."""
    return {
        **example_json(reviewed.example),
        "label": reviewed.label,
        "label_probability": reviewed.label_probability,
        "suggested_label": reviewed.suggested_label,
        "suggested_probability": reviewed.suggested_probability,
    }
