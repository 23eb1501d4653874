"""What examples there are, and what is done with them."""

from typing import Any

import grpc
from google.protobuf import timestamp_pb2

from lastlayer.featurizer.errors import ImageUndecodableError
from lastlayer.rpc.errors import ResourceNotFoundError
from lastlayer.v1 import classifier_pb2
from tests.integration.client.fake_classifier.scripted import Scripted


class Examples(Scripted):
    """What examples there are, and what is done with them."""

    def ListExamples(self, request, context):
        self._begin("ListExamples", context, request)
        kept = [
            (sha256, labels)
            for sha256, labels in self.store.items()
            if (not request.label or request.label in labels)
            and (not request.conflicts_only or len(labels) > 1)
            and (not request.stale_only or sha256 in self.stale)
        ]
        if request.pool:
            kept = [(sha256, []) for sha256 in self.pool if not request.stale_only or sha256 in self.stale]
        if request.selected:
            chosen = {sha256 for selector in request.selected for sha256 in self._matching(selector)}
            kept = [(sha256, self.store.get(sha256, [])) for sha256 in [*self.store, *self.pool] if sha256 in chosen]
        start = int(request.page_token or 0)
        more = start + self.page_size < len(kept)
        return classifier_pb2.ListExamplesResponse(
            examples=[
                self._stored(sha256, labels, request.thumbnails)
                for sha256, labels in kept[start : start + self.page_size]
            ],
            next_page_token=str(start + self.page_size) if more else "",
        )

    def _stored(self, sha256: bytes, labels: list[str], thumbnails: bool = False) -> classifier_pb2.StoredExample:
        return classifier_pb2.StoredExample(
            id=self.names.get(sha256, ""),
            content_sha256=sha256,
            labels=labels,
            stale=sha256 in self.stale,
            thumbnail=b"jpeg" if thumbnails else b"",
            source=classifier_pb2.POOL_SOURCE_UNSPECIFIED if labels else classifier_pb2.POOL_SOURCE_ADDED,
            pool_time=None if labels else timestamp_pb2.Timestamp(seconds=1_800_000_000),
        )

    def _matching(self, selector: classifier_pb2.ExampleSelector) -> list[bytes]:
        return [
            sha256
            for sha256 in [*self.store, *self.pool]
            if (
                sha256.startswith(selector.content_sha256)
                if selector.content_sha256
                else self.names.get(sha256) == selector.id
            )
        ]

    def _selected(self, request: Any, context: grpc.ServicerContext) -> list[bytes]:
        found = []
        for selector in request.examples:
            matches = self._matching(selector)
            if not matches:
                self._fail(ResourceNotFoundError("example", selector.id or selector.content_sha256.hex()), context)
            found += matches
        return found

    def RelabelExamples(self, request, context):
        self._begin("RelabelExamples", context, request)
        chosen = self._selected(request, context)
        if request.to_pool:
            changed = sum(sha256 in self.store for sha256 in chosen)
            self.pool.update((sha256, self.store.pop(sha256)[0]) for sha256 in chosen if sha256 in self.store)
            self.relabelled.difference_update(chosen)
        else:
            changed = sum(self.store.get(sha256) != [request.label] for sha256 in chosen)
            for sha256 in chosen:
                self.pool.pop(sha256, None)
            self.store.update((sha256, [request.label]) for sha256 in chosen)
            self.relabelled.update(chosen)
        return classifier_pb2.RelabelExamplesResponse(changed_count=changed, dataset=self._dataset(request.dataset))

    def RemoveExamples(self, request, context):
        self._begin("RemoveExamples", context, request)
        chosen = set(self._selected(request, context))
        for sha256 in chosen:
            self.store.pop(sha256, None)
            self.pool.pop(sha256, None)
        return classifier_pb2.RemoveExamplesResponse(removed_count=len(chosen), dataset=self._dataset(request.dataset))

    def NextExamples(self, request, context):
        self._begin("NextExamples", context, request)
        self._known("dataset", request.dataset, context)
        labels = {label for labels in self.store.values() for label in labels}
        fresh = [sha256 for sha256 in self.pool if sha256 not in self.stale]
        guessed = len(labels) > 1
        response = classifier_pb2.NextExamplesResponse(
            strategy=classifier_pb2.NEXT_STRATEGY_UNCERTAIN if guessed else classifier_pb2.NEXT_STRATEGY_TYPICAL,
            pool_count=len(self.pool),
            stale_count=len(self.pool) - len(fresh),
            classes=sorted(labels),
        )
        for sha256 in fresh[: min(request.count or 20, len(fresh) - self.alike)]:
            entry = response.examples.add(example=self._stored(sha256, [], request.thumbnails))
            ranked = sorted(labels, key=lambda label: label != self.pool[sha256]) if guessed else []
            for place, label in enumerate(ranked):
                entry.scores.add(label=label, score=0.625 if place == 0 else 0.375 / (len(ranked) - 1))
        return response

    def ReviewExamples(self, request, context):
        self._begin("ReviewExamples", context, request)
        self._known("model", request.model, context)
        found = list(self.store.items())
        return classifier_pb2.ReviewExamplesResponse(
            examples=[
                classifier_pb2.ReviewedExample(
                    example=self._stored(sha256, labels, request.thumbnails),
                    label=labels[0],
                    label_probability=0.125,
                    suggested_label="sea dog",
                    suggested_probability=0.875,
                )
                for sha256, labels in found[: request.page_size]
            ],
            total_count=len(found),
        )

    def Similar(self, request, context):
        self._begin("Similar", context, request)
        self._known("dataset", request.dataset, context)
        if request.image.content.startswith(b"bad"):
            self._fail(ImageUndecodableError("The bytes are no image of a supported format."), context)
        query: set[bytes] = set()
        if request.WhichOneof("query") == "example":
            query = set(self._selected(classifier_pb2.RemoveExamplesRequest(examples=[request.example]), context))
        kept = [
            (sha256, labels)
            for sha256, labels in self.store.items()
            if sha256 not in query and sha256 not in self.stale and (not request.label or request.label in labels)
        ]
        return classifier_pb2.SimilarResponse(
            examples=[
                classifier_pb2.SimilarExample(
                    example=self._stored(sha256, labels, request.thumbnails), distance=number / 8
                )
                for number, (sha256, labels) in enumerate(kept[: request.count or 20])
            ],
            compared_count=len(kept),
            stale_count=len(self.stale),
        )

    def MapExamples(self, request, context):
        messages = self._begin("MapExamples", context, request)
        self._known("dataset", request.dataset, context)
        if request.model:
            self._known("model", request.model, context)
        self._step(messages, context)
        yield classifier_pb2.MapExamplesResponse(
            progress=classifier_pb2.TrainProgress(message="reading the features", fraction=0.25)
        )
        method = request.method or classifier_pb2.MAP_METHOD_NEIGHBORS
        kept = [(sha256, labels) for sha256, labels in self.store.items() if sha256 not in self.stale]
        places = [self._place(number, sha256, labels, request.model) for number, (sha256, labels) in enumerate(kept)]
        for start in range(0, max(1, len(places)), self.page_size):
            self._step(messages, context)
            yield classifier_pb2.MapExamplesResponse(
                points=classifier_pb2.MapPoints(
                    points=places[start : start + self.page_size],
                    method=method,
                    example_count=len(kept),
                    stale_count=len(self.stale),
                )
            )

    def _place(self, number: int, sha256: bytes, labels: list[str], model: str) -> classifier_pb2.MapPoint:
        suspicious = bool(model) and number == 0
        return classifier_pb2.MapPoint(
            id=self.names.get(sha256, ""),
            content_sha256=sha256,
            labels=labels,
            x=number % 5 / 2 - 1,
            y=0.5 - number // 5 / 8,
            suspicious=suspicious,
            suggested_label=self.classes[-1] if suspicious else "",
        )
