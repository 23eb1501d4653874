"""What is added: images with and without labels, and vectors."""

import hashlib
import struct

from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.client.fake_classifier.scripted import Scripted, undecodable


class Adding(Scripted):
    """What is added: images with and without labels, and vectors."""

    def AddExamples(self, request_iterator, context):
        messages = self._begin("AddExamples", context)
        for request in request_iterator:
            self.calls.append(("AddExamples", request))
            outcome = self._pooled if request.pool else self._outcome
            outcomes = [outcome(example) for example in request.examples]
            self._step(messages, context)  # stored, but nobody hears of it
            yield classifier_pb2.AddExamplesResponse(outcomes=outcomes)

    def _pooled(self, example: classifier_pb2.Example) -> classifier_pb2.ExampleOutcome:
        """Take an image without a label."""
        assert not example.label
        sha256 = example.content_sha256 or hashlib.sha256(example.content).digest()
        outcome = classifier_pb2.ExampleOutcome(id=example.id, content_sha256=sha256)
        if example.content.startswith(b"bad"):
            outcome.error.CopyFrom(undecodable())
        elif sha256 in self.stale and not example.content:
            outcome.content_needed.SetInParent()
        elif sha256 in self.store or sha256 in self.pool:
            self.stale.discard(sha256)
            outcome.label = self.store.get(sha256, [""])[0]
            outcome.present.SetInParent()
        elif not example.content:
            outcome.content_needed.SetInParent()
        else:
            self.pool[sha256] = example.content.decode().split("-")[0]
            self.names[sha256] = example.id
            outcome.added.SetInParent()
        return outcome

    def _outcome(self, example: classifier_pb2.Example) -> classifier_pb2.ExampleOutcome:
        sha256 = example.content_sha256 or hashlib.sha256(example.content).digest()
        label = example.label.strip()
        outcome = classifier_pb2.ExampleOutcome(
            id=example.id, content_sha256=sha256, label=label, label_trimmed=label != example.label
        )
        if example.content and not example.content.startswith(b"bad"):
            self.stale.discard(sha256)
        if example.content.startswith(b"bad"):
            outcome.error.CopyFrom(undecodable())
        elif sha256 in self.stale and not example.content:
            outcome.content_needed.SetInParent()
        elif sha256 in self.relabelled and label not in self.store[sha256]:
            [outcome.label] = self.store[sha256]
            outcome.present.relabelled = True
        elif sha256 in self.store:
            labels = self.store[sha256]
            if label not in labels:
                labels.append(label)
            if len(labels) > 1:
                outcome.conflict.labels.extend(labels)
            else:
                outcome.present.SetInParent()
        elif example.WhichOneof("source") == "content_sha256":
            outcome.content_needed.SetInParent()
        else:
            self.pool.pop(sha256, None)
            self.store[sha256] = [label]
            self.names[sha256] = example.id
            outcome.added.SetInParent()
        return outcome

    def AddFeatures(self, request_iterator, context):
        messages = self._begin("AddFeatures", context)
        for request in request_iterator:
            self.calls.append(("AddFeatures", request))
            outcomes = []
            for index, example in enumerate(request.examples):
                if request.features and example.content_sha256 not in self.store:
                    self.store[example.content_sha256] = [example.label]
                    self.names[example.content_sha256] = example.id
                    size = len(request.features[0].values) // len(request.examples)
                    self.vectors[example.content_sha256] = request.features[0].values[size * index : size * (index + 1)]
                    outcomes.append(self._outcome(example))
                    outcomes[-1].added.SetInParent()
                else:
                    outcomes.append(self._outcome(example))
            self._step(messages, context)  # stored, but nobody hears of it
            yield classifier_pb2.AddFeaturesResponse(outcomes=outcomes)

    def ListFeatures(self, request, context):
        self._begin("ListFeatures", context, request)
        self._known("dataset", request.dataset, context)
        rows = [(sha256, label) for sha256, labels in self.store.items() for label in labels]
        page, token = self._page(rows, request.page_token)
        whole = [sha256 for sha256, _ in page if sha256 not in self.stale]
        return classifier_pb2.ListFeaturesResponse(
            backbone=types_pb2.Backbone(name="tiny", digest="00" * 32, taps=[types_pb2.Tap(name="pool", dimension=3)]),
            examples=[
                classifier_pb2.FeaturizedExample(
                    id=self.names.get(sha256, ""),
                    content_sha256=sha256,
                    label=label,
                    precision="float32",
                    stale=sha256 in self.stale,
                )
                for sha256, label in page
            ],
            features=[classifier_pb2.FeatureBlock(tap="pool", values=b"".join(map(self.vector, whole)))],
            next_page_token=token,
        )

    def vector(self, sha256: bytes) -> bytes:
        """Return the features of an image, three numbers."""
        return self.vectors.get(sha256) or struct.pack("<3f", *sha256[:3])

    def EmbedImages(self, request, context):
        self._begin("EmbedImages", context, request)
        response = classifier_pb2.EmbedImagesResponse(backbone="tiny", backbone_digest="00" * 32)
        for image in request.images:
            result = response.results.add(id=image.id)
            if image.content.startswith(b"bad"):
                result.error.CopyFrom(undecodable())
                continue
            for tap in request.taps or ["pool"]:
                result.vectors.add(tap=tap, values=self.vector(hashlib.sha256(image.content).digest()))
        return response
