"""From what is known of versions, and of how good predictions are, to messages."""

import datetime
from collections.abc import Sequence
from typing import Final

from google.protobuf import duration_pb2

from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import ServedVersion, Version
from lastlayer.classifier.evaluation.calibration import Calibration
from lastlayer.classifier.evaluation.metrics import Interval, Metrics
from lastlayer.classifier.evaluation.near_duplicates import NearDuplicate
from lastlayer.classifier.evaluation.rejection import Rejection
from lastlayer.classifier.evaluation.tally import EvaluationTally
from lastlayer.classifier.prediction.activation_map import ActivationMap, Region
from lastlayer.classifier.service.messages import CLASS_WEIGHT_NUMBERS, RECIPE_NUMBERS, prediction, timestamp
from lastlayer.classifier.training.report import Facts
from lastlayer.v1 import classifier_pb2, types_pb2


def metrics(values: Metrics) -> types_pb2.Metrics:
    """Return metrics."""
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


def _interval(ends: Interval | None) -> types_pb2.Interval | None:
    return types_pb2.Interval(lower=ends[0], upper=ends[1]) if ends else None


_MAX_NEAR_DUPLICATES: Final = 100


def evaluation(
    version: ServedVersion, tally: EvaluationTally, duplicates: Sequence[NearDuplicate]
) -> classifier_pb2.Evaluation:
    """Return an evaluation of a version."""
    return classifier_pb2.Evaluation(
        model=version.model,
        version=version.version,
        metrics=metrics(tally.metrics()),
        failed_count=tally.failed,
        unknown_labels=[
            classifier_pb2.ClassCount(label=label, example_count=count) for label, count in tally.unknown_labels.items()
        ],
        near_duplicates=[
            classifier_pb2.NearDuplicate(
                id=near.name,
                training_id=near.training_name,
                training_label=near.training_label,
                similarity=near.similarity,
            )
            for near in duplicates[:_MAX_NEAR_DUPLICATES]
        ],
        near_duplicate_count=len(duplicates),
    )


def explanation(
    version: ServedVersion, head: Head, explained: ActivationMap, region: Region
) -> classifier_pb2.Explanation:
    """Return where the score of a class of a version comes from."""
    height, width = explained.contributions.shape
    return classifier_pb2.Explanation(
        model=version.model,
        version=version.version,
        label=explained.label,
        probability=explained.probability,
        logit=explained.logit,
        bias=explained.bias,
        height=height,
        width=width,
        contributions=explained.contributions.ravel(),
        region=types_pb2.ImageRegion(**region._asdict()),
        prediction=prediction("", explained.probabilities, head.classes, 0, head.threshold).prediction,
    )


def model_version(record: Version) -> classifier_pb2.ModelVersion:
    """Return a version."""
    facts = Facts.from_json(record.facts)
    duration = duration_pb2.Duration()
    duration.FromTimedelta(datetime.timedelta(seconds=facts.training_seconds))
    return classifier_pb2.ModelVersion(
        model=record.model,
        version=record.version,
        dataset=record.dataset,
        recipe=RECIPE_NUMBERS[facts.recipe],
        taps=facts.taps,
        l1=facts.l1,
        l2=facts.l2,
        classes=facts.classes,
        example_count=facts.example_count,
        backbone=record.backbone_name,
        backbone_digest=record.backbone_digest,
        cross_validation=metrics(facts.cross_validation) if facts.cross_validation else None,
        comparisons=[
            classifier_pb2.RecipeEstimate(
                recipe=RECIPE_NUMBERS[estimate.recipe],
                taps=estimate.taps,
                cross_validation=metrics(estimate.metrics),
            )
            for estimate in facts.comparisons
        ],
        create_time=timestamp(record.create_time),
        training_duration=duration,
        notes=facts.notes,
        class_weight=CLASS_WEIGHT_NUMBERS[facts.class_weight],
        calibration=_calibration(facts.calibration),
        rejection=_rejection(facts.rejection),
        rejection_curve=[
            classifier_pb2.RejectionPoint(threshold=point.threshold, precision=point.precision, coverage=point.coverage)
            for point in facts.rejection_curve
        ],
        trials=[
            classifier_pb2.Trial(
                taps=trial.taps,
                l2=trial.l2,
                log_loss=trial.log_loss,
                log_loss_standard_error=trial.log_loss_standard_error,
                example_count=trial.example_count,
                chosen=trial.chosen,
                whitening=trial.whitening,
            )
            for trial in facts.trials
        ],
        libraries=facts.libraries,
        whitening=facts.whitening,
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
    return classifier_pb2.Rejection(threshold=values.threshold, min_precision=values.min_precision)
