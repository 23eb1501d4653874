"""What images are: classes, and why."""

from lastlayer.featurizer.errors import ImageUndecodableError
from lastlayer.rpc.errors import InvalidFieldError, ResourceNotFoundError
from lastlayer.rpc.status import to_status
from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.client.fake_classifier.scripted import Scripted, undecodable


class Predictions(Scripted):
    """What images are: classes, and why."""

    def Predict(self, request, context):
        self._begin("Predict", context, request)
        self._known("model", request.model, context)
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
