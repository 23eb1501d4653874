"""The methods of the Classifier service on stored examples, and the one that returns a head's numbers."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import StoredExample, Version
from lastlayer.classifier.evaluation.out_of_fold import HeldOut, HeldOutExample
from lastlayer.classifier.service import messages as converters
from lastlayer.classifier.service.resource_methods import ResourceMethods
from lastlayer.classifier.service.validation import check_id, check_label, check_name, check_version
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.examples import LEAST_PREFIX_BYTES, ExampleStore, Filter, Selector
from lastlayer.classifier.store.models import ModelStore
from lastlayer.classifier.training.report import Facts
from lastlayer.rpc.errors import InvalidFieldError
from lastlayer.rpc.vectors import pack
from lastlayer.v1 import classifier_pb2

_MAX_SELECTED: Final = 1000
_REVIEWED_AT_ONCE: Final = 1000

_Context = Any


class ExampleMethods(ResourceMethods):
    """The methods that need the store alone, and go into its examples."""

    def __init__(self, datasets: DatasetStore, models: ModelStore, examples: ExampleStore) -> None:
        super().__init__(datasets, models)
        self._examples = examples

    async def ListExamples(
        self, request: classifier_pb2.ListExamplesRequest, context: _Context
    ) -> classifier_pb2.ListExamplesResponse:
        """List the examples of a dataset."""
        limit = converters.page_size(request.page_size)
        label = check_label("label", request.label) if request.label else ""
        wanted = Filter(label, request.conflicts_only, request.stale_only)
        found = await asyncio.to_thread(
            self._examples.page,
            check_name("dataset", request.dataset),
            wanted,
            after=converters.read_version_token(request.page_token),
            limit=limit + 1,
            with_thumbnails=request.thumbnails,
        )
        fit = converters.fitting(map(_stored, found[:limit]))
        more = len(found) > len(fit)
        return classifier_pb2.ListExamplesResponse(
            examples=fit, next_page_token=converters.page_token(str(found[len(fit) - 1].key)) if more else ""
        )

    async def RelabelExamples(
        self, request: classifier_pb2.RelabelExamplesRequest, context: _Context
    ) -> classifier_pb2.RelabelExamplesResponse:
        """Give examples another label."""
        changed, dataset = await asyncio.to_thread(
            self._examples.relabel,
            check_name("dataset", request.dataset),
            _selectors(request.examples),
            check_label("label", request.label),
        )
        return classifier_pb2.RelabelExamplesResponse(changed_count=changed, dataset=converters.dataset(dataset))

    async def RemoveExamples(
        self, request: classifier_pb2.RemoveExamplesRequest, context: _Context
    ) -> classifier_pb2.RemoveExamplesResponse:
        """Remove examples."""
        removed, dataset = await asyncio.to_thread(
            self._examples.remove, check_name("dataset", request.dataset), _selectors(request.examples)
        )
        return classifier_pb2.RemoveExamplesResponse(removed_count=removed, dataset=converters.dataset(dataset))

    async def ReviewExamples(
        self, request: classifier_pb2.ReviewExamplesRequest, context: _Context
    ) -> classifier_pb2.ReviewExamplesResponse:
        """List training examples that are worth a look."""
        limit = converters.page_size(request.page_size)
        if request.kind not in classifier_pb2.ReviewKind.values():
            raise InvalidFieldError(
                "kind",
                f"There is no kind {request.kind}; REVIEW_KIND_SUSPICIOUS_LABELS or REVIEW_KIND_MISTAKES is accepted.",
            )
        mistakes = request.kind == classifier_pb2.REVIEW_KIND_MISTAKES
        model, number = check_name("model", request.model), check_version(request.version)
        return await asyncio.to_thread(self._review, model, number, limit, mistakes, request.thumbnails)

    async def GetHead(self, request: classifier_pb2.GetHeadRequest, context: _Context) -> classifier_pb2.Head:
        """Get the numbers of a head."""
        model, number = check_name("model", request.model), check_version(request.version)
        return await asyncio.to_thread(self._head, model, number)

    def _review(
        self, model: str, number: int, limit: int, mistakes: bool, with_thumbnails: bool
    ) -> classifier_pb2.ReviewExamplesResponse:
        version = self._models.get_version(model, number)
        stored = self._models.held_out(version.key)
        if stored is None:
            return classifier_pb2.ReviewExamplesResponse()
        held_out = HeldOut.from_bytes(stored)
        found = held_out.mistakes() if mistakes else held_out.suspicious()
        classes = Facts.from_json(version.facts).classes
        # Those that the dataset still has with the label that they were trained with, a while of them at a time.
        reviewed: list[classifier_pb2.ReviewedExample] = []
        total = 0
        for start in range(0, len(found), _REVIEWED_AT_ONCE):
            some = found[start : start + _REVIEWED_AT_ONCE]
            pictured = with_thumbnails and len(reviewed) < limit
            for example, now in self._unchanged(version, some, classes, pictured):
                total += 1
                if len(reviewed) < limit:
                    reviewed.append(_reviewed(example, now, classes))
        return classifier_pb2.ReviewExamplesResponse(examples=converters.fitting(reviewed), total_count=total)

    def _unchanged(
        self, version: Version, found: Sequence[HeldOutExample], classes: Sequence[str], with_thumbnails: bool
    ) -> list[tuple[HeldOutExample, StoredExample]]:
        contents = [example.content_sha256 for example in found]
        stored = self._examples.get(version.dataset, contents, with_thumbnails=with_thumbnails)
        return [
            (example, now)
            for example in found
            if (now := stored.get(example.content_sha256)) and now.labels == (classes[example.label],)
        ]

    def _head(self, model: str, number: int) -> classifier_pb2.Head:
        version = self._models.get_version(model, number)
        head = Head.from_bytes(self._models.head(version.key))
        return classifier_pb2.Head(
            model=version.model,
            version=version.version,
            backbone=version.backbone_name,
            backbone_digest=version.backbone_digest,
            taps=[
                classifier_pb2.HeadTap(name=tap, dimension=dimension)
                for tap, dimension in zip(head.taps, self._models.tap_dimensions(version, head.taps), strict=True)
            ],
            unit_length=head.unit_length,
            classes=head.classes,
            weights=pack(head.weights),
            biases=pack(head.biases),
        )


def _selectors(messages: Sequence[classifier_pb2.ExampleSelector]) -> list[Selector]:
    if not 1 <= len(messages) <= _MAX_SELECTED:
        raise InvalidFieldError(
            "examples", f"The request names {len(messages)} examples; from 1 to {_MAX_SELECTED} are accepted."
        )
    selectors = []
    for index, message in enumerate(messages):
        field = f"examples[{index}]"
        if message.WhichOneof("by") == "content_sha256":
            size = len(message.content_sha256)
            if not LEAST_PREFIX_BYTES <= size <= 32:
                raise InvalidFieldError(
                    f"{field}.content_sha256",
                    f"The sha256 has {size} bytes; its first {LEAST_PREFIX_BYTES} to 32 are accepted.",
                )
            selectors.append(Selector(prefix=message.content_sha256))
        elif message.id:
            selectors.append(Selector(name=check_id(f"{field}.id", message.id)))
        else:
            raise InvalidFieldError(field, "Nothing names the example; give its `content_sha256` or its `id`.")
    return selectors


def _stored(record: StoredExample) -> classifier_pb2.StoredExample:
    return classifier_pb2.StoredExample(
        id=record.name,
        content_sha256=record.content_sha256,
        labels=record.labels,
        stale=record.stale,
        thumbnail=record.thumbnail,
    )


def _reviewed(example: HeldOutExample, stored: StoredExample, classes: Sequence[str]) -> classifier_pb2.ReviewedExample:
    return classifier_pb2.ReviewedExample(
        example=_stored(stored),
        label=classes[example.label],
        label_probability=example.label_probability,
        suggested_label=classes[example.predicted],
        suggested_probability=example.predicted_probability,
    )
