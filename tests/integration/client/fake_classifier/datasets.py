"""Datasets as wholes, and the network that is served."""

from google.protobuf import empty_pb2

from lastlayer.v1 import classifier_pb2
from tests.integration.client.fake_classifier.scripted import Scripted


class Datasets(Scripted):
    """Datasets as wholes, and the network that is served."""

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
