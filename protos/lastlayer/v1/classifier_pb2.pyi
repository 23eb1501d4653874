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
RECIPE_UNSPECIFIED: Recipe
RECIPE_AUTO: Recipe
RECIPE_TUTORIAL: Recipe

class Dataset(_message.Message):
    __slots__ = ("name", "example_count", "classes", "backbone", "backbone_digest", "create_time", "update_time", "conflict_count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    example_count: int
    classes: _containers.RepeatedCompositeFieldContainer[ClassCount]
    backbone: str
    backbone_digest: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    conflict_count: int
    def __init__(self, name: _Optional[str] = ..., example_count: _Optional[int] = ..., classes: _Optional[_Iterable[_Union[ClassCount, _Mapping]]] = ..., backbone: _Optional[str] = ..., backbone_digest: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., conflict_count: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("model", "version", "dataset", "recipe", "taps", "l1", "l2", "classes", "example_count", "backbone", "backbone_digest", "cross_validation", "comparisons", "create_time", "training_duration", "notes")
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
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., dataset: _Optional[str] = ..., recipe: _Optional[_Union[Recipe, str]] = ..., taps: _Optional[_Iterable[str]] = ..., l1: _Optional[float] = ..., l2: _Optional[float] = ..., classes: _Optional[_Iterable[str]] = ..., example_count: _Optional[int] = ..., backbone: _Optional[str] = ..., backbone_digest: _Optional[str] = ..., cross_validation: _Optional[_Union[_types_pb2.Metrics, _Mapping]] = ..., comparisons: _Optional[_Iterable[_Union[RecipeEstimate, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., training_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

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
    __slots__ = ("id", "label", "content", "content_sha256")
    ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    id: str
    label: str
    content: bytes
    content_sha256: bytes
    def __init__(self, id: _Optional[str] = ..., label: _Optional[str] = ..., content: _Optional[bytes] = ..., content_sha256: _Optional[bytes] = ...) -> None: ...

class AddExamplesRequest(_message.Message):
    __slots__ = ("dataset", "examples")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    examples: _containers.RepeatedCompositeFieldContainer[Example]
    def __init__(self, dataset: _Optional[str] = ..., examples: _Optional[_Iterable[_Union[Example, _Mapping]]] = ...) -> None: ...

class AddExamplesResponse(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[ExampleOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[ExampleOutcome, _Mapping]]] = ...) -> None: ...

class ExampleOutcome(_message.Message):
    __slots__ = ("id", "content_sha256", "label", "label_trimmed", "added", "present", "content_needed", "conflict", "error")
    class Added(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Present(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
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
    id: str
    content_sha256: bytes
    label: str
    label_trimmed: bool
    added: ExampleOutcome.Added
    present: ExampleOutcome.Present
    content_needed: ExampleOutcome.ContentNeeded
    conflict: ExampleOutcome.Conflict
    error: _status_pb2.Status
    def __init__(self, id: _Optional[str] = ..., content_sha256: _Optional[bytes] = ..., label: _Optional[str] = ..., label_trimmed: _Optional[bool] = ..., added: _Optional[_Union[ExampleOutcome.Added, _Mapping]] = ..., present: _Optional[_Union[ExampleOutcome.Present, _Mapping]] = ..., content_needed: _Optional[_Union[ExampleOutcome.ContentNeeded, _Mapping]] = ..., conflict: _Optional[_Union[ExampleOutcome.Conflict, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class TrainRequest(_message.Message):
    __slots__ = ("model", "dataset", "recipe", "request_id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    model: str
    dataset: str
    recipe: Recipe
    request_id: str
    def __init__(self, model: _Optional[str] = ..., dataset: _Optional[str] = ..., recipe: _Optional[_Union[Recipe, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("model", "version", "images", "top_k")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    images: _containers.RepeatedCompositeFieldContainer[_types_pb2.Image]
    top_k: int
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., images: _Optional[_Iterable[_Union[_types_pb2.Image, _Mapping]]] = ..., top_k: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("scores",)
    SCORES_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[_types_pb2.LabelScore]
    def __init__(self, scores: _Optional[_Iterable[_Union[_types_pb2.LabelScore, _Mapping]]] = ...) -> None: ...

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
    __slots__ = ("id", "label", "label_trimmed", "label_known", "predicted", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_TRIMMED_FIELD_NUMBER: _ClassVar[int]
    LABEL_KNOWN_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    label: str
    label_trimmed: bool
    label_known: bool
    predicted: _types_pb2.LabelScore
    error: _status_pb2.Status
    def __init__(self, id: _Optional[str] = ..., label: _Optional[str] = ..., label_trimmed: _Optional[bool] = ..., label_known: _Optional[bool] = ..., predicted: _Optional[_Union[_types_pb2.LabelScore, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class Evaluation(_message.Message):
    __slots__ = ("model", "version", "metrics", "failed_count", "unknown_labels")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_LABELS_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    metrics: _types_pb2.Metrics
    failed_count: int
    unknown_labels: _containers.RepeatedCompositeFieldContainer[ClassCount]
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., metrics: _Optional[_Union[_types_pb2.Metrics, _Mapping]] = ..., failed_count: _Optional[int] = ..., unknown_labels: _Optional[_Iterable[_Union[ClassCount, _Mapping]]] = ...) -> None: ...

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
