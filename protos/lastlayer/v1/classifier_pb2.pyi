import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from lastlayer.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Recipe(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECIPE_UNSPECIFIED: _ClassVar[Recipe]
    RECIPE_AUTO: _ClassVar[Recipe]
    RECIPE_TUTORIAL: _ClassVar[Recipe]

class Preference(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PREFERENCE_UNSPECIFIED: _ClassVar[Preference]
    PREFERENCE_QUALITY: _ClassVar[Preference]
    PREFERENCE_SPEED: _ClassVar[Preference]

class ClassWeight(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLASS_WEIGHT_UNSPECIFIED: _ClassVar[ClassWeight]
    CLASS_WEIGHT_NONE: _ClassVar[ClassWeight]
    CLASS_WEIGHT_BALANCED: _ClassVar[ClassWeight]

class ReviewKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REVIEW_KIND_UNSPECIFIED: _ClassVar[ReviewKind]
    REVIEW_KIND_SUSPICIOUS_LABELS: _ClassVar[ReviewKind]
    REVIEW_KIND_MISTAKES: _ClassVar[ReviewKind]

class PoolSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POOL_SOURCE_UNSPECIFIED: _ClassVar[PoolSource]
    POOL_SOURCE_ADDED: _ClassVar[PoolSource]
    POOL_SOURCE_CAPTURED: _ClassVar[PoolSource]

class NextStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NEXT_STRATEGY_UNSPECIFIED: _ClassVar[NextStrategy]
    NEXT_STRATEGY_TYPICAL: _ClassVar[NextStrategy]
    NEXT_STRATEGY_UNCERTAIN: _ClassVar[NextStrategy]

class MapMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MAP_METHOD_UNSPECIFIED: _ClassVar[MapMethod]
    MAP_METHOD_PCA: _ClassVar[MapMethod]
    MAP_METHOD_NEIGHBORS: _ClassVar[MapMethod]

class DriftState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRIFT_STATE_UNSPECIFIED: _ClassVar[DriftState]
    DRIFT_STATE_NO_REFERENCE: _ClassVar[DriftState]
    DRIFT_STATE_TOO_FEW_EXAMPLES: _ClassVar[DriftState]
    DRIFT_STATE_TOO_FEW_IMAGES: _ClassVar[DriftState]
    DRIFT_STATE_STEADY: _ClassVar[DriftState]
    DRIFT_STATE_DRIFTING: _ClassVar[DriftState]

class DriftKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRIFT_KIND_UNSPECIFIED: _ClassVar[DriftKind]
    DRIFT_KIND_SCORE: _ClassVar[DriftKind]
    DRIFT_KIND_UNKNOWN: _ClassVar[DriftKind]
    DRIFT_KIND_DISTANCE: _ClassVar[DriftKind]
    DRIFT_KIND_FEATURES: _ClassVar[DriftKind]
    DRIFT_KIND_STRENGTH: _ClassVar[DriftKind]
RECIPE_UNSPECIFIED: Recipe
RECIPE_AUTO: Recipe
RECIPE_TUTORIAL: Recipe
PREFERENCE_UNSPECIFIED: Preference
PREFERENCE_QUALITY: Preference
PREFERENCE_SPEED: Preference
CLASS_WEIGHT_UNSPECIFIED: ClassWeight
CLASS_WEIGHT_NONE: ClassWeight
CLASS_WEIGHT_BALANCED: ClassWeight
REVIEW_KIND_UNSPECIFIED: ReviewKind
REVIEW_KIND_SUSPICIOUS_LABELS: ReviewKind
REVIEW_KIND_MISTAKES: ReviewKind
POOL_SOURCE_UNSPECIFIED: PoolSource
POOL_SOURCE_ADDED: PoolSource
POOL_SOURCE_CAPTURED: PoolSource
NEXT_STRATEGY_UNSPECIFIED: NextStrategy
NEXT_STRATEGY_TYPICAL: NextStrategy
NEXT_STRATEGY_UNCERTAIN: NextStrategy
MAP_METHOD_UNSPECIFIED: MapMethod
MAP_METHOD_PCA: MapMethod
MAP_METHOD_NEIGHBORS: MapMethod
DRIFT_STATE_UNSPECIFIED: DriftState
DRIFT_STATE_NO_REFERENCE: DriftState
DRIFT_STATE_TOO_FEW_EXAMPLES: DriftState
DRIFT_STATE_TOO_FEW_IMAGES: DriftState
DRIFT_STATE_STEADY: DriftState
DRIFT_STATE_DRIFTING: DriftState
DRIFT_KIND_UNSPECIFIED: DriftKind
DRIFT_KIND_SCORE: DriftKind
DRIFT_KIND_UNKNOWN: DriftKind
DRIFT_KIND_DISTANCE: DriftKind
DRIFT_KIND_FEATURES: DriftKind
DRIFT_KIND_STRENGTH: DriftKind

class Dataset(_message.Message):
    __slots__ = ("name", "example_count", "classes", "backbone", "backbone_digest", "create_time", "update_time", "conflict_count", "stale_count", "precisions", "views", "pool_count", "multi_label", "captured_count", "without_label_count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_COUNT_FIELD_NUMBER: _ClassVar[int]
    STALE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PRECISIONS_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    POOL_COUNT_FIELD_NUMBER: _ClassVar[int]
    MULTI_LABEL_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_COUNT_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_LABEL_COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    example_count: int
    classes: _containers.RepeatedCompositeFieldContainer[ClassCount]
    backbone: str
    backbone_digest: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    conflict_count: int
    stale_count: int
    precisions: _containers.RepeatedCompositeFieldContainer[PrecisionCount]
    views: _containers.RepeatedScalarFieldContainer[_types_pb2.View]
    pool_count: int
    multi_label: bool
    captured_count: int
    without_label_count: int
    def __init__(self, name: _Optional[str] = ..., example_count: _Optional[int] = ..., classes: _Optional[_Iterable[_Union[ClassCount, _Mapping]]] = ..., backbone: _Optional[str] = ..., backbone_digest: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., conflict_count: _Optional[int] = ..., stale_count: _Optional[int] = ..., precisions: _Optional[_Iterable[_Union[PrecisionCount, _Mapping]]] = ..., views: _Optional[_Iterable[_Union[_types_pb2.View, str]]] = ..., pool_count: _Optional[int] = ..., multi_label: _Optional[bool] = ..., captured_count: _Optional[int] = ..., without_label_count: _Optional[int] = ...) -> None: ...

class PrecisionCount(_message.Message):
    __slots__ = ("precision", "example_count")
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    precision: str
    example_count: int
    def __init__(self, precision: _Optional[str] = ..., example_count: _Optional[int] = ...) -> None: ...

class ClassCount(_message.Message):
    __slots__ = ("label", "example_count")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    label: str
    example_count: int
    def __init__(self, label: _Optional[str] = ..., example_count: _Optional[int] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "default_version", "version_count", "create_time", "update_time", "classes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    name: str
    default_version: int
    version_count: int
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    classes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., default_version: _Optional[int] = ..., version_count: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., classes: _Optional[_Iterable[str]] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("model", "version", "dataset", "recipe", "taps", "l1", "l2", "classes", "example_count", "backbone", "backbone_digest", "cross_validation", "comparisons", "create_time", "training_duration", "notes", "class_weight", "calibration", "rejection", "rejection_curve", "trials", "libraries", "whitening", "preference", "square_root", "min_mean_cosine", "views", "multi_label", "multi_label_cross_validation", "label_thresholds", "label_temperatures", "label_min_precision", "label_max_distance")
    class LibrariesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    TAPS_FIELD_NUMBER: _ClassVar[int]
    L1_FIELD_NUMBER: _ClassVar[int]
    L2_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CROSS_VALIDATION_FIELD_NUMBER: _ClassVar[int]
    COMPARISONS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TRAINING_DURATION_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    CLASS_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    REJECTION_FIELD_NUMBER: _ClassVar[int]
    REJECTION_CURVE_FIELD_NUMBER: _ClassVar[int]
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    LIBRARIES_FIELD_NUMBER: _ClassVar[int]
    WHITENING_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    SQUARE_ROOT_FIELD_NUMBER: _ClassVar[int]
    MIN_MEAN_COSINE_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    MULTI_LABEL_FIELD_NUMBER: _ClassVar[int]
    MULTI_LABEL_CROSS_VALIDATION_FIELD_NUMBER: _ClassVar[int]
    LABEL_THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    LABEL_TEMPERATURES_FIELD_NUMBER: _ClassVar[int]
    LABEL_MIN_PRECISION_FIELD_NUMBER: _ClassVar[int]
    LABEL_MAX_DISTANCE_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    dataset: str
    recipe: Recipe
    taps: _containers.RepeatedScalarFieldContainer[str]
    l1: float
    l2: float
    classes: _containers.RepeatedScalarFieldContainer[str]
    example_count: int
    backbone: str
    backbone_digest: str
    cross_validation: _types_pb2.Metrics
    comparisons: _containers.RepeatedCompositeFieldContainer[RecipeEstimate]
    create_time: _timestamp_pb2.Timestamp
    training_duration: _duration_pb2.Duration
    notes: _containers.RepeatedScalarFieldContainer[str]
    class_weight: ClassWeight
    calibration: Calibration
    rejection: Rejection
    rejection_curve: _containers.RepeatedCompositeFieldContainer[RejectionPoint]
    trials: _containers.RepeatedCompositeFieldContainer[Trial]
    libraries: _containers.ScalarMap[str, str]
    whitening: float
    preference: Preference
    square_root: bool
    min_mean_cosine: float
    views: _containers.RepeatedScalarFieldContainer[_types_pb2.View]
    multi_label: bool
    multi_label_cross_validation: _types_pb2.MultiLabelMetrics
    label_thresholds: _containers.RepeatedScalarFieldContainer[float]
    label_temperatures: _containers.RepeatedScalarFieldContainer[float]
    label_min_precision: float
    label_max_distance: float
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., dataset: _Optional[str] = ..., recipe: _Optional[_Union[Recipe, str]] = ..., taps: _Optional[_Iterable[str]] = ..., l1: _Optional[float] = ..., l2: _Optional[float] = ..., classes: _Optional[_Iterable[str]] = ..., example_count: _Optional[int] = ..., backbone: _Optional[str] = ..., backbone_digest: _Optional[str] = ..., cross_validation: _Optional[_Union[_types_pb2.Metrics, _Mapping]] = ..., comparisons: _Optional[_Iterable[_Union[RecipeEstimate, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., training_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., notes: _Optional[_Iterable[str]] = ..., class_weight: _Optional[_Union[ClassWeight, str]] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ..., rejection: _Optional[_Union[Rejection, _Mapping]] = ..., rejection_curve: _Optional[_Iterable[_Union[RejectionPoint, _Mapping]]] = ..., trials: _Optional[_Iterable[_Union[Trial, _Mapping]]] = ..., libraries: _Optional[_Mapping[str, str]] = ..., whitening: _Optional[float] = ..., preference: _Optional[_Union[Preference, str]] = ..., square_root: _Optional[bool] = ..., min_mean_cosine: _Optional[float] = ..., views: _Optional[_Iterable[_Union[_types_pb2.View, str]]] = ..., multi_label: _Optional[bool] = ..., multi_label_cross_validation: _Optional[_Union[_types_pb2.MultiLabelMetrics, _Mapping]] = ..., label_thresholds: _Optional[_Iterable[float]] = ..., label_temperatures: _Optional[_Iterable[float]] = ..., label_min_precision: _Optional[float] = ..., label_max_distance: _Optional[float] = ...) -> None: ...

class Calibration(_message.Message):
    __slots__ = ("temperature", "log_loss_before", "expected_calibration_error_before")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    LOG_LOSS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_CALIBRATION_ERROR_BEFORE_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    log_loss_before: float
    expected_calibration_error_before: float
    def __init__(self, temperature: _Optional[float] = ..., log_loss_before: _Optional[float] = ..., expected_calibration_error_before: _Optional[float] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("threshold", "min_precision", "max_distance", "unfamiliar_share")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MIN_PRECISION_FIELD_NUMBER: _ClassVar[int]
    MAX_DISTANCE_FIELD_NUMBER: _ClassVar[int]
    UNFAMILIAR_SHARE_FIELD_NUMBER: _ClassVar[int]
    threshold: float
    min_precision: float
    max_distance: float
    unfamiliar_share: float
    def __init__(self, threshold: _Optional[float] = ..., min_precision: _Optional[float] = ..., max_distance: _Optional[float] = ..., unfamiliar_share: _Optional[float] = ...) -> None: ...

class RejectionPoint(_message.Message):
    __slots__ = ("threshold", "precision", "coverage")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    threshold: float
    precision: float
    coverage: float
    def __init__(self, threshold: _Optional[float] = ..., precision: _Optional[float] = ..., coverage: _Optional[float] = ...) -> None: ...

class Trial(_message.Message):
    __slots__ = ("taps", "l2", "log_loss", "log_loss_standard_error", "example_count", "chosen", "whitening", "views")
    TAPS_FIELD_NUMBER: _ClassVar[int]
    L2_FIELD_NUMBER: _ClassVar[int]
    LOG_LOSS_FIELD_NUMBER: _ClassVar[int]
    LOG_LOSS_STANDARD_ERROR_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    WHITENING_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    taps: _containers.RepeatedScalarFieldContainer[str]
    l2: float
    log_loss: float
    log_loss_standard_error: float
    example_count: int
    chosen: bool
    whitening: float
    views: _containers.RepeatedScalarFieldContainer[_types_pb2.View]
    def __init__(self, taps: _Optional[_Iterable[str]] = ..., l2: _Optional[float] = ..., log_loss: _Optional[float] = ..., log_loss_standard_error: _Optional[float] = ..., example_count: _Optional[int] = ..., chosen: _Optional[bool] = ..., whitening: _Optional[float] = ..., views: _Optional[_Iterable[_Union[_types_pb2.View, str]]] = ...) -> None: ...

class RecipeEstimate(_message.Message):
    __slots__ = ("recipe", "taps", "cross_validation")
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    TAPS_FIELD_NUMBER: _ClassVar[int]
    CROSS_VALIDATION_FIELD_NUMBER: _ClassVar[int]
    recipe: Recipe
    taps: _containers.RepeatedScalarFieldContainer[str]
    cross_validation: _types_pb2.Metrics
    def __init__(self, recipe: _Optional[_Union[Recipe, str]] = ..., taps: _Optional[_Iterable[str]] = ..., cross_validation: _Optional[_Union[_types_pb2.Metrics, _Mapping]] = ...) -> None: ...

class Example(_message.Message):
    __slots__ = ("id", "label", "labels", "content", "content_sha256")
    ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    id: str
    label: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    content: bytes
    content_sha256: bytes
    def __init__(self, id: _Optional[str] = ..., label: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., content: _Optional[bytes] = ..., content_sha256: _Optional[bytes] = ...) -> None: ...

class AddExamplesRequest(_message.Message):
    __slots__ = ("dataset", "examples", "no_thumbnails", "views", "pool", "multi_label")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    NO_THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    MULTI_LABEL_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    examples: _containers.RepeatedCompositeFieldContainer[Example]
    no_thumbnails: bool
    views: _containers.RepeatedScalarFieldContainer[_types_pb2.View]
    pool: bool
    multi_label: bool
    def __init__(self, dataset: _Optional[str] = ..., examples: _Optional[_Iterable[_Union[Example, _Mapping]]] = ..., no_thumbnails: _Optional[bool] = ..., views: _Optional[_Iterable[_Union[_types_pb2.View, str]]] = ..., pool: _Optional[bool] = ..., multi_label: _Optional[bool] = ...) -> None: ...

class AddExamplesResponse(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[ExampleOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[ExampleOutcome, _Mapping]]] = ...) -> None: ...

class ExampleOutcome(_message.Message):
    __slots__ = ("id", "content_sha256", "label", "label_trimmed", "added", "present", "content_needed", "conflict", "error", "labels")
    class Added(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Present(_message.Message):
        __slots__ = ("relabelled",)
        RELABELLED_FIELD_NUMBER: _ClassVar[int]
        relabelled: bool
        def __init__(self, relabelled: _Optional[bool] = ...) -> None: ...
    class ContentNeeded(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Conflict(_message.Message):
        __slots__ = ("labels",)
        LABELS_FIELD_NUMBER: _ClassVar[int]
        labels: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, labels: _Optional[_Iterable[str]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_TRIMMED_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_NEEDED_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    id: str
    content_sha256: bytes
    label: str
    label_trimmed: bool
    added: ExampleOutcome.Added
    present: ExampleOutcome.Present
    content_needed: ExampleOutcome.ContentNeeded
    conflict: ExampleOutcome.Conflict
    error: _status_pb2.Status
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., content_sha256: _Optional[bytes] = ..., label: _Optional[str] = ..., label_trimmed: _Optional[bool] = ..., added: _Optional[_Union[ExampleOutcome.Added, _Mapping]] = ..., present: _Optional[_Union[ExampleOutcome.Present, _Mapping]] = ..., content_needed: _Optional[_Union[ExampleOutcome.ContentNeeded, _Mapping]] = ..., conflict: _Optional[_Union[ExampleOutcome.Conflict, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class TrainRequest(_message.Message):
    __slots__ = ("model", "dataset", "recipe", "request_id", "class_weight", "min_precision", "preference", "compare", "unfamiliar_share")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CLASS_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    MIN_PRECISION_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    COMPARE_FIELD_NUMBER: _ClassVar[int]
    UNFAMILIAR_SHARE_FIELD_NUMBER: _ClassVar[int]
    model: str
    dataset: str
    recipe: Recipe
    request_id: str
    class_weight: ClassWeight
    min_precision: float
    preference: Preference
    compare: bool
    unfamiliar_share: float
    def __init__(self, model: _Optional[str] = ..., dataset: _Optional[str] = ..., recipe: _Optional[_Union[Recipe, str]] = ..., request_id: _Optional[str] = ..., class_weight: _Optional[_Union[ClassWeight, str]] = ..., min_precision: _Optional[float] = ..., preference: _Optional[_Union[Preference, str]] = ..., compare: _Optional[bool] = ..., unfamiliar_share: _Optional[float] = ...) -> None: ...

class TrainResponse(_message.Message):
    __slots__ = ("progress", "version")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    progress: TrainProgress
    version: ModelVersion
    def __init__(self, progress: _Optional[_Union[TrainProgress, _Mapping]] = ..., version: _Optional[_Union[ModelVersion, _Mapping]] = ...) -> None: ...

class TrainProgress(_message.Message):
    __slots__ = ("message", "fraction")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    message: str
    fraction: float
    def __init__(self, message: _Optional[str] = ..., fraction: _Optional[float] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("model", "version", "images", "top_k", "threshold")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    images: _containers.RepeatedCompositeFieldContainer[_types_pb2.Image]
    top_k: int
    threshold: float
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., images: _Optional[_Iterable[_Union[_types_pb2.Image, _Mapping]]] = ..., top_k: _Optional[int] = ..., threshold: _Optional[float] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("results", "model", "version")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ImagePrediction]
    model: str
    version: int
    def __init__(self, results: _Optional[_Iterable[_Union[ImagePrediction, _Mapping]]] = ..., model: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ImagePrediction(_message.Message):
    __slots__ = ("id", "prediction", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    prediction: Prediction
    error: _status_pb2.Status
    def __init__(self, id: _Optional[str] = ..., prediction: _Optional[_Union[Prediction, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class Prediction(_message.Message):
    __slots__ = ("scores", "rejected", "distance", "unfamiliar", "multi_label", "labels")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    UNFAMILIAR_FIELD_NUMBER: _ClassVar[int]
    MULTI_LABEL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[_types_pb2.LabelScore]
    rejected: bool
    distance: float
    unfamiliar: bool
    multi_label: bool
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, scores: _Optional[_Iterable[_Union[_types_pb2.LabelScore, _Mapping]]] = ..., rejected: _Optional[bool] = ..., distance: _Optional[float] = ..., unfamiliar: _Optional[bool] = ..., multi_label: _Optional[bool] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class PredictStreamRequest(_message.Message):
    __slots__ = ("request_id", "request")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    request: PredictRequest
    def __init__(self, request_id: _Optional[str] = ..., request: _Optional[_Union[PredictRequest, _Mapping]] = ...) -> None: ...

class PredictStreamResponse(_message.Message):
    __slots__ = ("request_id", "response", "error")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    response: PredictResponse
    error: _status_pb2.Status
    def __init__(self, request_id: _Optional[str] = ..., response: _Optional[_Union[PredictResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class EvaluateRequest(_message.Message):
    __slots__ = ("model", "version", "examples")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    examples: _containers.RepeatedCompositeFieldContainer[Example]
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., examples: _Optional[_Iterable[_Union[Example, _Mapping]]] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("progress", "evaluation")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    progress: EvaluateProgress
    evaluation: Evaluation
    def __init__(self, progress: _Optional[_Union[EvaluateProgress, _Mapping]] = ..., evaluation: _Optional[_Union[Evaluation, _Mapping]] = ...) -> None: ...

class EvaluateProgress(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ExampleEvaluation]
    def __init__(self, results: _Optional[_Iterable[_Union[ExampleEvaluation, _Mapping]]] = ...) -> None: ...

class ExampleEvaluation(_message.Message):
    __slots__ = ("id", "label", "label_trimmed", "label_known", "predicted", "error", "labels", "predicted_labels")
    ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_TRIMMED_FIELD_NUMBER: _ClassVar[int]
    LABEL_KNOWN_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_LABELS_FIELD_NUMBER: _ClassVar[int]
    id: str
    label: str
    label_trimmed: bool
    label_known: bool
    predicted: _types_pb2.LabelScore
    error: _status_pb2.Status
    labels: _containers.RepeatedScalarFieldContainer[str]
    predicted_labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., label: _Optional[str] = ..., label_trimmed: _Optional[bool] = ..., label_known: _Optional[bool] = ..., predicted: _Optional[_Union[_types_pb2.LabelScore, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., labels: _Optional[_Iterable[str]] = ..., predicted_labels: _Optional[_Iterable[str]] = ...) -> None: ...

class Evaluation(_message.Message):
    __slots__ = ("model", "version", "metrics", "failed_count", "unknown_labels", "near_duplicates", "near_duplicate_count", "multi_label_metrics")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_LABELS_FIELD_NUMBER: _ClassVar[int]
    NEAR_DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    NEAR_DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MULTI_LABEL_METRICS_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    metrics: _types_pb2.Metrics
    failed_count: int
    unknown_labels: _containers.RepeatedCompositeFieldContainer[ClassCount]
    near_duplicates: _containers.RepeatedCompositeFieldContainer[NearDuplicate]
    near_duplicate_count: int
    multi_label_metrics: _types_pb2.MultiLabelMetrics
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., metrics: _Optional[_Union[_types_pb2.Metrics, _Mapping]] = ..., failed_count: _Optional[int] = ..., unknown_labels: _Optional[_Iterable[_Union[ClassCount, _Mapping]]] = ..., near_duplicates: _Optional[_Iterable[_Union[NearDuplicate, _Mapping]]] = ..., near_duplicate_count: _Optional[int] = ..., multi_label_metrics: _Optional[_Union[_types_pb2.MultiLabelMetrics, _Mapping]] = ...) -> None: ...

class NearDuplicate(_message.Message):
    __slots__ = ("id", "training_id", "training_label", "similarity")
    ID_FIELD_NUMBER: _ClassVar[int]
    TRAINING_ID_FIELD_NUMBER: _ClassVar[int]
    TRAINING_LABEL_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    id: str
    training_id: str
    training_label: str
    similarity: float
    def __init__(self, id: _Optional[str] = ..., training_id: _Optional[str] = ..., training_label: _Optional[str] = ..., similarity: _Optional[float] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("model", "version", "image", "label")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    image: _types_pb2.Image
    label: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., image: _Optional[_Union[_types_pb2.Image, _Mapping]] = ..., label: _Optional[str] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("model", "version", "label", "probability", "logit", "bias", "height", "width", "contributions", "region", "prediction")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    LOGIT_FIELD_NUMBER: _ClassVar[int]
    BIAS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    label: str
    probability: float
    logit: float
    bias: float
    height: int
    width: int
    contributions: _containers.RepeatedScalarFieldContainer[float]
    region: _types_pb2.ImageRegion
    prediction: Prediction
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., label: _Optional[str] = ..., probability: _Optional[float] = ..., logit: _Optional[float] = ..., bias: _Optional[float] = ..., height: _Optional[int] = ..., width: _Optional[int] = ..., contributions: _Optional[_Iterable[float]] = ..., region: _Optional[_Union[_types_pb2.ImageRegion, _Mapping]] = ..., prediction: _Optional[_Union[Prediction, _Mapping]] = ...) -> None: ...

class ExampleSelector(_message.Message):
    __slots__ = ("content_sha256", "id")
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    content_sha256: bytes
    id: str
    def __init__(self, content_sha256: _Optional[bytes] = ..., id: _Optional[str] = ...) -> None: ...

class StoredExample(_message.Message):
    __slots__ = ("id", "content_sha256", "labels", "stale", "thumbnail", "source", "pool_time")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    POOL_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    content_sha256: bytes
    labels: _containers.RepeatedScalarFieldContainer[str]
    stale: bool
    thumbnail: bytes
    source: PoolSource
    pool_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., content_sha256: _Optional[bytes] = ..., labels: _Optional[_Iterable[str]] = ..., stale: _Optional[bool] = ..., thumbnail: _Optional[bytes] = ..., source: _Optional[_Union[PoolSource, str]] = ..., pool_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListExamplesRequest(_message.Message):
    __slots__ = ("dataset", "page_size", "page_token", "label", "conflicts_only", "stale_only", "thumbnails", "pool", "selected")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CONFLICTS_ONLY_FIELD_NUMBER: _ClassVar[int]
    STALE_ONLY_FIELD_NUMBER: _ClassVar[int]
    THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    SELECTED_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    page_size: int
    page_token: str
    label: str
    conflicts_only: bool
    stale_only: bool
    thumbnails: bool
    pool: bool
    selected: _containers.RepeatedCompositeFieldContainer[ExampleSelector]
    def __init__(self, dataset: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., label: _Optional[str] = ..., conflicts_only: _Optional[bool] = ..., stale_only: _Optional[bool] = ..., thumbnails: _Optional[bool] = ..., pool: _Optional[bool] = ..., selected: _Optional[_Iterable[_Union[ExampleSelector, _Mapping]]] = ...) -> None: ...

class ListExamplesResponse(_message.Message):
    __slots__ = ("examples", "next_page_token")
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    examples: _containers.RepeatedCompositeFieldContainer[StoredExample]
    next_page_token: str
    def __init__(self, examples: _Optional[_Iterable[_Union[StoredExample, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class FeatureBlock(_message.Message):
    __slots__ = ("tap", "values")
    TAP_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    tap: str
    values: bytes
    def __init__(self, tap: _Optional[str] = ..., values: _Optional[bytes] = ...) -> None: ...

class AddFeaturesRequest(_message.Message):
    __slots__ = ("dataset", "backbone_digest", "precision", "examples", "features", "multi_label")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    MULTI_LABEL_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    backbone_digest: str
    precision: str
    examples: _containers.RepeatedCompositeFieldContainer[Example]
    features: _containers.RepeatedCompositeFieldContainer[FeatureBlock]
    multi_label: bool
    def __init__(self, dataset: _Optional[str] = ..., backbone_digest: _Optional[str] = ..., precision: _Optional[str] = ..., examples: _Optional[_Iterable[_Union[Example, _Mapping]]] = ..., features: _Optional[_Iterable[_Union[FeatureBlock, _Mapping]]] = ..., multi_label: _Optional[bool] = ...) -> None: ...

class AddFeaturesResponse(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[ExampleOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[ExampleOutcome, _Mapping]]] = ...) -> None: ...

class ListFeaturesRequest(_message.Message):
    __slots__ = ("dataset", "page_size", "page_token")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    page_size: int
    page_token: str
    def __init__(self, dataset: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListFeaturesResponse(_message.Message):
    __slots__ = ("backbone", "examples", "features", "next_page_token", "multi_label")
    BACKBONE_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MULTI_LABEL_FIELD_NUMBER: _ClassVar[int]
    backbone: _types_pb2.Backbone
    examples: _containers.RepeatedCompositeFieldContainer[FeaturizedExample]
    features: _containers.RepeatedCompositeFieldContainer[FeatureBlock]
    next_page_token: str
    multi_label: bool
    def __init__(self, backbone: _Optional[_Union[_types_pb2.Backbone, _Mapping]] = ..., examples: _Optional[_Iterable[_Union[FeaturizedExample, _Mapping]]] = ..., features: _Optional[_Iterable[_Union[FeatureBlock, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., multi_label: _Optional[bool] = ...) -> None: ...

class FeaturizedExample(_message.Message):
    __slots__ = ("id", "content_sha256", "label", "precision", "stale")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    id: str
    content_sha256: bytes
    label: str
    precision: str
    stale: bool
    def __init__(self, id: _Optional[str] = ..., content_sha256: _Optional[bytes] = ..., label: _Optional[str] = ..., precision: _Optional[str] = ..., stale: _Optional[bool] = ...) -> None: ...

class EmbedImagesRequest(_message.Message):
    __slots__ = ("images", "taps")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    TAPS_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[_types_pb2.Image]
    taps: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, images: _Optional[_Iterable[_Union[_types_pb2.Image, _Mapping]]] = ..., taps: _Optional[_Iterable[str]] = ...) -> None: ...

class EmbedImagesResponse(_message.Message):
    __slots__ = ("results", "backbone", "backbone_digest")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ImageEmbedding]
    backbone: str
    backbone_digest: str
    def __init__(self, results: _Optional[_Iterable[_Union[ImageEmbedding, _Mapping]]] = ..., backbone: _Optional[str] = ..., backbone_digest: _Optional[str] = ...) -> None: ...

class ImageEmbedding(_message.Message):
    __slots__ = ("id", "vectors", "precision", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    vectors: _containers.RepeatedCompositeFieldContainer[_types_pb2.FeatureVector]
    precision: str
    error: _status_pb2.Status
    def __init__(self, id: _Optional[str] = ..., vectors: _Optional[_Iterable[_Union[_types_pb2.FeatureVector, _Mapping]]] = ..., precision: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class RelabelExamplesRequest(_message.Message):
    __slots__ = ("dataset", "examples", "label", "to_pool", "labels")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    TO_POOL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    examples: _containers.RepeatedCompositeFieldContainer[ExampleSelector]
    label: str
    to_pool: bool
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dataset: _Optional[str] = ..., examples: _Optional[_Iterable[_Union[ExampleSelector, _Mapping]]] = ..., label: _Optional[str] = ..., to_pool: _Optional[bool] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class RelabelExamplesResponse(_message.Message):
    __slots__ = ("changed_count", "dataset")
    CHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    changed_count: int
    dataset: Dataset
    def __init__(self, changed_count: _Optional[int] = ..., dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class RemoveExamplesRequest(_message.Message):
    __slots__ = ("dataset", "examples")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    examples: _containers.RepeatedCompositeFieldContainer[ExampleSelector]
    def __init__(self, dataset: _Optional[str] = ..., examples: _Optional[_Iterable[_Union[ExampleSelector, _Mapping]]] = ...) -> None: ...

class RemoveExamplesResponse(_message.Message):
    __slots__ = ("removed_count", "dataset")
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    removed_count: int
    dataset: Dataset
    def __init__(self, removed_count: _Optional[int] = ..., dataset: _Optional[_Union[Dataset, _Mapping]] = ...) -> None: ...

class ReviewExamplesRequest(_message.Message):
    __slots__ = ("model", "version", "kind", "page_size", "thumbnails")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    kind: ReviewKind
    page_size: int
    thumbnails: bool
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., kind: _Optional[_Union[ReviewKind, str]] = ..., page_size: _Optional[int] = ..., thumbnails: _Optional[bool] = ...) -> None: ...

class ReviewExamplesResponse(_message.Message):
    __slots__ = ("examples", "total_count")
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    examples: _containers.RepeatedCompositeFieldContainer[ReviewedExample]
    total_count: int
    def __init__(self, examples: _Optional[_Iterable[_Union[ReviewedExample, _Mapping]]] = ..., total_count: _Optional[int] = ...) -> None: ...

class ReviewedExample(_message.Message):
    __slots__ = ("example", "label", "label_probability", "suggested_label", "suggested_probability")
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    SUGGESTED_LABEL_FIELD_NUMBER: _ClassVar[int]
    SUGGESTED_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    example: StoredExample
    label: str
    label_probability: float
    suggested_label: str
    suggested_probability: float
    def __init__(self, example: _Optional[_Union[StoredExample, _Mapping]] = ..., label: _Optional[str] = ..., label_probability: _Optional[float] = ..., suggested_label: _Optional[str] = ..., suggested_probability: _Optional[float] = ...) -> None: ...

class NextExamplesRequest(_message.Message):
    __slots__ = ("dataset", "count", "thumbnails")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    count: int
    thumbnails: bool
    def __init__(self, dataset: _Optional[str] = ..., count: _Optional[int] = ..., thumbnails: _Optional[bool] = ...) -> None: ...

class NextExamplesResponse(_message.Message):
    __slots__ = ("examples", "strategy", "pool_count", "stale_count", "classes")
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    POOL_COUNT_FIELD_NUMBER: _ClassVar[int]
    STALE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    examples: _containers.RepeatedCompositeFieldContainer[SuggestedExample]
    strategy: NextStrategy
    pool_count: int
    stale_count: int
    classes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, examples: _Optional[_Iterable[_Union[SuggestedExample, _Mapping]]] = ..., strategy: _Optional[_Union[NextStrategy, str]] = ..., pool_count: _Optional[int] = ..., stale_count: _Optional[int] = ..., classes: _Optional[_Iterable[str]] = ...) -> None: ...

class SuggestedExample(_message.Message):
    __slots__ = ("example", "scores")
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    example: StoredExample
    scores: _containers.RepeatedCompositeFieldContainer[_types_pb2.LabelScore]
    def __init__(self, example: _Optional[_Union[StoredExample, _Mapping]] = ..., scores: _Optional[_Iterable[_Union[_types_pb2.LabelScore, _Mapping]]] = ...) -> None: ...

class SimilarRequest(_message.Message):
    __slots__ = ("dataset", "image", "example", "count", "label", "pool", "thumbnails")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    image: _types_pb2.Image
    example: ExampleSelector
    count: int
    label: str
    pool: bool
    thumbnails: bool
    def __init__(self, dataset: _Optional[str] = ..., image: _Optional[_Union[_types_pb2.Image, _Mapping]] = ..., example: _Optional[_Union[ExampleSelector, _Mapping]] = ..., count: _Optional[int] = ..., label: _Optional[str] = ..., pool: _Optional[bool] = ..., thumbnails: _Optional[bool] = ...) -> None: ...

class SimilarResponse(_message.Message):
    __slots__ = ("examples", "compared_count", "stale_count")
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    COMPARED_COUNT_FIELD_NUMBER: _ClassVar[int]
    STALE_COUNT_FIELD_NUMBER: _ClassVar[int]
    examples: _containers.RepeatedCompositeFieldContainer[SimilarExample]
    compared_count: int
    stale_count: int
    def __init__(self, examples: _Optional[_Iterable[_Union[SimilarExample, _Mapping]]] = ..., compared_count: _Optional[int] = ..., stale_count: _Optional[int] = ...) -> None: ...

class SimilarExample(_message.Message):
    __slots__ = ("example", "distance")
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    example: StoredExample
    distance: float
    def __init__(self, example: _Optional[_Union[StoredExample, _Mapping]] = ..., distance: _Optional[float] = ...) -> None: ...

class MapExamplesRequest(_message.Message):
    __slots__ = ("dataset", "method", "max_examples", "pool", "model")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    MAX_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    method: MapMethod
    max_examples: int
    pool: bool
    model: str
    def __init__(self, dataset: _Optional[str] = ..., method: _Optional[_Union[MapMethod, str]] = ..., max_examples: _Optional[int] = ..., pool: _Optional[bool] = ..., model: _Optional[str] = ...) -> None: ...

class MapExamplesResponse(_message.Message):
    __slots__ = ("progress", "points")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    progress: TrainProgress
    points: MapPoints
    def __init__(self, progress: _Optional[_Union[TrainProgress, _Mapping]] = ..., points: _Optional[_Union[MapPoints, _Mapping]] = ...) -> None: ...

class MapPoints(_message.Message):
    __slots__ = ("points", "method", "example_count", "stale_count")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    STALE_COUNT_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[MapPoint]
    method: MapMethod
    example_count: int
    stale_count: int
    def __init__(self, points: _Optional[_Iterable[_Union[MapPoint, _Mapping]]] = ..., method: _Optional[_Union[MapMethod, str]] = ..., example_count: _Optional[int] = ..., stale_count: _Optional[int] = ...) -> None: ...

class MapPoint(_message.Message):
    __slots__ = ("id", "content_sha256", "labels", "x", "y", "suspicious", "suggested_label")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    SUSPICIOUS_FIELD_NUMBER: _ClassVar[int]
    SUGGESTED_LABEL_FIELD_NUMBER: _ClassVar[int]
    id: str
    content_sha256: bytes
    labels: _containers.RepeatedScalarFieldContainer[str]
    x: float
    y: float
    suspicious: bool
    suggested_label: str
    def __init__(self, id: _Optional[str] = ..., content_sha256: _Optional[bytes] = ..., labels: _Optional[_Iterable[str]] = ..., x: _Optional[float] = ..., y: _Optional[float] = ..., suspicious: _Optional[bool] = ..., suggested_label: _Optional[str] = ...) -> None: ...

class GetHeadRequest(_message.Message):
    __slots__ = ("model", "version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class Head(_message.Message):
    __slots__ = ("model", "version", "backbone", "backbone_digest", "taps", "unit_length", "classes", "weights", "biases", "square_root", "views", "multi_label", "label_thresholds")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TAPS_FIELD_NUMBER: _ClassVar[int]
    UNIT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    BIASES_FIELD_NUMBER: _ClassVar[int]
    SQUARE_ROOT_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    MULTI_LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    backbone: str
    backbone_digest: str
    taps: _containers.RepeatedCompositeFieldContainer[HeadTap]
    unit_length: bool
    classes: _containers.RepeatedScalarFieldContainer[str]
    weights: bytes
    biases: bytes
    square_root: bool
    views: _containers.RepeatedScalarFieldContainer[_types_pb2.View]
    multi_label: bool
    label_thresholds: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., backbone: _Optional[str] = ..., backbone_digest: _Optional[str] = ..., taps: _Optional[_Iterable[_Union[HeadTap, _Mapping]]] = ..., unit_length: _Optional[bool] = ..., classes: _Optional[_Iterable[str]] = ..., weights: _Optional[bytes] = ..., biases: _Optional[bytes] = ..., square_root: _Optional[bool] = ..., views: _Optional[_Iterable[_Union[_types_pb2.View, str]]] = ..., multi_label: _Optional[bool] = ..., label_thresholds: _Optional[_Iterable[float]] = ...) -> None: ...

class HeadTap(_message.Message):
    __slots__ = ("name", "dimension")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    dimension: int
    def __init__(self, name: _Optional[str] = ..., dimension: _Optional[int] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets", "next_page_token")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    next_page_token: str
    def __init__(self, datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteDatasetRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    next_page_token: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListModelVersionsRequest(_message.Message):
    __slots__ = ("model", "page_size", "page_token")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model: str
    page_size: int
    page_token: str
    def __init__(self, model: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelVersionsResponse(_message.Message):
    __slots__ = ("versions", "next_page_token")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    next_page_token: str
    def __init__(self, versions: _Optional[_Iterable[_Union[ModelVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetModelVersionRequest(_message.Message):
    __slots__ = ("model", "version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GetDriftRequest(_message.Message):
    __slots__ = ("model", "version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class Drift(_message.Message):
    __slots__ = ("model", "version", "state", "image_count", "start_time", "training_image_count", "signals", "alarm_time", "alarm_count", "last_alarm_time", "block_size", "false_alarms_per_million")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    TRAINING_IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    ALARM_TIME_FIELD_NUMBER: _ClassVar[int]
    ALARM_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_ALARM_TIME_FIELD_NUMBER: _ClassVar[int]
    BLOCK_SIZE_FIELD_NUMBER: _ClassVar[int]
    FALSE_ALARMS_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    state: DriftState
    image_count: int
    start_time: _timestamp_pb2.Timestamp
    training_image_count: int
    signals: _containers.RepeatedCompositeFieldContainer[DriftSignal]
    alarm_time: _timestamp_pb2.Timestamp
    alarm_count: int
    last_alarm_time: _timestamp_pb2.Timestamp
    block_size: int
    false_alarms_per_million: float
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., state: _Optional[_Union[DriftState, str]] = ..., image_count: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., training_image_count: _Optional[int] = ..., signals: _Optional[_Iterable[_Union[DriftSignal, _Mapping]]] = ..., alarm_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., alarm_count: _Optional[int] = ..., last_alarm_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., block_size: _Optional[int] = ..., false_alarms_per_million: _Optional[float] = ...) -> None: ...

class DriftSignal(_message.Message):
    __slots__ = ("kind", "name", "level", "image_count", "value", "expected_share", "seen_share")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_SHARE_FIELD_NUMBER: _ClassVar[int]
    SEEN_SHARE_FIELD_NUMBER: _ClassVar[int]
    kind: DriftKind
    name: str
    level: float
    image_count: int
    value: float
    expected_share: float
    seen_share: float
    def __init__(self, kind: _Optional[_Union[DriftKind, str]] = ..., name: _Optional[str] = ..., level: _Optional[float] = ..., image_count: _Optional[int] = ..., value: _Optional[float] = ..., expected_share: _Optional[float] = ..., seen_share: _Optional[float] = ...) -> None: ...

class DeleteModelVersionRequest(_message.Message):
    __slots__ = ("model", "version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class SetDefaultVersionRequest(_message.Message):
    __slots__ = ("model", "version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GetServedBackboneRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
