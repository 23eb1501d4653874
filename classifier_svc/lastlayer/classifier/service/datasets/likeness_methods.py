"""The methods of the Classifier service on what the images of a dataset look like."""

import contextlib
from collections.abc import AsyncIterator

from lastlayer.classifier.service.datasets.likeness_messages import (
    read_map,
    read_similar,
    to_map_responses,
    to_similar,
)
from lastlayer.classifier.service.handlers import Context, HandlerServicer
from lastlayer.rpc.server.deadlines import deadline_of
from lastlayer.v1 import classifier_pb2


class LikenessMethods(HandlerServicer):
    """The methods that compare images."""

    async def Similar(self, request: classifier_pb2.SimilarRequest, context: Context) -> classifier_pb2.SimilarResponse:
        """Find the stored images that are most like an image."""
        found = await self._handlers.similar.find(read_similar(request), deadline=deadline_of(context))
        return to_similar(found)

    async def MapExamples(
        self, request: classifier_pb2.MapExamplesRequest, context: Context
    ) -> AsyncIterator[classifier_pb2.MapExamplesResponse]:
        """Lay the images of a dataset out in two dimensions."""
        # Closed at once where the caller has gone: the work stops, and the next map has its turn.
        async with contextlib.aclosing(self._handlers.maps.run(read_map(request))) as events:
            async for event in events:
                for response in to_map_responses(event):
                    yield response
