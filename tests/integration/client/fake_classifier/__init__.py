"""A classifier behind a real socket that follows a script and keeps a record: no network, no store, no TensorFlow.

It knows an image by its content: what starts with `bad` is undecodable. The label of an image is its content up to the
first `-`, so that `cat-1` is predicted as `cat`.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from lastlayer.rpc.channel import CLASSIFIER_SERVICE, MAX_MESSAGE_BYTES
from lastlayer.v1 import classifier_pb2_grpc
from tests.integration.client.fake_classifier.adding import Adding
from tests.integration.client.fake_classifier.datasets import Datasets
from tests.integration.client.fake_classifier.examples import Examples
from tests.integration.client.fake_classifier.models import Models
from tests.integration.client.fake_classifier.predictions import Predictions


class FakeClassifier(Adding, Examples, Datasets, Predictions, Models):
    """Fails where the script says so, and otherwise answers like a small classifier."""


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
