"""The methods of the Classifier service on feature vectors."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Final

from lastlayer.classifier.domain.types import AddedExample, Backbone
from lastlayer.classifier.features.given import Given
from lastlayer.classifier.service import pagination, requests
from lastlayer.classifier.service.datasets.feature_messages import (
    check_digest,
    read_given,
    to_add_response,
    to_embedding,
    to_list_response,
)
from lastlayer.classifier.service.handlers import Context, HandlerServicer
from lastlayer.classifier.service.validation import check_id, check_name
from lastlayer.rpc.channel import MAX_MESSAGE_BYTES
from lastlayer.rpc.errors import InvalidFieldError
from lastlayer.rpc.server.deadlines import deadline_of
from lastlayer.rpc.server.streams import answer_each, run_ahead
from lastlayer.v1 import classifier_pb2

_MAX_PAGE_BYTES: Final = 8 * 1024 * 1024
"""The most bytes of vectors in a page."""

_PREPARED: Final = 2
"""How many messages with vectors are checked, or wait for it, while one is stored."""


class FeatureMethods(HandlerServicer):
    """The methods on feature vectors."""

    async def AddFeatures(
        self, request_iterator: Any, context: Context
    ) -> AsyncIterator[classifier_pb2.AddFeaturesResponse]:
        """Take examples that bring their features into a dataset."""
        dataset, digest = requests.StreamName("dataset"), requests.StreamName("backbone_digest", check_digest)
        taking = self._handlers.begin_import(deadline=deadline_of(context))

        async def prepare(
            request: classifier_pb2.AddFeaturesRequest,
        ) -> tuple[classifier_pb2.AddFeaturesRequest, Given, Backbone]:
            name = dataset.read(request.dataset)
            backbone = await taking.backbone(name, digest.read(request.backbone_digest))
            multi_label = await taking.is_multi_label(name, wanted=request.multi_label)
            return request, await asyncio.to_thread(read_given, request, backbone, multi_label=multi_label), backbone

        async def stored() -> AsyncGenerator[
            tuple[classifier_pb2.AddFeaturesRequest, Given, Sequence[AddedExample | None]], None
        ]:
            prepared = answer_each(request_iterator, prepare, in_flight=_PREPARED, in_order=True)
            async with contextlib.aclosing(run_ahead(prepared)) as ready:
                async for request, given, backbone in ready:
                    yield request, given, await taking.store(dataset.name, given, backbone)

        # The next message is stored while the answer to the one before is written.
        async with contextlib.aclosing(run_ahead(stored())) as answers:
            async for request, given, added in answers:
                yield await asyncio.to_thread(to_add_response, request, given, added)
        dataset.check_given()

    async def ListFeatures(
        self, request: classifier_pb2.ListFeaturesRequest, context: Context
    ) -> classifier_pb2.ListFeaturesResponse:
        """List the examples of a dataset with their features."""
        dataset, limit = check_name("dataset", request.dataset), pagination.check_page_size(request.page_size)
        after = pagination.read_number_token(request.page_token)

        def read() -> classifier_pb2.ListFeaturesResponse:
            page = self._handlers.datasets.feature_page(dataset, after=after, limit=limit, max_bytes=_MAX_PAGE_BYTES)
            token = pagination.make_token(str(page.labels[-1].key)) if page.more else ""
            return to_list_response(page, token)

        return await self._handlers.pools.reads.run(read)

    async def EmbedImages(
        self, request: classifier_pb2.EmbedImagesRequest, context: Context
    ) -> classifier_pb2.EmbedImagesResponse:
        """Compute the features of images."""
        requests.check_count("images", len(request.images), least=1)
        for index, image in enumerate(request.images):
            check_id(f"images[{index}].id", image.id)
        deadline = deadline_of(context)
        backbone = await self._handlers.featurizer.backbone(deadline)
        for index, tap in enumerate(request.taps):
            if tap not in backbone.tap_names:
                raise InvalidFieldError(
                    f"taps[{index}]",
                    f"There is no tap `{tap[:64]}`; {backbone.name} has {', '.join(backbone.tap_names)}.",
                )
        taps = list(dict.fromkeys(request.taps)) or list(backbone.tap_names)
        size = 4 * sum(tap.dimension for tap in backbone.taps if tap.name in taps) * len(request.images)
        if size > MAX_MESSAGE_BYTES // 2:
            raise InvalidFieldError(
                "images",
                f"The vectors of {len(request.images)} images at {len(taps)} taps are too large for a message; ask for "
                "fewer images, or for fewer taps.",
            )
        outcomes = await self._handlers.featurizer.featurize(
            [image.content for image in request.images],
            taps,
            digest=backbone.digest,
            deadline=deadline,
            patient=True,
        )
        results = [to_embedding(image.id, outcome) for image, outcome in zip(request.images, outcomes, strict=True)]
        return classifier_pb2.EmbedImagesResponse(
            results=results, backbone=backbone.name, backbone_digest=backbone.digest
        )
