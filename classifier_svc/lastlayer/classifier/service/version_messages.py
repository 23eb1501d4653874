"""Messages about versions, and about how good they are: on the wire, and in the store.

`lastlayer.v1.ModelVersion` alone says what a version is. A training's report becomes such a message, the store
keeps its bytes, and answers are read from them.
"""

import dataclasses
import datetime
from typing import Final

from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.message import DecodeError

from lastlayer.classifier.domain.drift.reference import BLOCK, FALSE_ALARMS_PER_MILLION
from lastlayer.classifier.domain.drift.signals import Kind
from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.domain.types import ServedVersion, Version
from lastlayer.classifier.evaluation.calibration import Calibration
from lastlayer.classifier.evaluation.evaluation import EvaluationReport
from lastlayer.classifier.evaluation.intervals import Interval
from lastlayer.classifier.evaluation.metrics import Metrics
from lastlayer.classifier.evaluation.multi_label.metrics import MultiLabelMetrics
from lastlayer.classifier.evaluation.rejection import Rejection
from lastlayer.classifier.prediction.drift.monitor import DriftReport
from lastlayer.classifier.service.messages import to_timestamp
from lastlayer.classifier.service.stored_facts import read_facts
from lastlayer.classifier.training.jobs import Progress, TrainingReport
from lastlayer.classifier.training.multi_label.trainer import TrainedLabels
from lastlayer.classifier.training.recipes import ClassWeight, Preference, Recipe
from lastlayer.classifier.training.search.scans import Trial
from lastlayer.v1 import classifier_pb2, types_pb2

_RECIPES: Final = {Recipe.AUTO: classifier_pb2.RECIPE_AUTO, Recipe.TUTORIAL: classifier_pb2.RECIPE_TUTORIAL}
_CLASS_WEIGHTS: Final = {
    ClassWeight.NONE: classifier_pb2.CLASS_WEIGHT_NONE,
    ClassWeight.BALANCED: classifier_pb2.CLASS_WEIGHT_BALANCED,
}


_PREFERENCES: Final = {
    Preference.QUALITY: classifier_pb2.PREFERENCE_QUALITY,
    Preference.SPEED: classifier_pb2.PREFERENCE_SPEED,
}

_DRIFT_KINDS: Final = {
    Kind.SCORE: classifier_pb2.DRIFT_KIND_SCORE,
    Kind.UNKNOWN: classifier_pb2.DRIFT_KIND_UNKNOWN,
    Kind.DISTANCE: classifier_pb2.DRIFT_KIND_DISTANCE,
    Kind.FEATURES: classifier_pb2.DRIFT_KIND_FEATURES,
    Kind.STRENGTH: classifier_pb2.DRIFT_KIND_STRENGTH,
}


def describe(report: TrainingReport) -> bytes:
    """Return all that is known of a version that was trained, as the store keeps it (see `Version.description`)."""
    return _describe(report).SerializeToString()


def to_train_response(event: Progress | Version) -> classifier_pb2.TrainResponse:
    """Return an event of a training."""
    if isinstance(event, Version):
        return classifier_pb2.TrainResponse(version=to_model_version(event))
    progress = classifier_pb2.TrainProgress(message=event.message, fraction=event.fraction)
    return classifier_pb2.TrainResponse(progress=progress)


def to_model_version(record: Version) -> classifier_pb2.ModelVersion:
    """Return a stored version, whichever release stored it; raises StoreCorruptError."""
    message = _read_description(record.description) if record.description else read_facts(record.facts)
    message.model = record.model
    message.version = record.version
    message.dataset = record.dataset
    message.backbone = record.backbone_name
    message.backbone_digest = record.backbone_digest
    message.create_time.CopyFrom(to_timestamp(record.create_time))
    return message


def _read_description(description: bytes) -> classifier_pb2.ModelVersion:
    try:
        return classifier_pb2.ModelVersion.FromString(description)
    except DecodeError as error:
        raise StoreCorruptError("What is stored of this version is damaged; train the model again.") from error


def _describe_labels(report: TrainingReport, trained: TrainedLabels) -> classifier_pb2.ModelVersion:
    head = trained.head
    return classifier_pb2.ModelVersion(
        recipe=classifier_pb2.RECIPE_AUTO,
        taps=head.taps,
        l2=head.l2,
        classes=head.classes,
        example_count=report.example_count,
        training_duration=_duration(report),
        notes=trained.notes,
        class_weight=classifier_pb2.CLASS_WEIGHT_NONE,
        trials=[_trial(trial) for trial in trained.trials],
        libraries=report.libraries,
        preference=classifier_pb2.PREFERENCE_QUALITY,
        square_root=head.square_root,
        min_mean_cosine=head.min_mean_cosine,
        views=[view.wire for view in head.views],
        multi_label=True,
        multi_label_cross_validation=to_label_metrics(trained.cross_validation) if trained.cross_validation else None,
        label_thresholds=head.label_thresholds,
        label_temperatures=trained.temperatures,
        label_min_precision=trained.min_precision,
        label_max_distance=head.familiarity.max_distance if head.familiarity else 0.0,
    )


def _duration(report: TrainingReport) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromTimedelta(datetime.timedelta(seconds=report.training_seconds))
    return duration


def _trial(trial: Trial) -> classifier_pb2.Trial:
    return classifier_pb2.Trial(
        taps=trial.taps,
        l2=trial.l2,
        log_loss=trial.log_loss,
        log_loss_standard_error=trial.log_loss_standard_error,
        example_count=trial.example_count,
        chosen=trial.chosen,
        views=[view.wire for view in trial.views],
    )


def _describe(report: TrainingReport) -> classifier_pb2.ModelVersion:
    trained = report.trained
    if isinstance(trained, TrainedLabels):
        return _describe_labels(report, trained)
    head = trained.head
    return classifier_pb2.ModelVersion(
        recipe=_RECIPES[trained.recipe],
        taps=head.taps,
        l1=head.l1,
        l2=head.l2,
        classes=head.classes,
        example_count=report.example_count,
        cross_validation=to_metrics(trained.cross_validation) if trained.cross_validation else None,
        comparisons=[
            classifier_pb2.RecipeEstimate(
                recipe=_RECIPES[estimate.recipe],
                taps=estimate.taps,
                cross_validation=to_metrics(estimate.metrics),
            )
            for estimate in trained.comparisons
        ],
        training_duration=_duration(report),
        notes=trained.notes,
        class_weight=_CLASS_WEIGHTS[trained.class_weight],
        calibration=_calibration(trained.calibration),
        rejection=_rejection(trained.rejection),
        rejection_curve=[
            classifier_pb2.RejectionPoint(threshold=point.threshold, precision=point.precision, coverage=point.coverage)
            for point in trained.rejection_curve
        ],
        trials=[_trial(trial) for trial in trained.trials],
        libraries=report.libraries,
        preference=_PREFERENCES[trained.preference],
        square_root=head.square_root,
        min_mean_cosine=head.min_mean_cosine,
        views=[view.wire for view in head.views],
    )


def _calibration(values: Calibration | None) -> classifier_pb2.Calibration | None:
    if values is None:
        return None
    return classifier_pb2.Calibration(
        temperature=values.temperature,
        log_loss_before=values.log_loss_before,
        expected_calibration_error_before=values.expected_calibration_error_before,
    )


def _rejection(values: Rejection | None) -> classifier_pb2.Rejection | None:
    if values is None:
        return None
    return classifier_pb2.Rejection(**dataclasses.asdict(values))


def to_drift(version: ServedVersion, report: DriftReport) -> classifier_pb2.Drift:
    """Return what came to a version, beside what it was trained on."""
    reference = report.reference
    return classifier_pb2.Drift(
        model=version.model,
        version=version.version,
        state=_drift_state(report),
        image_count=report.image_count,
        start_time=_moment(report.since),
        training_image_count=reference.count if reference else 0,
        signals=[
            classifier_pb2.DriftSignal(
                kind=_DRIFT_KINDS[found.kind],
                name=found.name,
                level=found.level,
                image_count=found.window,
                value=found.cut,
                expected_share=found.expected_share,
                seen_share=found.seen_share,
            )
            for found in report.levels
        ],
        alarm_time=_moment(report.alarm_time),
        alarm_count=report.alarm_count,
        last_alarm_time=_moment(report.last_alarm_time),
        block_size=BLOCK,
        false_alarms_per_million=FALSE_ALARMS_PER_MILLION,
    )


def _drift_state(report: DriftReport) -> classifier_pb2.DriftState:
    if report.reference is None:
        return classifier_pb2.DRIFT_STATE_NO_REFERENCE
    if not report.reference.signals:
        return classifier_pb2.DRIFT_STATE_TOO_FEW_EXAMPLES
    if not report.levels:
        return classifier_pb2.DRIFT_STATE_TOO_FEW_IMAGES
    return classifier_pb2.DRIFT_STATE_STEADY if report.alarm_time is None else classifier_pb2.DRIFT_STATE_DRIFTING


def _moment(moment: datetime.datetime | None) -> timestamp_pb2.Timestamp | None:
    return to_timestamp(moment) if moment is not None else None


def to_evaluation(report: EvaluationReport, *, names_examples: bool) -> classifier_pb2.Evaluation:
    """Return an evaluation of a version; `names_examples` says whether its reader may know what was trained on."""
    return classifier_pb2.Evaluation(
        model=report.version.model,
        version=report.version.version,
        metrics=to_metrics(report.metrics),
        failed_count=report.failed,
        unknown_labels=[
            classifier_pb2.ClassCount(label=label, example_count=count)
            for label, count in report.unknown_labels.items()
        ],
        near_duplicates=[
            classifier_pb2.NearDuplicate(
                id=near.name,
                training_id=near.training_name if names_examples else "",
                training_label=near.training_label if names_examples else "",
                similarity=near.similarity,
            )
            for near in report.near_duplicates
        ],
        near_duplicate_count=report.near_duplicate_count,
        multi_label_metrics=to_label_metrics(report.label_metrics) if report.label_metrics else None,
    )


def to_metrics(values: Metrics) -> types_pb2.Metrics:
    """Return how good predictions are."""
    return types_pb2.Metrics(
        example_count=values.example_count,
        log_loss=values.log_loss,
        log_loss_reduction=values.log_loss_reduction,
        micro_accuracy=values.micro_accuracy,
        macro_accuracy=values.macro_accuracy,
        classes=[
            types_pb2.ClassMetrics(
                label=entry.label,
                example_count=entry.example_count,
                log_loss=entry.log_loss,
                precision=entry.precision,
                recall=entry.recall,
            )
            for entry in values.classes
        ],
        confusion_matrix=[cell for row in values.confusion_matrix for cell in row],
        interval_inflation=values.interval_inflation,
        micro_accuracy_interval=_interval(values.micro_accuracy_interval),
        log_loss_interval=_interval(values.log_loss_interval),
        expected_calibration_error=values.expected_calibration_error,
        reliability=[
            types_pb2.ReliabilityBin(
                lower=entry.lower,
                upper=entry.upper,
                example_count=entry.example_count,
                mean_probability=entry.mean_probability,
                accuracy=entry.accuracy,
            )
            for entry in values.reliability
        ],
    )


def to_label_metrics(values: MultiLabelMetrics) -> types_pb2.MultiLabelMetrics:
    """Return how good predictions of several labels are."""
    return types_pb2.MultiLabelMetrics(
        example_count=values.example_count,
        log_loss=values.log_loss,
        labels=[
            types_pb2.LabelMetrics(
                label=entry.label,
                example_count=entry.example_count,
                average_precision=entry.average_precision,
                threshold=entry.threshold,
                precision=entry.precision,
                recall=entry.recall,
                f1=entry.f1,
                log_loss=entry.log_loss,
                curve=[
                    types_pb2.PrecisionRecallPoint(
                        threshold=point.threshold, precision=point.precision, recall=point.recall
                    )
                    for point in entry.curve
                ],
            )
            for entry in values.labels
        ],
        micro_average_precision=values.micro_average_precision,
        macro_average_precision=values.macro_average_precision,
        micro_f1=values.micro_f1,
        macro_f1=values.macro_f1,
        exact_match=values.exact_match,
        exact_match_interval=_interval(values.exact_match_interval),
    )


def _interval(ends: Interval | None) -> types_pb2.Interval | None:
    return types_pb2.Interval(lower=ends[0], upper=ends[1]) if ends else None
