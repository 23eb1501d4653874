"""Fills a result from a message by names and types: a result has the fields of its message.

What differs stands in two tables: the fields whose names differ, and those whose values are built otherwise. They name
results by words, so that who reads one result does not import all others.
"""

import dataclasses
import datetime
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from lastlayer.client.errors import ImageError, ServerError
from lastlayer.client.transport.messages.names import CLASS_WEIGHTS, PREFERENCES, RECIPES, VIEWS
from lastlayer.v1 import classifier_pb2, types_pb2

if TYPE_CHECKING:
    from google.rpc import status_pb2

_DRIFT_STATES: Final[Mapping[int, str]] = {
    classifier_pb2.DRIFT_STATE_NO_REFERENCE: "no reference",
    classifier_pb2.DRIFT_STATE_TOO_FEW_EXAMPLES: "too few examples",
    classifier_pb2.DRIFT_STATE_TOO_FEW_IMAGES: "too few images",
    classifier_pb2.DRIFT_STATE_STEADY: "steady",
    classifier_pb2.DRIFT_STATE_DRIFTING: "drifting",
}
_DRIFT_KINDS: Final[Mapping[int, str]] = {
    classifier_pb2.DRIFT_KIND_SCORE: "score",
    classifier_pb2.DRIFT_KIND_UNKNOWN: "unknown",
    classifier_pb2.DRIFT_KIND_DISTANCE: "distance",
    classifier_pb2.DRIFT_KIND_FEATURES: "features",
    classifier_pb2.DRIFT_KIND_STRENGTH: "strength",
}
_POOL_SOURCES: Final = {
    int(classifier_pb2.POOL_SOURCE_ADDED): "added",
    int(classifier_pb2.POOL_SOURCE_CAPTURED): "captured",
}
_VIEW_NAMES: Final = {int(number): name for name, number in VIEWS.items()}
_RECIPE_NAMES: Final = {int(number): name for name, number in RECIPES.items()}
_PREFERENCE_NAMES: Final = {int(number): name for name, number in PREFERENCES.items()}
_CLASS_WEIGHT_NAMES: Final = {int(number): name for name, number in CLASS_WEIGHTS.items()}

HAIR: Final = 1e-6
"""How far beyond its bounds a number may be: sums of floats come out like that."""

ResultT = TypeVar("ResultT")


def read(kind: type[ResultT], message: Message, **known: Any) -> ResultT:
    """Return a message as a result of the given type; the fields in `known` are taken from there instead.

    A field of the message that was not set is None where the result's type allows it. Repeated fields become tuples,
    times have the zone UTC, durations are in seconds. Raises `ServerError` where the message's parts contradict each
    other.
    """
    values = dict(known)
    for field, hint in _fields(typing.cast("Any", kind)).items():
        if field in known:
            continue
        build = BUILT.get(f"{kind.__name__}.{field}")
        name = RENAMED.get(f"{kind.__name__}.{field}", field)
        values[field] = _value(hint, message, name) if build is None else build(message)
        _check(field, values[field])
    return kind(**values)


def _check(field: str, value: Any) -> None:
    """Refuse numbers that nothing sound can be made of, such as a share above 1."""
    if isinstance(value, float):
        sound = -HAIR <= value <= 1 + HAIR if field in _SHARES else math.isfinite(value)
    else:
        sound = not (isinstance(value, int) and value < 0)
    if not sound:
        raise ServerError(f"The server sent {value} as the {field.replace('_', ' ')}.", code="UNKNOWN")


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    """Return the fields of a result with their types."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _value(hint: Any, message: Message, name: str) -> Any:
    value = getattr(message, name)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:  # with None
        return _single(arguments[0], value) if message.HasField(name) else None
    if origin is dict:
        return dict(value)
    if origin is tuple:
        return tuple(_single(arguments[0], entry) for entry in value)
    return _single(hint, value)


def _single(hint: Any, value: Any) -> Any:
    if isinstance(value, Timestamp):
        try:
            return value.ToDatetime(tzinfo=datetime.UTC)
        except (OverflowError, ValueError) as error:
            raise ServerError("The server sent a time that is no date of a calendar.", code="UNKNOWN") from error
    if isinstance(value, Duration):
        return value.ToNanoseconds() / 1e9
    if isinstance(value, types_pb2.Interval):
        return value.lower, value.upper
    return read(hint, value) if isinstance(value, Message) else value


def image_error(status: "status_pb2.Status") -> ImageError:
    """Return why one image failed."""
    from lastlayer.rpc.status import read_status  # most images do not fail

    details = read_status(status)
    return ImageError(details.message, code=details.code.name, reason=details.reason, metadata=details.metadata)


def _matrix(flat: Any, height: int, width: int) -> tuple[tuple[Any, ...], ...]:
    """Return the rows of a matrix that came row by row."""
    if min(height, width) < 0 or len(flat) != height * width:
        raise ServerError(f"The server sent {len(flat)} numbers for {height} rows of {width}.", code="UNKNOWN")
    return tuple(tuple(flat[row * width : (row + 1) * width]) for row in range(height if width else 0))


def _counts(classes: Any) -> dict[str, int]:
    return {entry.label: entry.example_count for entry in classes}


def _recipe(message: Any) -> str:
    # A newer server may know recipes that this client does not.
    return _RECIPE_NAMES.get(message.recipe, f"recipe {message.recipe}")


def _strategy(message: Any) -> str:
    # A newer server may know strategies that this client does not.
    return "typical" if message.strategy == classifier_pb2.NEXT_STRATEGY_TYPICAL else "uncertain"


def _views(message: Any) -> tuple[str, ...]:
    # An older server says none. A newer one may know views that this client does not.
    return tuple(_VIEW_NAMES.get(view, f"view {view}") for view in message.views) or ("crop",)


_SHARES: Final = frozenset(
    {
        "accuracy",
        "average_precision",
        "coverage",
        "exact_match",
        "expected_share",
        "expected_calibration_error",
        "f1",
        "imagenet_accuracy",
        "label_probability",
        "label_min_precision",
        "macro_accuracy",
        "macro_average_precision",
        "macro_f1",
        "mean_probability",
        "micro_average_precision",
        "micro_f1",
        "min_mean_cosine",
        "min_precision",
        "precision",
        "probability",
        "recall",
        "score",
        "seen_share",
        "suggested_probability",
        "unfamiliar_share",
    }
)
"""Fields of results that are from 0 to 1."""

RENAMED: Final[Mapping[str, str]] = {
    "Metrics.accuracy": "micro_accuracy",
    "Metrics.accuracy_interval": "micro_accuracy_interval",
    "ModelVersion.training_duration_s": "training_duration",
    "NearDuplicate.image": "id",
    "MapPoint.sha256": "content_sha256",
    "StoredExample.sha256": "content_sha256",
}
"""The message's names of fields that are called otherwise in results."""

BUILT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "Dataset.classes": lambda message: _counts(message.classes),
    "Dataset.precisions": lambda message: {entry.precision: entry.example_count for entry in message.precisions},
    # A newer server may know states and kinds that this client does not.
    "Drift.state": lambda message: _DRIFT_STATES.get(message.state, f"state {message.state}"),
    "DriftSignal.kind": lambda message: _DRIFT_KINDS.get(message.kind, f"kind {message.kind}"),
    "Evaluation.unknown_labels": lambda message: _counts(message.unknown_labels),
    "Explanation.contributions": lambda message: _matrix(message.contributions, message.height, message.width),
    "Head.taps": lambda message: tuple(tap.name for tap in message.taps),
    "Head.dimensions": lambda message: tuple(tap.dimension for tap in message.taps),
    "Metrics.interval_inflation": lambda message: message.interval_inflation or 1.0,  # 0 of an older server
    "Metrics.confusion_matrix": lambda message: _matrix(message.confusion_matrix, *[len(message.classes)] * 2),
    "ModelVersion.class_weight": lambda message: _CLASS_WEIGHT_NAMES.get(message.class_weight, "none"),
    "ModelVersion.preference": lambda message: _PREFERENCE_NAMES.get(message.preference, "quality"),
    "ModelVersion.recipe": _recipe,
    "NextExamples.strategy": _strategy,
    "RecipeEstimate.recipe": _recipe,
    "StoredExample.source": lambda message: _POOL_SOURCES.get(message.source, ""),
    **dict.fromkeys(("Dataset.views", "Head.views", "ModelVersion.views", "Trial.views"), _views),
}
"""How fields are made from the message that are not just a field of it."""
