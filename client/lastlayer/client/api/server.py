"""The server, and the network that it serves."""

from typing import TYPE_CHECKING, Any

from lastlayer.client.api.datasets import DatasetMethods
from lastlayer.client.errors import AccessError, NotFoundError
from lastlayer.client.transport.messages.reading import read
from lastlayer.rpc.channel import CLASSIFIER_SERVICE, FEATURES_HEALTH
from lastlayer.v1 import classifier_pb2

if TYPE_CHECKING:
    from lastlayer.client.results.server import Backbone, ServerStatus


class ServerMethods(DatasetMethods):
    """The server, and the network that it serves."""

    def get_served_backbone(self) -> "Backbone":
        """Return the network that the featurizer serves now, which featurizes what is added from now on.

        Raises `ServerUnavailableError` where the featurizer is away, and `ServerError`; the call is not repeated.

        >>> backbone = client.get_served_backbone()
        >>> backbone.name, [other.name for other in backbone.others]
        ('tiny', ['xception'])
        """
        from lastlayer.client.results.server import Backbone

        request = classifier_pb2.GetServedBackboneRequest()
        return read(Backbone, self._call(self._stub.GetServedBackbone, request, repeat=False))

    def status(self) -> "ServerStatus":
        """Return how the server is; to a token for predictions alone it does not show the backbone.

        Raises `ServerUnavailableError` where it cannot be reached, and `AccessError` where it does not know the token.
        """
        from lastlayer.client.results.server import ServerStatus

        services = self.health()
        newest, visible = None, True
        if services[CLASSIFIER_SERVICE] == "SERVING":  # which lists datasets with and without a featurizer
            try:
                newest = max(self.list_datasets(), key=lambda dataset: dataset.update_time, default=None)
            except AccessError as error:
                if error.code != "PERMISSION_DENIED":
                    raise
                visible = False
        return ServerStatus(self.server, services, newest.backbone if newest is not None else "", visible)

    def health(self) -> dict[str, str]:
        """Return what health says, as `ServerStatus.services` has it. By default a server asks for no token here.

        Raises `ServerUnavailableError` where the server cannot be reached, and `AccessError` where it wants a token.

        >>> client.health()["server"]
        'SERVING'
        """
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        health: Any = health_pb2_grpc.HealthStub(self._channel)  # its types leave its methods out
        services = {}
        for label, name in (("server", ""), (CLASSIFIER_SERVICE, CLASSIFIER_SERVICE), ("featurizer", FEATURES_HEALTH)):
            try:
                answer = self._call(health.Check, health_pb2.HealthCheckRequest(service=name))
            except NotFoundError:  # a server of something else
                services[label] = "SERVICE_UNKNOWN"
            else:
                services[label] = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return services
