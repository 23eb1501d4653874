"""The method of the Classifier service on the images of a pool that are worth a label."""

from typing import Final

from lastlayer.classifier.service import messages, requests
from lastlayer.classifier.service.handlers import Context, HandlerServicer
from lastlayer.classifier.service.pagination import take_fitting
from lastlayer.classifier.service.validation import check_name
from lastlayer.classifier.training.selection.next_examples import Strategy
from lastlayer.classifier.training.selection.suggestions import Suggested, SuggestedImage
from lastlayer.v1 import classifier_pb2, types_pb2

_STRATEGIES: Final = {
    Strategy.TYPICAL: classifier_pb2.NEXT_STRATEGY_TYPICAL,
    Strategy.UNCERTAIN: classifier_pb2.NEXT_STRATEGY_UNCERTAIN,
}


class PoolMethods(HandlerServicer):
    """The method on pools; those that fill and change them are among `DatasetMethods`."""

    async def NextExamples(
        self, request: classifier_pb2.NextExamplesRequest, context: Context
    ) -> classifier_pb2.NextExamplesResponse:
        """Say which images to label next."""
        dataset, count = check_name("dataset", request.dataset), requests.read_next_count(request.count)
        return to_next(await self._handlers.suggestions.find(dataset, count, with_thumbnails=request.thumbnails))


def to_next(suggested: Suggested) -> classifier_pb2.NextExamplesResponse:
    """Return which images to label next, as many of them as fit into a message."""
    return classifier_pb2.NextExamplesResponse(
        examples=take_fitting(map(_to_suggested, suggested.images)),
        strategy=_STRATEGIES[suggested.strategy],
        pool_count=suggested.pool_count,
        stale_count=suggested.stale_count,
        classes=suggested.classes,
    )


def _to_suggested(image: SuggestedImage) -> classifier_pb2.SuggestedExample:
    return classifier_pb2.SuggestedExample(
        example=messages.to_stored_example(image.stored),
        scores=[types_pb2.LabelScore(label=label, score=score) for label, score in image.guesses],
    )
