"""The methods of the Classifier service on datasets and their examples."""

import asyncio
import functools
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf import empty_pb2

from lastlayer.classifier.domain.types import StoredExample
from lastlayer.classifier.features.ingest import Prepared
from lastlayer.classifier.service import messages, pagination, requests
from lastlayer.classifier.service.handlers import Context, HandlerServicer, answer_stream
from lastlayer.classifier.service.validation import check_name
from lastlayer.rpc.server.deadlines import deadline_of
from lastlayer.v1 import classifier_pb2, types_pb2


class DatasetMethods(HandlerServicer):
    """The methods on datasets."""

    async def AddExamples(
        self, request_iterator: Any, context: Context
    ) -> AsyncIterator[classifier_pb2.AddExamplesResponse]:
        """Take examples into a dataset."""
        dataset = requests.StreamName("dataset")
        async with self._handlers.begin_ingest(deadline=deadline_of(context)) as ingest:

            async def prepare(
                request: classifier_pb2.AddExamplesRequest,
            ) -> tuple[classifier_pb2.AddExamplesRequest, Prepared]:
                name = dataset.read(request.dataset)
                requests.check_count("examples", len(request.examples), least=0)
                ingest.begin(
                    name,
                    thumbnails=not request.no_thumbnails,
                    views=requests.read_views(request.views),
                    into_pool=request.pool,
                    multi_label=request.multi_label,
                )
                read = functools.partial(
                    requests.read_offered,
                    labelled=not ingest.into_pool,
                    multi_label=not ingest.into_pool and await ingest.is_multi_label(),
                )
                return request, await ingest.prepare(await asyncio.to_thread(read, request.examples))

            async with answer_stream(request_iterator, prepare, in_order=True) as answers:
                async for request, prepared in answers:
                    outcomes = await ingest.store(dataset.name, prepared)
                    yield classifier_pb2.AddExamplesResponse(
                        outcomes=map(messages.to_outcome, request.examples, prepared.offered, outcomes)
                    )
        dataset.check_given()

    async def ListExamples(
        self, request: classifier_pb2.ListExamplesRequest, context: Context
    ) -> classifier_pb2.ListExamplesResponse:
        """List the examples of a dataset, or the images of its pool."""
        dataset, wanted = check_name("dataset", request.dataset), requests.read_filter(request)
        after = pagination.read_number_token(request.page_token)
        if request.selected:
            return await self._handlers.pools.reads.run(self._list_selected, request, after)

        def read(limit: int) -> list[StoredExample]:
            pictured = request.thumbnails
            if not request.pool:
                return self._handlers.examples.page(dataset, wanted, after=after, limit=limit, with_thumbnails=pictured)
            return self._handlers.waiting.page(
                dataset, after=after, limit=limit, stale_only=request.stale_only, with_thumbnails=pictured
            )

        found, token = await pagination.read_page(
            request, self._handlers.pools.reads, read, messages.to_stored_example, lambda example: str(example.key)
        )
        return classifier_pb2.ListExamplesResponse(examples=found, next_page_token=token)

    def _list_selected(
        self, request: classifier_pb2.ListExamplesRequest, start: int
    ) -> classifier_pb2.ListExamplesResponse:
        """Return those that a request names, from the one in place `start` on."""
        selectors = requests.read_selectors(request.selected, "selected")
        size = pagination.check_page_size(request.page_size)
        found = self._handlers.examples.select(request.dataset, selectors, with_thumbnails=request.thumbnails)
        page = pagination.take_fitting(map(messages.to_stored_example, found[start : start + size]))
        end = start + len(page)
        token = pagination.make_token(str(end)) if end < len(found) else ""
        return classifier_pb2.ListExamplesResponse(examples=page, next_page_token=token)

    async def RelabelExamples(
        self, request: classifier_pb2.RelabelExamplesRequest, context: Context
    ) -> classifier_pb2.RelabelExamplesResponse:
        """Give examples another label, or take it away."""
        name, selectors = check_name("dataset", request.dataset), requests.read_selectors(request.examples)
        store, writes = self._handlers.examples, self._handlers.pools.writes
        if request.to_pool:
            requests.check_no_label(request)
            changed, dataset = await writes.run(store.return_to_pool, name, selectors)
        else:
            # Whether several are accepted, the dataset says.
            several = bool(request.labels or not request.label.strip())
            labels = requests.check_labels("", request, multi_label=several)
            changed, dataset = await writes.run(store.relabel, name, selectors, labels)
        return classifier_pb2.RelabelExamplesResponse(changed_count=changed, dataset=messages.to_dataset(dataset))

    async def RemoveExamples(
        self, request: classifier_pb2.RemoveExamplesRequest, context: Context
    ) -> classifier_pb2.RemoveExamplesResponse:
        """Remove examples."""
        removed, dataset = await self._handlers.pools.writes.run(
            self._handlers.examples.remove,
            check_name("dataset", request.dataset),
            requests.read_selectors(request.examples),
        )
        return classifier_pb2.RemoveExamplesResponse(removed_count=removed, dataset=messages.to_dataset(dataset))

    async def ListDatasets(
        self, request: classifier_pb2.ListDatasetsRequest, context: Context
    ) -> classifier_pb2.ListDatasetsResponse:
        """List datasets."""
        after = pagination.read_token(request.page_token)
        found, token = await pagination.read_page(
            request,
            self._handlers.pools.reads,
            lambda limit: self._handlers.datasets.page(after, limit),
            messages.to_dataset,
            lambda dataset: dataset.name,
        )
        return classifier_pb2.ListDatasetsResponse(datasets=found, next_page_token=token)

    async def GetDataset(self, request: classifier_pb2.GetDatasetRequest, context: Context) -> classifier_pb2.Dataset:
        """Get a dataset."""
        name = check_name("name", request.name)
        return messages.to_dataset(await self._handlers.pools.reads.run(self._handlers.datasets.get, name))

    async def GetServedBackbone(
        self, request: classifier_pb2.GetServedBackboneRequest, context: Context
    ) -> types_pb2.Backbone:
        """Get the backbone that featurizes what is added."""
        return await self._handlers.featurizer.describe(deadline_of(context))

    async def DeleteDataset(self, request: classifier_pb2.DeleteDatasetRequest, context: Context) -> empty_pb2.Empty:
        """Delete a dataset."""
        await self._handlers.pools.writes.run(self._handlers.datasets.delete, check_name("name", request.name))
        return empty_pb2.Empty()
