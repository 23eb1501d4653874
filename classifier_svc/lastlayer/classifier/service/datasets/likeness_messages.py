"""Similar images and maps in messages: requests read and checked, answers written."""

from collections.abc import Iterator
from typing import Final

from lastlayer.classifier.evaluation.likeness.mapping import ExampleMap, MapProgress, MapRequest, Method
from lastlayer.classifier.evaluation.likeness.similar import SimilarExample, SimilarExamples, SimilarQuery
from lastlayer.classifier.service import messages, requests
from lastlayer.classifier.service.pagination import take_fitting
from lastlayer.classifier.service.validation import check_id, check_label, check_name
from lastlayer.classifier.store.images.examples import Selector
from lastlayer.rpc.errors import ImageEmptyError, InvalidFieldError
from lastlayer.v1 import classifier_pb2

_MOST_SIMILAR: Final = 1000
_DEFAULT_SIMILAR: Final = 20

_LEAST_MAPPED: Final = 10
_MOST_MAPPED: Final = 100_000
_DEFAULT_MAPPED: Final = 10_000

_POINTS: Final = 1000
"""The most points in a message."""

_METHODS: Final = {
    classifier_pb2.MAP_METHOD_UNSPECIFIED: None,
    classifier_pb2.MAP_METHOD_PCA: Method.PCA,
    classifier_pb2.MAP_METHOD_NEIGHBORS: Method.NEIGHBOURS,
}
_NUMBERS: Final = {method: number for number, method in _METHODS.items() if method is not None}


def read_similar(message: classifier_pb2.SimilarRequest) -> SimilarQuery:
    """Return what to find images like; raises InvalidFieldError or ImageEmptyError."""
    dataset = check_name("dataset", message.dataset)
    if not 0 <= message.count <= _MOST_SIMILAR:
        raise InvalidFieldError(
            "count", f"The count is {message.count}; 0 (for {_DEFAULT_SIMILAR}) to {_MOST_SIMILAR} are accepted."
        )
    label = check_label("label", message.label) if message.label else ""
    image, example = None, Selector()
    query = message.WhichOneof("query")
    if query == "image":
        check_id("image.id", message.image.id)
        if not message.image.content:
            raise ImageEmptyError("The image has no bytes.")
        image = message.image.content
    elif query == "example":
        example = requests.read_selector("example", message.example)
    else:
        raise InvalidFieldError("query", "Nothing says what to find images like; give an `image` or an `example`.")
    return SimilarQuery(
        dataset, image, example, message.count or _DEFAULT_SIMILAR, label, message.pool, message.thumbnails
    )


def to_similar(found: SimilarExamples) -> classifier_pb2.SimilarResponse:
    """Return the nearest images, as many of them as fit into a message."""
    return classifier_pb2.SimilarResponse(
        examples=take_fitting(map(_to_similar, found.examples)),
        compared_count=found.compared_count,
        stale_count=found.stale_count,
    )


def _to_similar(example: SimilarExample) -> classifier_pb2.SimilarExample:
    return classifier_pb2.SimilarExample(example=messages.to_stored_example(example.stored), distance=example.distance)


def read_map(message: classifier_pb2.MapExamplesRequest) -> MapRequest:
    """Return what to map; raises InvalidFieldError."""
    dataset = check_name("dataset", message.dataset)
    if message.method not in _METHODS:
        raise InvalidFieldError(
            "method",
            f"There is no method {message.method}; MAP_METHOD_PCA and MAP_METHOD_NEIGHBORS are accepted.",
        )
    if message.max_examples and not _LEAST_MAPPED <= message.max_examples <= _MOST_MAPPED:
        raise InvalidFieldError(
            "max_examples",
            f"The number of images is {message.max_examples}; 0 (for {_DEFAULT_MAPPED}), or {_LEAST_MAPPED} to "
            f"{_MOST_MAPPED} are accepted.",
        )
    model = check_name("model", message.model) if message.model else ""
    return MapRequest(dataset, _METHODS[message.method], message.max_examples or _DEFAULT_MAPPED, message.pool, model)


def to_map_responses(event: MapProgress | ExampleMap) -> Iterator[classifier_pb2.MapExamplesResponse]:
    """Yield the messages of an event: one of progress, or the points of a map, at least one message."""
    if isinstance(event, MapProgress):
        progress = classifier_pb2.TrainProgress(message=event.message, fraction=event.fraction)
        yield classifier_pb2.MapExamplesResponse(progress=progress)
        return
    for start in range(0, max(1, len(event.examples)), _POINTS):
        yield classifier_pb2.MapExamplesResponse(
            points=classifier_pb2.MapPoints(
                points=[_to_point(event, row) for row in range(start, min(start + _POINTS, len(event.examples)))],
                method=_NUMBERS[event.method],
                example_count=event.example_count,
                stale_count=event.stale_count,
            )
        )


def _to_point(found: ExampleMap, row: int) -> classifier_pb2.MapPoint:
    example = found.examples[row]
    suggested = found.suggestions.get(example.content_sha256, "")
    return classifier_pb2.MapPoint(
        id=example.name,
        content_sha256=example.content_sha256,
        labels=example.labels,
        x=found.places[row, 0],
        y=found.places[row, 1],
        suspicious=bool(suggested),
        suggested_label=suggested,
    )
