"""A classifier behind a real socket that follows a script and keeps a record: no network, no store, no TensorFlow.

It knows an image by its content: what starts with `bad` is undecodable. The label of an image is its content up to the
first `-`, so that `cat-1` is predicted as `cat`.
"""

import contextlib
import hashlib
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2, timestamp_pb2
from google.rpc import status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from lastlayer.featurizer.errors import ImageUndecodableError
from lastlayer.rpc.channel import CLASSIFIER_SERVICE, MAX_MESSAGE_BYTES
from lastlayer.rpc.errors import InvalidFieldError, LastlayerError, ResourceNotFoundError
from lastlayer.rpc.status import to_status
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2


@dataclass
class Broken:
    """A failure on the way: what gRPC says where a connection ends."""

    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE


class Hang:
    """No answer at all, until the caller gives up."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.left = threading.Event()


@dataclass
class FakeClassifier(classifier_pb2_grpc.ClassifierServicer):
    """Fails where the script says so, and otherwise answers like a small classifier."""

    script: dict[str, list[LastlayerError | Broken | Hang | None]] = field(default_factory=dict)
    """For each method, how its next calls go: None is well. After the script, all is well."""
    break_after: dict[str, list[int | None]] = field(default_factory=dict)
    """For each stream, after how many answers its next calls break; None is never."""
    classes: tuple[str, ...] = ("cat", "dog")
    models: list[str] = field(default_factory=lambda: ["default"])
    page_size: int = 2
    default_version: int = 1
    drift_state: classifier_pb2.DriftState = classifier_pb2.DRIFT_STATE_DRIFTING
    cross_validated: bool = True
    detailed: bool = True
    """Whether versions and metrics have what older ones lack: intervals, calibration, rejection, trials."""
    near_duplicates: list[classifier_pb2.NearDuplicate] = field(default_factory=list)
    store: dict[bytes, list[str]] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)
    vectors: dict[bytes, bytes] = field(default_factory=dict)
    """Those that were sent, by sha256."""
    pool: dict[bytes, str] = field(default_factory=dict)
    """Images without a label, by sha256, and the class that they are guessed to be of."""
    alike: int = 0
    """How many images of the pool are like others, and never suggested."""
    relabelled: set[bytes] = field(default_factory=set)
    stale: set[bytes] = field(default_factory=set)
    served: types_pb2.Backbone = field(default_factory=lambda: served_backbone())
    calls: list[tuple[str, Any]] = field(default_factory=list)
    """The record: the name of each method that was called, and each message that came."""
    deadlines: dict[str, float] = field(default_factory=dict)
    metadata: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """The name of each method that was called, and the metadata of the call."""
    endless: bool = False
    """Whether trainings end only when they are cancelled."""
    ended_trainings: int = 0

    def count(self, method: str) -> int:
        return sum(1 for name, message in self.calls if name == method and message is None)

    def messages(self, method: str) -> list[Any]:
        return [message for name, message in self.calls if name == method and message is not None]

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

    def Train(self, request, context):
        messages = self._begin("Train", context, request)
        context.add_callback(self._end_training)
        while self.endless and context.is_active():
            yield classifier_pb2.TrainResponse(progress=classifier_pb2.TrainProgress(message="on and on"))
            time.sleep(0.02)
        for step in range(3):
            self._step(messages, context)
            yield classifier_pb2.TrainResponse(
                progress=classifier_pb2.TrainProgress(message=f"step {step // 2}", fraction=step / 3)
            )
        self._step(messages, context)
        version = self._version(request.model, 1)
        version.dataset = request.dataset or request.model
        version.recipe = request.recipe
        yield classifier_pb2.TrainResponse(version=version)

    def _end_training(self) -> None:
        self.ended_trainings += 1

    def Predict(self, request, context):
        self._begin("Predict", context, request)
        return self._predictions(request)

    def PredictStream(self, request_iterator, context):
        messages = self._begin("PredictStream", context)
        held: classifier_pb2.PredictStreamResponse | None = None
        for request in request_iterator:
            self.calls.append(("PredictStream", request))
            self._step(messages, context)
            answer = classifier_pb2.PredictStreamResponse(request_id=request.request_id)
            if request.request.model not in self.models:
                answer.error.CopyFrom(to_status(ResourceNotFoundError("model", request.request.model)))
            elif scripted := self._scripted("PredictStreamRequest"):
                answer.error.CopyFrom(to_status(scripted))
            else:
                answer.response.CopyFrom(self._predictions(request.request))
            if request.request_id == "0" and "reorder" in self.script and held is None:
                held = answer  # answered after the next one
                continue
            yield answer
            if held is not None:
                yield held
                del self.script["reorder"]
                held = None
        if held is not None:
            yield held

    def _predictions(self, request: classifier_pb2.PredictRequest) -> classifier_pb2.PredictResponse:
        response = classifier_pb2.PredictResponse(model=request.model, version=request.version or 1)
        for image in request.images:
            result = response.results.add(id=image.id)
            if image.content.startswith(b"bad"):
                result.error.CopyFrom(undecodable())
                continue
            best = image.content.decode().split("-")[0]
            ranked = sorted(self.classes, key=lambda label: label != best)
            scores = [0.75, *[0.25 / (len(ranked) - 1)] * (len(ranked) - 1)]
            result.prediction.rejected = request.HasField("threshold") and scores[0] < request.threshold
            for label, score in list(zip(ranked, scores, strict=True))[: request.top_k or None]:
                result.prediction.scores.add(label=label, score=score)
        return response

    def Explain(self, request, context):
        self._begin("Explain", context, request)
        self._known("model", request.model, context)
        if request.image.content.startswith(b"bad"):
            self._fail(ImageUndecodableError("The bytes are no image of a supported format."), context)
        label = request.label or self.classes[0]
        if label not in self.classes:
            self._fail(InvalidFieldError("label", f"The model knows no class `{label}`."), context)
        explanation = classifier_pb2.Explanation(
            model=request.model,
            version=request.version or 1,
            label=label,
            probability=0.75,
            logit=2.0,
            bias=0.5,
            height=2,
            width=3,
            contributions=[1.0, 0.5, 0.25, -0.25, 0.0, 0.0],
            region=types_pb2.ImageRegion(left=0.25, top=0, right=0.75, bottom=1),
        )
        explanation.prediction.scores.add(label=label, score=0.75)
        return explanation

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

    def GetHead(self, request, context):
        self._begin("GetHead", context, request)
        self._known("model", request.model, context)
        return classifier_pb2.Head(
            model=request.model,
            version=request.version or 1,
            backbone="tiny",
            backbone_digest="00" * 32,
            taps=[
                classifier_pb2.HeadTap(name="mixed4e", dimension=2),
                classifier_pb2.HeadTap(name="pool", dimension=1),
            ],
            unit_length=True,
            classes=self.classes,
            weights=struct.pack(f"<{3 * len(self.classes)}f", *range(3 * len(self.classes))),
            biases=struct.pack(f"<{len(self.classes)}f", *range(len(self.classes))),
        )

    def Evaluate(self, request_iterator, context):
        messages = self._begin("Evaluate", context)
        model, count, failed, unknown = "", 0, 0, Counter[str]()
        for request in request_iterator:
            self.calls.append(("Evaluate", request))
            self._step(messages, context)
            model = model or request.model
            if model not in self.models:
                self._fail(ResourceNotFoundError("model", model), context)
            progress = classifier_pb2.EvaluateProgress()
            for example in request.examples:
                label = example.label.strip()
                result = progress.results.add(id=example.id, label=label, label_known=label in self.classes)
                result.label_trimmed = label != example.label
                if example.content.startswith(b"bad"):
                    result.error.CopyFrom(undecodable())
                    failed += 1
                    continue
                result.predicted.label, result.predicted.score = example.content.decode().split("-")[0], 0.75
                unknown[label] += label not in self.classes
                count += label in self.classes
            yield classifier_pb2.EvaluateResponse(progress=progress)
        self._step(messages, context)
        evaluation = classifier_pb2.Evaluation(
            model=model, version=1, metrics=self._metrics(count), failed_count=failed
        )
        evaluation.near_duplicates.extend(self.near_duplicates)
        evaluation.near_duplicate_count = len(self.near_duplicates)
        for label in +unknown:
            evaluation.unknown_labels.add(label=label, example_count=unknown[label])
        yield classifier_pb2.EvaluateResponse(evaluation=evaluation)

    def _metrics(self, count: int) -> types_pb2.Metrics:
        metrics = types_pb2.Metrics(
            example_count=count, log_loss=0.5, log_loss_reduction=0.25, micro_accuracy=0.75, macro_accuracy=0.7
        )
        if self.detailed:
            metrics.micro_accuracy_interval.lower, metrics.micro_accuracy_interval.upper = 0.5, 0.9
            metrics.expected_calibration_error = 0.125
            metrics.reliability.add(lower=0.5, upper=1, example_count=count, mean_probability=0.875, accuracy=0.75)
        for index, label in enumerate(self.classes):
            metrics.classes.add(label=label, example_count=index, log_loss=index / 10, precision=1, recall=0.5)
        size = len(self.classes)
        metrics.confusion_matrix.extend(range(size * size))
        return metrics

    def _version(self, model: str, number: int) -> classifier_pb2.ModelVersion:
        version = classifier_pb2.ModelVersion(
            model=model,
            version=number,
            dataset="default",
            recipe=classifier_pb2.RECIPE_AUTO,
            taps=["mixed4e", "avgpool0"],
            l2=0.5,
            classes=self.classes,
            example_count=len(self.store),
            backbone="tiny",
            backbone_digest="00" * 32,
            notes=["The class dog has few examples."],
        )
        if self.cross_validated:
            version.cross_validation.CopyFrom(self._metrics(8))
            version.comparisons.add(
                recipe=classifier_pb2.RECIPE_TUTORIAL, taps=["softmax2"], cross_validation=self._metrics(8)
            )
        version.training_duration.FromMilliseconds(1500)
        if self.detailed:
            self._detail(version)
        return version

    @staticmethod
    def _detail(version: classifier_pb2.ModelVersion) -> None:
        version.class_weight = classifier_pb2.CLASS_WEIGHT_BALANCED
        version.calibration.CopyFrom(
            classifier_pb2.Calibration(temperature=1.5, log_loss_before=0.75, expected_calibration_error_before=0.25)
        )
        version.rejection.CopyFrom(classifier_pb2.Rejection(threshold=0.625, min_precision=0.9))
        version.rejection_curve.add(threshold=0.5, precision=0.75, coverage=1)
        version.trials.add(taps=["mixed4e"], l2=0.5, log_loss=0.5, example_count=8, chosen=True)
        version.libraries["scikit-learn"] = "1.7.2"

    def _model(self, name: str, default: int = 0) -> classifier_pb2.Model:
        default = default or self.default_version
        return classifier_pb2.Model(name=name, default_version=default, version_count=5, classes=self.classes)

    def _dataset(self, name: str) -> classifier_pb2.Dataset:
        dataset = classifier_pb2.Dataset(
            name=name,
            example_count=3,
            backbone="tiny",
            conflict_count=1,
            stale_count=len(self.stale),
            pool_count=len(self.pool),
        )
        dataset.classes.add(label="cat", example_count=3)
        return dataset

    def _page(self, names: list[Any], token: str) -> tuple[list[Any], str]:
        begin = int(token or 0)
        end = begin + self.page_size
        return names[begin:end], str(end) if end < len(names) else ""

    def ListDatasets(self, request, context):
        self._begin("ListDatasets", context, request)
        names, token = self._page(self.models, request.page_token)
        return classifier_pb2.ListDatasetsResponse(datasets=map(self._dataset, names), next_page_token=token)

    def GetDataset(self, request, context):
        self._begin("GetDataset", context, request)
        return self._dataset(self._known("dataset", request.name, context))

    def GetServedBackbone(self, request, context):
        self._begin("GetServedBackbone", context, request)
        return self.served

    def DeleteDataset(self, request, context):
        self._begin("DeleteDataset", context, request)
        self._known("dataset", request.name, context)
        return empty_pb2.Empty()

    def ListModels(self, request, context):
        self._begin("ListModels", context, request)
        names, token = self._page(self.models, request.page_token)
        return classifier_pb2.ListModelsResponse(models=map(self._model, names), next_page_token=token)

    def GetModel(self, request, context):
        self._begin("GetModel", context, request)
        return self._model(self._known("model", request.name, context))

    def DeleteModel(self, request, context):
        self._begin("DeleteModel", context, request)
        self._known("model", request.name, context)
        return empty_pb2.Empty()

    def ListModelVersions(self, request, context):
        self._begin("ListModelVersions", context, request)
        self._known("model", request.model, context)
        numbers, token = self._page([5, 4, 3, 2, 1], request.page_token)
        versions = [self._version(request.model, number) for number in numbers]
        return classifier_pb2.ListModelVersionsResponse(versions=versions, next_page_token=token)

    def GetModelVersion(self, request, context):
        self._begin("GetModelVersion", context, request)
        return self._version(self._known("model", request.model, context), request.version or 1)

    def GetDrift(self, request, context):
        self._begin("GetDrift", context, request)
        name, state = self._known("model", request.model, context), self.drift_state
        drift = classifier_pb2.Drift(
            model=name,
            version=request.version or 1,
            state=state,
            block_size=50,
            false_alarms_per_million=0.5,
        )
        if state >= classifier_pb2.DRIFT_STATE_TOO_FEW_IMAGES:
            drift.training_image_count, drift.image_count = 200, 20
            drift.start_time.FromSeconds(10**9)
        if state >= classifier_pb2.DRIFT_STATE_STEADY:
            drift.image_count = 450
            for kind, named, level in (
                (classifier_pb2.DRIFT_KIND_SCORE, "", 0.25),
                (classifier_pb2.DRIFT_KIND_UNKNOWN, "", 0.0),
                (
                    classifier_pb2.DRIFT_KIND_STRENGTH,
                    "avgpool0 mean",
                    1.5 * (state == classifier_pb2.DRIFT_STATE_DRIFTING),
                ),
            ):
                drift.signals.add(
                    kind=kind,
                    name=named,
                    level=level,
                    image_count=100,
                    value=0.625,
                    expected_share=0.5,
                    seen_share=0.75,
                )
        if state == classifier_pb2.DRIFT_STATE_DRIFTING:
            drift.alarm_time.FromSeconds(10**9 + 60)
            drift.last_alarm_time.FromSeconds(10**9 + 60)
            drift.alarm_count = 2
        return drift

    def DeleteModelVersion(self, request, context):
        self._begin("DeleteModelVersion", context, request)
        self._known("model", request.model, context)
        return empty_pb2.Empty()

    def SetDefaultVersion(self, request, context):
        self._begin("SetDefaultVersion", context, request)
        return self._model(self._known("model", request.model, context), request.version)

    def _known(self, resource: str, name: str, context: grpc.ServicerContext) -> str:
        if name not in self.models:
            self._fail(ResourceNotFoundError(resource, name), context)
        return name

    def _scripted(self, method: str) -> Any:
        return self.script[method].pop(0) if self.script.get(method) else None

    def _begin(self, method: str, context: grpc.ServicerContext, request: Any = None) -> Iterator[bool]:
        """Record a call; fail it where the script says so; return which of its answers break it."""
        self.calls.append((method, None))
        if request is not None:
            self.calls.append((method, request))
        self.metadata.append((method, {key: str(value) for key, value in context.invocation_metadata()}))
        self.deadlines[method] = context.time_remaining() or 0.0
        failure = self._scripted(method)
        if failure is not None:
            self._fail(failure, context)
        after = self.break_after[method].pop(0) if self.break_after.get(method) else None
        return (number == after for number in range(1_000_000))

    def _step(self, breaks: Iterator[bool], context: grpc.ServicerContext) -> None:
        if next(breaks):
            self._fail(Broken(), context)

    def _fail(self, failure: LastlayerError | Broken | Hang, context: grpc.ServicerContext) -> NoReturn:
        if isinstance(failure, Hang):
            context.add_callback(failure.left.set)
            failure.entered.set()
            failure.left.wait()
            context.abort(grpc.StatusCode.CANCELLED, "the caller has gone")
        if isinstance(failure, Broken):
            context.abort(failure.code, "the connection ended")
        context.abort_with_status(rpc_status.to_status(to_status(failure)))
        raise AssertionError("unreachable")


def served_backbone() -> types_pb2.Backbone:
    """Return the network that the fake's featurizer serves, with which its versions were trained."""
    return types_pb2.Backbone(
        name="tiny",
        digest="00" * 32,
        device="CPU",
        precision="float32",
        imagenet_accuracy=0.7,
        relative_speed=1.0,
        others=[types_pb2.AvailableBackbone(name="xception", imagenet_accuracy=0.79, relative_speed=0.2)],
    )


def undecodable() -> status_pb2.Status:
    return to_status(ImageUndecodableError("The bytes are no image of a supported format."))


@contextlib.contextmanager
def running(
    servicer: classifier_pb2_grpc.ClassifierServicer, *, serving: Callable[[str], bool] = lambda name: True
) -> Iterator[str]:
    """Run the servicer on a free port, with a health service, and yield its address."""
    server = grpc.server(
        futures.ThreadPoolExecutor(8),
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),
        ],
    )
    classifier_pb2_grpc.add_ClassifierServicer_to_server(servicer, server)
    checks = health.HealthServicer()
    for name in ("", CLASSIFIER_SERVICE, f"{CLASSIFIER_SERVICE}/features"):
        state = health_pb2.HealthCheckResponse.SERVING if serving(name) else health_pb2.HealthCheckResponse.NOT_SERVING
        checks.set(name, state)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
