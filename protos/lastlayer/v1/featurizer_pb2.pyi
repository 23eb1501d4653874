from google.rpc import status_pb2 as _status_pb2
from lastlayer.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetBackboneRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FeaturizeRequest(_message.Message):
    __slots__ = ("images", "taps", "backbone_digest", "thumbnails", "min_mean_cosine", "perceptual_hashes", "views")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    TAPS_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    MIN_MEAN_COSINE_FIELD_NUMBER: _ClassVar[int]
    PERCEPTUAL_HASHES_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[_types_pb2.Image]
    taps: _containers.RepeatedScalarFieldContainer[str]
    backbone_digest: str
    thumbnails: bool
    min_mean_cosine: float
    perceptual_hashes: bool
    views: _containers.RepeatedScalarFieldContainer[_types_pb2.View]
    def __init__(self, images: _Optional[_Iterable[_Union[_types_pb2.Image, _Mapping]]] = ..., taps: _Optional[_Iterable[str]] = ..., backbone_digest: _Optional[str] = ..., thumbnails: _Optional[bool] = ..., min_mean_cosine: _Optional[float] = ..., perceptual_hashes: _Optional[bool] = ..., views: _Optional[_Iterable[_Union[_types_pb2.View, str]]] = ...) -> None: ...

class ImageFeatures(_message.Message):
    __slots__ = ("id", "features", "error", "thumbnail", "perceptual_hashes")
    ID_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_FIELD_NUMBER: _ClassVar[int]
    PERCEPTUAL_HASHES_FIELD_NUMBER: _ClassVar[int]
    id: str
    features: FeatureVectors
    error: _status_pb2.Status
    thumbnail: bytes
    perceptual_hashes: bytes
    def __init__(self, id: _Optional[str] = ..., features: _Optional[_Union[FeatureVectors, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., thumbnail: _Optional[bytes] = ..., perceptual_hashes: _Optional[bytes] = ...) -> None: ...

class FeatureVectors(_message.Message):
    __slots__ = ("vectors",)
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    vectors: _containers.RepeatedCompositeFieldContainer[_types_pb2.FeatureVector]
    def __init__(self, vectors: _Optional[_Iterable[_Union[_types_pb2.FeatureVector, _Mapping]]] = ...) -> None: ...

class FeaturizeResponse(_message.Message):
    __slots__ = ("results", "backbone_digest", "precision")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ImageFeatures]
    backbone_digest: str
    precision: str
    def __init__(self, results: _Optional[_Iterable[_Union[ImageFeatures, _Mapping]]] = ..., backbone_digest: _Optional[str] = ..., precision: _Optional[str] = ...) -> None: ...

class FeaturizeStreamRequest(_message.Message):
    __slots__ = ("request_id", "request")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    request: FeaturizeRequest
    def __init__(self, request_id: _Optional[str] = ..., request: _Optional[_Union[FeaturizeRequest, _Mapping]] = ...) -> None: ...

class FeaturizeStreamResponse(_message.Message):
    __slots__ = ("request_id", "response", "error")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    response: FeaturizeResponse
    error: _status_pb2.Status
    def __init__(self, request_id: _Optional[str] = ..., response: _Optional[_Union[FeaturizeResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class GetFeatureMapsRequest(_message.Message):
    __slots__ = ("image", "taps", "backbone_digest", "min_mean_cosine", "view")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    TAPS_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MIN_MEAN_COSINE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    image: _types_pb2.Image
    taps: _containers.RepeatedScalarFieldContainer[str]
    backbone_digest: str
    min_mean_cosine: float
    view: _types_pb2.View
    def __init__(self, image: _Optional[_Union[_types_pb2.Image, _Mapping]] = ..., taps: _Optional[_Iterable[str]] = ..., backbone_digest: _Optional[str] = ..., min_mean_cosine: _Optional[float] = ..., view: _Optional[_Union[_types_pb2.View, str]] = ...) -> None: ...

class GetFeatureMapsResponse(_message.Message):
    __slots__ = ("maps", "region", "backbone_digest", "view")
    MAPS_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    BACKBONE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    maps: _containers.RepeatedCompositeFieldContainer[FeatureMap]
    region: _types_pb2.ImageRegion
    backbone_digest: str
    view: _types_pb2.View
    def __init__(self, maps: _Optional[_Iterable[_Union[FeatureMap, _Mapping]]] = ..., region: _Optional[_Union[_types_pb2.ImageRegion, _Mapping]] = ..., backbone_digest: _Optional[str] = ..., view: _Optional[_Union[_types_pb2.View, str]] = ...) -> None: ...

class FeatureMap(_message.Message):
    __slots__ = ("tap", "height", "width", "dimension", "values")
    TAP_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    tap: str
    height: int
    width: int
    dimension: int
    values: bytes
    def __init__(self, tap: _Optional[str] = ..., height: _Optional[int] = ..., width: _Optional[int] = ..., dimension: _Optional[int] = ..., values: _Optional[bytes] = ...) -> None: ...
