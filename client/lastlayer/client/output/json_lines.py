"""Results for programs: what `--json` prints, one object a line, in UTF-8."""

import dataclasses
import datetime
import json
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from lastlayer.client.results.metrics import Metrics

Json = dict[str, Any]


def print_json(value: Json) -> None:
    """Print one object on a line of standard output."""
    # JSON is UTF-8 whatever the terminal's encoding; a file name that is no Unicode becomes JSON's own escapes.
    click.echo(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def result_json(result: Any) -> Json:
    """Return a result as an object of JSON: its fields as `_KEYS` renames them, or under their own names.

    Times are in ISO 8601, bytes in hexadecimal digits, tuples are lists.

    >>> from lastlayer.client import LabelScore
    >>> result_json(LabelScore("cat", 0.75))
    {'label': 'cat', 'score': 0.75}
    """
    kind = type(result).__name__
    if kind == "Prediction" and result.error is not None:  # it has a name and nothing else
        return _failure(result)
    keys = _KEYS.get(kind)
    if keys is None:
        return {field.name: _plain(getattr(result, field.name)) for field in dataclasses.fields(result)}
    told = {key: _plain(read(result)) for key, read in keys.items()}
    if getattr(result, "multi_label", False) or getattr(result, "multi_label_metrics", None) is not None:
        told.update({key: _plain(read(result)) for key, read in _MULTI_LABEL_KEYS.get(kind, {}).items()})
    return told


def _plain(value: Any) -> Any:
    """Return a value of a result as what JSON has."""
    if dataclasses.is_dataclass(value) or type(value).__name__ in _KEYS:
        return result_json(value)
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value


def _failure(result: Any) -> Json:
    return {"image": result.image, "error": _plain(result.error)}


def _tap(result: Any) -> str:
    return "+".join(result.taps)


def _estimate(result: Any) -> Json | None:
    found = result.cross_validation
    return None if found is None else {"estimate": "cross-validation", **result_json(found)}


def _calibration_error(metrics: "Metrics") -> float | None:
    # Without bins it is not known: the version is older than they are.
    return metrics.expected_calibration_error if metrics.reliability else None


_Keys = Mapping[str, Callable[[Any], Any]]


def _keys(names: str, **computed: Callable[[Any], Any]) -> _Keys:
    """Return how each key is read, in the order of `names`: `key=field`, or `key` alone for a field of that name."""
    pairs = (name.partition("=") for name in names.split())
    return {key: computed.get(key) or attrgetter(field or key) for key, _, field in pairs}


def _within(field: str, keys: _Keys) -> _Keys:
    """Return keys that are read from a field of the result instead of the result itself."""

    def inside(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda result: read(getattr(result, field))

    return {key: inside(read) for key, read in keys.items()}


_METRICS: Final = _keys(
    "accuracy macro_accuracy log_loss log_loss_reduction per_class_log_loss confusion_matrix classes"
    " accuracy_interval log_loss_interval interval_inflation expected_calibration_error reliability",
    per_class_log_loss=lambda metrics: [entry.log_loss for entry in metrics.classes],
    classes=lambda metrics: [entry.label for entry in metrics.classes],
    expected_calibration_error=_calibration_error,
)
_STORED: Final = _keys("id sha256 labels stale")
_KEYS: Final[Mapping[str, _Keys]] = {
    "ImageError": _keys("code reason message"),
    "Prediction": _keys("image label score scores rejected model version distance unfamiliar"),
    "Explanation": _keys(
        "image=prediction.image label score=probability logit bias contributions region scores=prediction.scores"
        " model=prediction.model version=prediction.version"
    ),
    "Metrics": _METRICS,
    "RecipeEstimate": _keys("recipe tap metrics", tap=_tap, metrics=_estimate),
    "ModelVersion": _keys(
        "model version classes examples=example_count tap recipe metrics comparisons l1 l2 dataset backbone"
        " backbone_digest create_time training_duration_s notes class_weight whitening calibration rejection"
        " rejection_curve trials libraries preference square_root min_mean_cosine views",
        tap=_tap,
        metrics=_estimate,
    ),
    "ExampleOutcome": _keys("image labels=conflicting_labels"),
    "AddedExamples": _keys(
        "added present trimmed_labels=trimmed conflicts failed",
        failed=lambda added: [_failure(entry) for entry in added.failed],
    ),
    "PooledImages": _keys(
        "added present labelled failed", failed=lambda pooled: [_failure(entry) for entry in pooled.failed]
    ),
    "Evaluation": {
        **_keys("examples=metrics.example_count"),
        **_within("metrics", _METRICS),
        **_keys(
            "model version unknown_labels trimmed_labels=trimmed failed near_duplicates near_duplicate_count",
            failed=lambda evaluation: [_failure(entry) for entry in evaluation.failed],
        ),
    },
    "Model": _keys("model=name default_version versions=version_count classes create_time update_time"),
    "Dataset": _keys(
        "dataset=name examples=example_count classes conflicts=conflict_count stale=stale_count backbone"
        " backbone_digest create_time update_time precisions views pool=pool_count captured=captured_count"
    ),
    "Drift": _keys(
        "model version state drifting images=image_count training_images=training_image_count start_time signals"
        " alarm_time alarms=alarm_count last_alarm_time block_size false_alarms_per_million"
    ),
    "MovedDataset": {
        **_within("dataset", _keys("dataset=name backbone backbone_digest")),
        **_keys("sent present missing failed", failed=lambda moved: [_failure(entry) for entry in moved.failed]),
    },
    "StoredExample": _STORED,
    "ReviewedExample": {
        **_within("example", _STORED),
        **_keys("label label_probability suggested_label suggested_probability"),
    },
    "SuggestedExample": {
        **_within("example", _keys("id sha256")),
        **_keys(
            "guess score scores",
            guess=lambda entry: entry.scores[0].label if entry.scores else None,
            score=lambda entry: entry.scores[0].score if entry.scores else None,
        ),
    },
    "SimilarExample": {**_within("example", _STORED), **_keys("distance")},
    "ServerStatus": _keys("server serving services backbone", backbone=lambda status: status.backbone or None),
}
"""What is printed of each type of result, by its name, whose JSON is not just its fields."""

_MULTI_LABEL_KEYS: Final[Mapping[str, _Keys]] = {
    "Prediction": _keys("multi_label labels"),
    "ModelVersion": _keys(
        "multi_label metrics label_thresholds label_temperatures label_min_precision label_max_distance",
        metrics=lambda version: version.multi_label_cross_validation,
    ),
    "Dataset": _keys("multi_label without_label=without_label_count"),
    "Evaluation": _keys(
        "examples metrics",
        examples=lambda evaluation: evaluation.multi_label_metrics.example_count,
        metrics=lambda evaluation: evaluation.multi_label_metrics,
    ),
}
"""What is printed beside it where images may have several labels."""
