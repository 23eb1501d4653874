"""The Classifier service: messages in, messages out."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from lastlayer.classifier.evaluation.evaluation import Evaluated
from lastlayer.classifier.service import messages, requests
from lastlayer.classifier.service.datasets.dataset_methods import DatasetMethods
from lastlayer.classifier.service.datasets.feature_methods import FeatureMethods
from lastlayer.classifier.service.datasets.likeness_methods import LikenessMethods
from lastlayer.classifier.service.datasets.pool_methods import PoolMethods
from lastlayer.classifier.service.handlers import Context, answer_stream
from lastlayer.classifier.service.resource_methods import ModelMethods
from lastlayer.classifier.service.validation import check_id, check_name, check_version
from lastlayer.classifier.service.version_messages import to_evaluation, to_train_response
from lastlayer.rpc.server.auth_interceptor import caller_scope
from lastlayer.rpc.server.deadlines import deadline_of
from lastlayer.v1 import classifier_pb2


class ClassifierServicer(DatasetMethods, FeatureMethods, LikenessMethods, PoolMethods, ModelMethods):
    """All methods of the service; here are those that train, predict and evaluate."""

    async def Train(
        self, request: classifier_pb2.TrainRequest, context: Context
    ) -> AsyncIterator[classifier_pb2.TrainResponse]:
        """Train a version."""
        # Closed at once where the caller has gone: the training stops, and the next one has its turn.
        async with contextlib.aclosing(self._handlers.trainings.run(requests.read_training(request))) as events:
            async for event in events:
                yield to_train_response(event)

    async def Predict(self, request: classifier_pb2.PredictRequest, context: Context) -> classifier_pb2.PredictResponse:
        """Predict some images."""
        return await self._predict(request, deadline_of(context), patient=False)

    async def PredictStream(
        self, request_iterator: Any, context: Context
    ) -> AsyncIterator[classifier_pb2.PredictStreamResponse]:
        """Predict the images of each request."""
        deadline = deadline_of(context)

        async def predict(request: classifier_pb2.PredictStreamRequest) -> classifier_pb2.PredictResponse:
            check_id("request_id", request.request_id)
            return await self._predict(request.request, deadline, patient=True)

        async def answer(request: classifier_pb2.PredictStreamRequest) -> classifier_pb2.PredictStreamResponse:
            return await messages.to_stream_response(request.request_id, predict(request))

        async with answer_stream(request_iterator, answer, in_order=False) as responses:
            async for response in responses:
                yield response

    async def _predict(
        self, request: classifier_pb2.PredictRequest, deadline: float | None, *, patient: bool
    ) -> classifier_pb2.PredictResponse:
        predictions = await self._handlers.predictor.answer(
            requests.read_prediction(request), deadline=deadline, patient=patient
        )
        return messages.to_predict_response(request, predictions)

    async def Explain(self, request: classifier_pb2.ExplainRequest, context: Context) -> classifier_pb2.Explanation:
        """Say where in an image a score comes from."""
        check_id("image.id", request.image.id)
        explanation = await self._handlers.predictor.explain(
            check_name("model", request.model),
            check_version(request.version),
            request.image.content,
            request.label,
            deadline=deadline_of(context),
        )
        return messages.to_explanation(explanation)

    async def Evaluate(self, request_iterator: Any, context: Context) -> AsyncIterator[classifier_pb2.EvaluateResponse]:
        """Compare predictions with labels."""
        evaluation = self._handlers.begin_evaluation(deadline=deadline_of(context))
        model = requests.StreamName("model")

        async def predict(
            request: classifier_pb2.EvaluateRequest,
        ) -> tuple[classifier_pb2.EvaluateRequest, list[Evaluated]]:
            name = model.read(request.model)
            requests.check_count("examples", len(request.examples), least=0)
            multi_label = await evaluation.is_multi_label(name, request.version)
            images = requests.read_labelled(request.examples, multi_label=multi_label)
            return request, await evaluation.predict(name, request.version, images)

        async with answer_stream(request_iterator, predict, in_order=True) as answers:
            async for request, evaluated in answers:
                await evaluation.count(evaluated)
                yield messages.to_evaluate_progress(request, evaluated)
        report = await evaluation.finish()
        names_examples = caller_scope.get() == "admin"
        yield classifier_pb2.EvaluateResponse(evaluation=to_evaluation(report, names_examples=names_examples))
