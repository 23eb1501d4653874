from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class View(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VIEW_UNSPECIFIED: _ClassVar[View]
    VIEW_CROP: _ClassVar[View]
    VIEW_WHOLE: _ClassVar[View]
    VIEW_CROP_FLIPPED: _ClassVar[View]
    VIEW_WHOLE_FLIPPED: _ClassVar[View]

class TapKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TAP_KIND_UNSPECIFIED: _ClassVar[TapKind]
    TAP_KIND_SPATIAL_MEAN: _ClassVar[TapKind]
    TAP_KIND_VECTOR: _ClassVar[TapKind]
    TAP_KIND_CLASS_SCORES: _ClassVar[TapKind]

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_FIELD: _ClassVar[ErrorReason]
    ERROR_REASON_IMAGE_EMPTY: _ClassVar[ErrorReason]
    ERROR_REASON_IMAGE_UNDECODABLE: _ClassVar[ErrorReason]
    ERROR_REASON_IMAGE_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_RESOURCE_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_DATASET_NOT_TRAINABLE: _ClassVar[ErrorReason]
    ERROR_REASON_BACKBONE_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_RECIPE_NOT_SUPPORTED: _ClassVar[ErrorReason]
    ERROR_REASON_VERSION_IN_USE: _ClassVar[ErrorReason]
    ERROR_REASON_OVERLOADED: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_FEATURIZER_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_READY: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE_PASSED: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_CORRUPT: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_ID_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_READ_ONLY: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_EXPLAINABLE: _ClassVar[ErrorReason]
    ERROR_REASON_UNAUTHENTICATED: _ClassVar[ErrorReason]
    ERROR_REASON_PERMISSION_DENIED: _ClassVar[ErrorReason]
    ERROR_REASON_IMAGE_TOO_COMPLEX: _ClassVar[ErrorReason]
    ERROR_REASON_FEATURES_TOO_FAR: _ClassVar[ErrorReason]
    ERROR_REASON_VIEW_NOT_OFFERED: _ClassVar[ErrorReason]
    ERROR_REASON_MAP_NOT_OFFERED: _ClassVar[ErrorReason]
VIEW_UNSPECIFIED: View
VIEW_CROP: View
VIEW_WHOLE: View
VIEW_CROP_FLIPPED: View
VIEW_WHOLE_FLIPPED: View
TAP_KIND_UNSPECIFIED: TapKind
TAP_KIND_SPATIAL_MEAN: TapKind
TAP_KIND_VECTOR: TapKind
TAP_KIND_CLASS_SCORES: TapKind
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_INVALID_FIELD: ErrorReason
ERROR_REASON_IMAGE_EMPTY: ErrorReason
ERROR_REASON_IMAGE_UNDECODABLE: ErrorReason
ERROR_REASON_IMAGE_TOO_LARGE: ErrorReason
ERROR_REASON_RESOURCE_NOT_FOUND: ErrorReason
ERROR_REASON_DATASET_NOT_TRAINABLE: ErrorReason
ERROR_REASON_BACKBONE_MISMATCH: ErrorReason
ERROR_REASON_RECIPE_NOT_SUPPORTED: ErrorReason
ERROR_REASON_VERSION_IN_USE: ErrorReason
ERROR_REASON_OVERLOADED: ErrorReason
ERROR_REASON_STORE_FULL: ErrorReason
ERROR_REASON_FEATURIZER_UNAVAILABLE: ErrorReason
ERROR_REASON_NOT_READY: ErrorReason
ERROR_REASON_DEADLINE_PASSED: ErrorReason
ERROR_REASON_STORE_CORRUPT: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_REQUEST_ID_REUSED: ErrorReason
ERROR_REASON_STORE_READ_ONLY: ErrorReason
ERROR_REASON_NOT_EXPLAINABLE: ErrorReason
ERROR_REASON_UNAUTHENTICATED: ErrorReason
ERROR_REASON_PERMISSION_DENIED: ErrorReason
ERROR_REASON_IMAGE_TOO_COMPLEX: ErrorReason
ERROR_REASON_FEATURES_TOO_FAR: ErrorReason
ERROR_REASON_VIEW_NOT_OFFERED: ErrorReason
ERROR_REASON_MAP_NOT_OFFERED: ErrorReason

class Image(_message.Message):
    __slots__ = ("id", "content")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    content: bytes
    def __init__(self, id: _Optional[str] = ..., content: _Optional[bytes] = ...) -> None: ...

class ImageRegion(_message.Message):
    __slots__ = ("left", "top", "right", "bottom")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    BOTTOM_FIELD_NUMBER: _ClassVar[int]
    left: float
    top: float
    right: float
    bottom: float
    def __init__(self, left: _Optional[float] = ..., top: _Optional[float] = ..., right: _Optional[float] = ..., bottom: _Optional[float] = ...) -> None: ...

class Tap(_message.Message):
    __slots__ = ("name", "kind", "dimension", "mean_cosine", "least_cosine")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    MEAN_COSINE_FIELD_NUMBER: _ClassVar[int]
    LEAST_COSINE_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: TapKind
    dimension: int
    mean_cosine: float
    least_cosine: float
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[TapKind, str]] = ..., dimension: _Optional[int] = ..., mean_cosine: _Optional[float] = ..., least_cosine: _Optional[float] = ...) -> None: ...

class Backbone(_message.Message):
    __slots__ = ("name", "digest", "taps", "image_width", "image_height", "device", "precision", "max_images_per_request", "max_image_pixels", "max_message_bytes", "engine", "former_digests", "imagenet_accuracy", "relative_speed", "others", "views")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    TAPS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    IMAGE_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGES_PER_REQUEST_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    FORMER_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    IMAGENET_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_SPEED_FIELD_NUMBER: _ClassVar[int]
    OTHERS_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    taps: _containers.RepeatedCompositeFieldContainer[Tap]
    image_width: int
    image_height: int
    device: str
    precision: str
    max_images_per_request: int
    max_image_pixels: int
    max_message_bytes: int
    engine: str
    former_digests: _containers.RepeatedCompositeFieldContainer[FormerDigest]
    imagenet_accuracy: float
    relative_speed: float
    others: _containers.RepeatedCompositeFieldContainer[AvailableBackbone]
    views: _containers.RepeatedScalarFieldContainer[View]
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ..., taps: _Optional[_Iterable[_Union[Tap, _Mapping]]] = ..., image_width: _Optional[int] = ..., image_height: _Optional[int] = ..., device: _Optional[str] = ..., precision: _Optional[str] = ..., max_images_per_request: _Optional[int] = ..., max_image_pixels: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., engine: _Optional[str] = ..., former_digests: _Optional[_Iterable[_Union[FormerDigest, _Mapping]]] = ..., imagenet_accuracy: _Optional[float] = ..., relative_speed: _Optional[float] = ..., others: _Optional[_Iterable[_Union[AvailableBackbone, _Mapping]]] = ..., views: _Optional[_Iterable[_Union[View, str]]] = ...) -> None: ...

class AvailableBackbone(_message.Message):
    __slots__ = ("name", "imagenet_accuracy", "relative_speed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IMAGENET_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_SPEED_FIELD_NUMBER: _ClassVar[int]
    name: str
    imagenet_accuracy: float
    relative_speed: float
    def __init__(self, name: _Optional[str] = ..., imagenet_accuracy: _Optional[float] = ..., relative_speed: _Optional[float] = ...) -> None: ...

class FormerDigest(_message.Message):
    __slots__ = ("digest", "precision")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    digest: str
    precision: str
    def __init__(self, digest: _Optional[str] = ..., precision: _Optional[str] = ...) -> None: ...

class FeatureVector(_message.Message):
    __slots__ = ("tap", "values", "view")
    TAP_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    tap: str
    values: bytes
    view: View
    def __init__(self, tap: _Optional[str] = ..., values: _Optional[bytes] = ..., view: _Optional[_Union[View, str]] = ...) -> None: ...

class LabelScore(_message.Message):
    __slots__ = ("label", "score")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    label: str
    score: float
    def __init__(self, label: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class ClassMetrics(_message.Message):
    __slots__ = ("label", "example_count", "log_loss", "precision", "recall")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    LOG_LOSS_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    label: str
    example_count: int
    log_loss: float
    precision: float
    recall: float
    def __init__(self, label: _Optional[str] = ..., example_count: _Optional[int] = ..., log_loss: _Optional[float] = ..., precision: _Optional[float] = ..., recall: _Optional[float] = ...) -> None: ...

class Metrics(_message.Message):
    __slots__ = ("example_count", "log_loss", "log_loss_reduction", "micro_accuracy", "macro_accuracy", "classes", "confusion_matrix", "micro_accuracy_interval", "log_loss_interval", "expected_calibration_error", "reliability", "interval_inflation")
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    LOG_LOSS_FIELD_NUMBER: _ClassVar[int]
    LOG_LOSS_REDUCTION_FIELD_NUMBER: _ClassVar[int]
    MICRO_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    MACRO_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    CONFUSION_MATRIX_FIELD_NUMBER: _ClassVar[int]
    MICRO_ACCURACY_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    LOG_LOSS_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_CALIBRATION_ERROR_FIELD_NUMBER: _ClassVar[int]
    RELIABILITY_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_INFLATION_FIELD_NUMBER: _ClassVar[int]
    example_count: int
    log_loss: float
    log_loss_reduction: float
    micro_accuracy: float
    macro_accuracy: float
    classes: _containers.RepeatedCompositeFieldContainer[ClassMetrics]
    confusion_matrix: _containers.RepeatedScalarFieldContainer[int]
    micro_accuracy_interval: Interval
    log_loss_interval: Interval
    expected_calibration_error: float
    reliability: _containers.RepeatedCompositeFieldContainer[ReliabilityBin]
    interval_inflation: float
    def __init__(self, example_count: _Optional[int] = ..., log_loss: _Optional[float] = ..., log_loss_reduction: _Optional[float] = ..., micro_accuracy: _Optional[float] = ..., macro_accuracy: _Optional[float] = ..., classes: _Optional[_Iterable[_Union[ClassMetrics, _Mapping]]] = ..., confusion_matrix: _Optional[_Iterable[int]] = ..., micro_accuracy_interval: _Optional[_Union[Interval, _Mapping]] = ..., log_loss_interval: _Optional[_Union[Interval, _Mapping]] = ..., expected_calibration_error: _Optional[float] = ..., reliability: _Optional[_Iterable[_Union[ReliabilityBin, _Mapping]]] = ..., interval_inflation: _Optional[float] = ...) -> None: ...

class MultiLabelMetrics(_message.Message):
    __slots__ = ("example_count", "log_loss", "labels", "micro_average_precision", "macro_average_precision", "micro_f1", "macro_f1", "exact_match", "exact_match_interval")
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    LOG_LOSS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    MICRO_AVERAGE_PRECISION_FIELD_NUMBER: _ClassVar[int]
    MACRO_AVERAGE_PRECISION_FIELD_NUMBER: _ClassVar[int]
    MICRO_F1_FIELD_NUMBER: _ClassVar[int]
    MACRO_F1_FIELD_NUMBER: _ClassVar[int]
    EXACT_MATCH_FIELD_NUMBER: _ClassVar[int]
    EXACT_MATCH_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    example_count: int
    log_loss: float
    labels: _containers.RepeatedCompositeFieldContainer[LabelMetrics]
    micro_average_precision: float
    macro_average_precision: float
    micro_f1: float
    macro_f1: float
    exact_match: float
    exact_match_interval: Interval
    def __init__(self, example_count: _Optional[int] = ..., log_loss: _Optional[float] = ..., labels: _Optional[_Iterable[_Union[LabelMetrics, _Mapping]]] = ..., micro_average_precision: _Optional[float] = ..., macro_average_precision: _Optional[float] = ..., micro_f1: _Optional[float] = ..., macro_f1: _Optional[float] = ..., exact_match: _Optional[float] = ..., exact_match_interval: _Optional[_Union[Interval, _Mapping]] = ...) -> None: ...

class LabelMetrics(_message.Message):
    __slots__ = ("label", "example_count", "average_precision", "threshold", "precision", "recall", "f1", "log_loss", "curve")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_PRECISION_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    F1_FIELD_NUMBER: _ClassVar[int]
    LOG_LOSS_FIELD_NUMBER: _ClassVar[int]
    CURVE_FIELD_NUMBER: _ClassVar[int]
    label: str
    example_count: int
    average_precision: float
    threshold: float
    precision: float
    recall: float
    f1: float
    log_loss: float
    curve: _containers.RepeatedCompositeFieldContainer[PrecisionRecallPoint]
    def __init__(self, label: _Optional[str] = ..., example_count: _Optional[int] = ..., average_precision: _Optional[float] = ..., threshold: _Optional[float] = ..., precision: _Optional[float] = ..., recall: _Optional[float] = ..., f1: _Optional[float] = ..., log_loss: _Optional[float] = ..., curve: _Optional[_Iterable[_Union[PrecisionRecallPoint, _Mapping]]] = ...) -> None: ...

class PrecisionRecallPoint(_message.Message):
    __slots__ = ("threshold", "precision", "recall")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    threshold: float
    precision: float
    recall: float
    def __init__(self, threshold: _Optional[float] = ..., precision: _Optional[float] = ..., recall: _Optional[float] = ...) -> None: ...

class Interval(_message.Message):
    __slots__ = ("lower", "upper")
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    lower: float
    upper: float
    def __init__(self, lower: _Optional[float] = ..., upper: _Optional[float] = ...) -> None: ...

class ReliabilityBin(_message.Message):
    __slots__ = ("lower", "upper", "example_count", "mean_probability", "accuracy")
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEAN_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    lower: float
    upper: float
    example_count: int
    mean_probability: float
    accuracy: float
    def __init__(self, lower: _Optional[float] = ..., upper: _Optional[float] = ..., example_count: _Optional[int] = ..., mean_probability: _Optional[float] = ..., accuracy: _Optional[float] = ...) -> None: ...
