"""Models and versions: trained, evaluated, listed."""

import struct
import time
from collections import Counter

from google.protobuf import empty_pb2

from lastlayer.rpc.errors import ResourceNotFoundError
from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.client.fake_classifier.scripted import Scripted, undecodable


class Models(Scripted):
    """Models and versions: trained, evaluated, listed."""

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
