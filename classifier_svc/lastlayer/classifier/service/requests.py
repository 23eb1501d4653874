"""Reads requests: plain, checked data from messages."""

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from lastlayer.classifier.domain.label_sets import NO_LABEL
from lastlayer.classifier.domain.labels import normalize_label
from lastlayer.classifier.evaluation.evaluation import LabelledImage
from lastlayer.classifier.features.ingest import Offered, sha256
from lastlayer.classifier.prediction.predictor import PredictionRequest
from lastlayer.classifier.service.validation import (
    MAX_REQUEST_ID_BYTES,
    check_id,
    check_label,
    check_name,
    check_version,
)
from lastlayer.classifier.store.images.examples import LEAST_PREFIX_BYTES, Filter, Selector
from lastlayer.classifier.training.jobs import TrainingRequest
from lastlayer.classifier.training.recipes import ClassWeight, Preference, Recipe
from lastlayer.rpc.errors import ImageEmptyError, InvalidFieldError, LastlayerError
from lastlayer.rpc.vectors import View
from lastlayer.v1 import classifier_pb2

MAX_IMAGES: Final = 256
"""The most images or examples that one message may have."""

_MAX_SELECTED: Final = 1000
_MAX_NEXT: Final = 200
_USUAL_NEXT: Final = 20

_MAX_LABELS: Final = 100
"""The most labels that an image may have in a multi-label dataset."""

_RECIPES: Final = {
    classifier_pb2.RECIPE_UNSPECIFIED: Recipe.AUTO,
    classifier_pb2.RECIPE_AUTO: Recipe.AUTO,
    classifier_pb2.RECIPE_TUTORIAL: Recipe.TUTORIAL,
}
_CLASS_WEIGHTS: Final = {
    classifier_pb2.CLASS_WEIGHT_UNSPECIFIED: ClassWeight.NONE,
    classifier_pb2.CLASS_WEIGHT_NONE: ClassWeight.NONE,
    classifier_pb2.CLASS_WEIGHT_BALANCED: ClassWeight.BALANCED,
}


_PREFERENCES: Final = {
    classifier_pb2.PREFERENCE_UNSPECIFIED: Preference.QUALITY,
    classifier_pb2.PREFERENCE_QUALITY: Preference.QUALITY,
    classifier_pb2.PREFERENCE_SPEED: Preference.SPEED,
}
_MAX_UNFAMILIAR: Final = 0.5


class StreamName:
    """A name that the first message of a stream gives, and that later ones may only repeat."""

    def __init__(self, field: str, check: Callable[[str], str] | None = None) -> None:
        """`check` returns a valid name, or raises InvalidFieldError; the names of datasets are where it is None."""
        self._field = field
        self._check = check or functools.partial(check_name, field)
        self.name = ""

    def read(self, value: str) -> str:
        """Return the name of the stream; raises InvalidFieldError where a message gives none or another."""
        if not self.name:
            self.name = self._check(value)
        elif value and value != self.name:
            raise InvalidFieldError(self._field, f"The {self._field} changed within a stream; open one for each.")
        return self.name

    def check_given(self) -> None:
        """Raise InvalidFieldError where the stream had no message."""
        if not self.name:
            raise InvalidFieldError(self._field, f"The stream had no message, and so named no {self._field}.")


def read_training(message: classifier_pb2.TrainRequest) -> TrainingRequest:
    """Return what to train; raises InvalidFieldError."""
    model = check_name("model", message.model)
    return TrainingRequest(
        model=model,
        dataset=check_name("dataset", message.dataset or model),
        recipe=read_recipe(message.recipe),
        class_weight=read_class_weight(message.class_weight),
        min_precision=check_min_precision(message.min_precision),
        preference=read_preference(message.preference),
        compare=message.compare,
        unfamiliar_share=read_unfamiliar_share(message),
        request_id=check_id("request_id", message.request_id, MAX_REQUEST_ID_BYTES),
        request_sha256=hashlib.sha256(message.SerializeToString(deterministic=True)).digest(),
    )


def read_recipe(number: "classifier_pb2.Recipe") -> Recipe:
    """Return a recipe; raises InvalidFieldError for a number that this release does not know."""
    if number not in _RECIPES:
        raise InvalidFieldError("recipe", f"There is no recipe {number}; RECIPE_AUTO and RECIPE_TUTORIAL are accepted.")
    return _RECIPES[number]


def read_class_weight(number: "classifier_pb2.ClassWeight") -> ClassWeight:
    """Return how much examples count; raises InvalidFieldError for a number that this release does not know."""
    if number not in _CLASS_WEIGHTS:
        raise InvalidFieldError(
            "class_weight",
            f"There is no class weight {number}; CLASS_WEIGHT_NONE and CLASS_WEIGHT_BALANCED are accepted.",
        )
    return _CLASS_WEIGHTS[number]


def read_preference(number: "classifier_pb2.Preference") -> Preference:
    """Return what to choose by; raises InvalidFieldError for a number that this release does not know."""
    if number not in _PREFERENCES:
        raise InvalidFieldError(
            "preference",
            f"There is no preference {number}; PREFERENCE_QUALITY and PREFERENCE_SPEED are accepted.",
        )
    return _PREFERENCES[number]


def read_views(numbers: Iterable[int]) -> list[View]:
    """Return views; raises InvalidFieldError for a number that this release does not know."""
    try:
        return [View(number) for number in numbers]
    except ValueError as error:
        known = ", ".join(view.wire for view in View)
        raise InvalidFieldError("views", f"{error}; {known} are accepted.") from error


def read_unfamiliar_share(message: classifier_pb2.TrainRequest) -> float | None:
    """Return the share of own images that may be called unfamiliar, None for the default; raises InvalidFieldError."""
    if not message.HasField("unfamiliar_share"):
        return None
    if not 0 <= message.unfamiliar_share <= _MAX_UNFAMILIAR:
        raise InvalidFieldError(
            "unfamiliar_share",
            f"The share is {message.unfamiliar_share:g}; from 0 (nothing is unfamiliar) to {_MAX_UNFAMILIAR:g} is "
            "accepted.",
        )
    return message.unfamiliar_share


def check_min_precision(requested: float) -> float:
    """Return the precision that is asked for, 0 for none; raises InvalidFieldError."""
    if not 0 <= requested < 1:
        raise InvalidFieldError(
            "min_precision", f"The precision is {requested:g}; from 0 (reject nothing) to below 1 is accepted."
        )
    return requested


def read_prediction(message: classifier_pb2.PredictRequest) -> PredictionRequest:
    """Return what to predict; raises InvalidFieldError."""
    check_count("images", len(message.images), least=1)
    for index, image in enumerate(message.images):
        check_id(f"images[{index}].id", image.id)
    if message.top_k < 0:
        raise InvalidFieldError("top_k", f"The number of classes is {message.top_k}; 0 (for all) or more.")
    return PredictionRequest(
        model=check_name("model", message.model),
        version=check_version(message.version),
        images=[image.content for image in message.images],
        threshold=read_threshold(message),
    )


def read_threshold(message: classifier_pb2.PredictRequest) -> float | None:
    """Return below which probability predictions are rejected, None where the version decides; raises
    InvalidFieldError.
    """
    if not message.HasField("threshold"):
        return None
    if not 0 <= message.threshold <= 1:
        raise InvalidFieldError(
            "threshold", f"The threshold is {message.threshold:g}; from 0 (reject nothing) to 1 is accepted."
        )
    return message.threshold


def read_offered(
    examples: Sequence[classifier_pb2.Example], *, labelled: bool = True, multi_label: bool = False
) -> list[Offered]:
    """Return the examples of a message as they are offered to a dataset, or without a label to its pool; what is wrong
    with one is in its `error`.

    A checksum alone will do. Images are read whole for theirs, which takes a while: call it in a thread.
    """
    sources = ("content", "content_sha256")
    return [
        _offer(index, example, sources, labelled=labelled, multi_label=multi_label)
        for index, example in enumerate(examples)
    ]


def read_checksums(examples: Sequence[classifier_pb2.Example], *, multi_label: bool = False) -> list[Offered]:
    """Return the examples of a message that has no images as they are offered to a dataset, as `read_offered` does."""
    sources = ("content_sha256",)
    return [_offer(index, example, sources, multi_label=multi_label) for index, example in enumerate(examples)]


def _offer(
    index: int,
    example: classifier_pb2.Example,
    sources: Sequence[str],
    *,
    labelled: bool = True,
    multi_label: bool = False,
) -> Offered:
    checksum = sha256(example.content) if example.content else example.content_sha256
    try:
        found = _check_example(index, example, sources, labelled=labelled, multi_label=multi_label)
        label, *others = found or (NO_LABEL,)
        if len(checksum) != 32:
            raise InvalidFieldError(f"examples[{index}].content_sha256", f"A sha256 has 32 bytes, not {len(checksum)}.")
    except LastlayerError as error:
        return Offered("", "", b"", checksum if len(checksum) == 32 else b"", error)
    return Offered(example.id, label, example.content, checksum, other_labels=tuple(others))


def read_labelled(examples: Iterable[classifier_pb2.Example], *, multi_label: bool = False) -> list[LabelledImage]:
    """Return the examples of a message as images to evaluate on; what is wrong with one is in its `error`."""
    images = []
    for index, example in enumerate(examples):
        problem: LastlayerError | None = None
        try:
            _check_example(index, example, ("content",), multi_label=multi_label)
        except LastlayerError as error:
            problem = error
        labels = tuple(dict.fromkeys(map(normalize_label, example.labels or filter(None, [example.label]))))
        label = NO_LABEL if multi_label else normalize_label(example.label)
        images.append(LabelledImage(example.id, label, example.content, problem, labels if multi_label else ()))
    return images


def _check_example(
    index: int,
    example: classifier_pb2.Example,
    sources: Sequence[str],
    *,
    labelled: bool = True,
    multi_label: bool = False,
) -> tuple[str, ...]:
    """Return the labels of an example that has one of some `sources`, or that it has none; raises InvalidFieldError or
    ImageEmptyError.
    """
    field = f"examples[{index}]"
    source = example.WhichOneof("source")
    check_id(f"{field}.id", example.id)
    if not labelled and (example.label or example.labels):
        raise InvalidFieldError(
            f"{field}.label", "Images of the pool have no label; leave it out, or add the image without `pool`."
        )
    labels = check_labels(f"{field}.", example, multi_label=multi_label) if labelled else ()
    if source == "content" and not example.content:
        raise ImageEmptyError("The image has no bytes.")
    if source not in sources:
        raise InvalidFieldError(field, f"The example has no {' or '.join(f'`{name}`' for name in sources)}.")
    return labels


def check_labels(
    prefix: str, message: classifier_pb2.Example | classifier_pb2.RelabelExamplesRequest, *, multi_label: bool
) -> tuple[str, ...]:
    """Return the labels of a message that has `label` or `labels`, each once: any number if `multi_label`, else one.

    `prefix` goes before the names of fields. Raises InvalidFieldError.
    """
    if not message.labels:
        if multi_label and not message.label.strip():
            return ()
        return (check_label(f"{prefix}label", message.label),)
    if not multi_label:
        raise InvalidFieldError(
            f"{prefix}labels",
            "Labels are given as for a multi-label dataset or version, which this is not; give one, as `label`.",
        )
    if message.label:
        raise InvalidFieldError(f"{prefix}labels", "Both `label` and `labels` are given; one of them is accepted.")
    if len(message.labels) > _MAX_LABELS:
        raise InvalidFieldError(
            f"{prefix}labels", f"The image has {len(message.labels)} labels; up to {_MAX_LABELS} are accepted."
        )
    checked = (check_label(f"{prefix}labels[{index}]", label) for index, label in enumerate(message.labels))
    return tuple(dict.fromkeys(checked))


def read_filter(message: classifier_pb2.ListExamplesRequest) -> Filter:
    """Return which examples to list, or which images of the pool; raises InvalidFieldError."""
    label = check_label("label", message.label) if message.label else ""
    given = [name for name in ("label", "conflicts_only", "stale_only", "pool") if getattr(message, name)]
    if message.selected and given:
        raise InvalidFieldError(
            "selected", f"Those that are named are listed whatever they are; leave `{given[0]}` out."
        )
    if message.pool and given[0] in ("label", "conflicts_only"):
        raise InvalidFieldError(given[0], f"Images of the pool have no labels; leave `{given[0]}` out.")
    return Filter(label, message.conflicts_only, message.stale_only)


def read_selectors(messages: Sequence[classifier_pb2.ExampleSelector], field: str = "examples") -> list[Selector]:
    """Return which examples are meant; raises InvalidFieldError."""
    if not 1 <= len(messages) <= _MAX_SELECTED:
        raise InvalidFieldError(
            field, f"The request names {len(messages)} examples; from 1 to {_MAX_SELECTED} are accepted."
        )
    return [read_selector(f"{field}[{index}]", message) for index, message in enumerate(messages)]


def check_no_label(message: classifier_pb2.RelabelExamplesRequest) -> None:
    """Raise InvalidFieldError where examples that go back into the pool shall have a label."""
    if message.label or message.labels:
        raise InvalidFieldError("label", "Examples that go back into the pool lose their labels; leave `label` out.")


def read_next_count(requested: int) -> int:
    """Return how many images to suggest; raises InvalidFieldError."""
    if not 0 <= requested <= _MAX_NEXT:
        raise InvalidFieldError(
            "count", f"The count is {requested}; 0 (for {_USUAL_NEXT}) to {_MAX_NEXT} are accepted."
        )
    return requested or _USUAL_NEXT


def read_selector(field: str, message: classifier_pb2.ExampleSelector) -> Selector:
    """Return which example is meant; raises InvalidFieldError."""
    if message.WhichOneof("by") == "content_sha256":
        size = len(message.content_sha256)
        if not LEAST_PREFIX_BYTES <= size <= 32:
            raise InvalidFieldError(
                f"{field}.content_sha256",
                f"The sha256 has {size} bytes; its first {LEAST_PREFIX_BYTES} to 32 are accepted.",
            )
        return Selector(prefix=message.content_sha256)
    if not message.id:
        raise InvalidFieldError(field, "Nothing names the example; give its `content_sha256` or its `id`.")
    return Selector(name=check_id(f"{field}.id", message.id))


def wants_mistakes(kind: "classifier_pb2.ReviewKind") -> bool:
    """Return whether a review is of mistakes, rather than of suspicious labels; raises InvalidFieldError."""
    if kind not in classifier_pb2.ReviewKind.values():
        raise InvalidFieldError(
            "kind", f"There is no kind {kind}; REVIEW_KIND_SUSPICIOUS_LABELS or REVIEW_KIND_MISTAKES is accepted."
        )
    return kind == classifier_pb2.REVIEW_KIND_MISTAKES


def check_count(field: str, count: int, *, least: int) -> None:
    """Raise InvalidFieldError where a message has too few or too many images or examples."""
    if not least <= count <= MAX_IMAGES:
        raise InvalidFieldError(field, f"The message has {count} {field}; from {least} to {MAX_IMAGES} are accepted.")
