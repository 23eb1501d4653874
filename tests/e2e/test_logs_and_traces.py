"""What both services tell of themselves: a call is one trace, as a collector receives it, and all logs are JSON.

With logs as JSON every line is a JSON object, TensorFlow's and gRPC's included.
"""

import gzip
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lastlayer.client.transport.channel import open_channel
from lastlayer.local.services import Service, running_services
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2
from tests.e2e.conftest import run_client
from tests.e2e.test_processes import write_photos

pytestmark = pytest.mark.long

PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@contextmanager
def collector() -> Iterator[tuple[str, "queue.Queue[ExportTraceServiceRequest]"]]:
    """A collector; yields its URL and what it receives."""
    received: queue.Queue[ExportTraceServiceRequest] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.put(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Observed:
    """The services after they have been used and stopped: the featurizer and the classifier, and their spans."""

    services: tuple[Service, Service]
    spans: list[tuple[str, Any]]


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Observed:
    folder = tmp_path_factory.mktemp("observed")
    write_photos(folder / "photos", 2)
    photo = next((folder / "photos").rglob("*.png"))
    with collector() as (url, received):
        environment = {
            "LASTLAYER_BACKBONE": str(tiny_backbone),
            "LASTLAYER_HOME": str(folder / "home"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "NO_PROXY": "127.0.0.1",
            "FEATURIZER_LOG_FORMAT": "json",
            "CLASSIFIER_LOG_FORMAT": "json",
        }
        with running_services(folder / "state", environment=environment) as pair:
            _, classifier = pair
            assert run_client(classifier.address, "train", str(folder / "photos")).returncode == 0
            with open_channel(classifier.address) as channel:
                stub = classifier_pb2_grpc.ClassifierStub(channel)
                image = types_pb2.Image(content=photo.read_bytes())
                parent = (("traceparent", f"00-{PARENT[0]}-{PARENT[1]}-01"),)
                stub.Predict(
                    classifier_pb2.PredictRequest(model="default", images=[image]), timeout=60, metadata=parent
                )
                with suppress(grpc.RpcError):
                    stub.GetModel(classifier_pb2.GetModelRequest(name="missing"), timeout=60, metadata=parent)
        return Observed(pair, spans_of(received))


def test_a_prediction_is_one_trace_from_the_caller_to_the_featurizer(observed: Observed) -> None:
    ours = {span.name: (service, span) for service, span in observed.spans if span.trace_id.hex() == PARENT[0]}
    service, predict = ours["lastlayer.v1.Classifier/Predict"]
    assert (service, predict.parent_span_id.hex()) == ("classifier", PARENT[1])
    service, featurize = ours["lastlayer.v1.Featurizer/Featurize"]
    assert (service, featurize.parent_span_id) == ("featurizer", predict.span_id)
    assert attributes(predict)["rpc.grpc.status_code"] == 0
    assert attributes(predict)["lastlayer.request_id"] == attributes(featurize)["lastlayer.request_id"]
    _, missing = ours["lastlayer.v1.Classifier/GetModel"]
    assert attributes(missing)["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert missing.status.code == missing.status.STATUS_CODE_ERROR


def spans_of(received: "queue.Queue[ExportTraceServiceRequest]") -> list[tuple[str, Any]]:
    """Return all spans with the name of the service that sent them."""
    found: list[tuple[str, Any]] = []
    while not received.empty():
        for entry in received.get().resource_spans:
            [service] = [pair.value.string_value for pair in entry.resource.attributes if pair.key == "service.name"]
            found += [(service, span) for scope in entry.scope_spans for span in scope.spans]
    return found


def attributes(span: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}


def records(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.read_text().splitlines()]


def test_every_line_of_both_services_parses(observed: Observed) -> None:
    for service in observed.services:
        found = records(service)
        assert all({"time", "level", "logger", "message"} <= set(record) for record in found)
        messages = [record["message"] for record in found]
        assert any(message.startswith("serving") for message in messages), messages
        assert messages[-1] == "stopped"
        assert service.started.wait() == 0
    # TensorFlow says something when it is loaded. Were it silent, this would show nothing.
    assert "stderr" in {record["logger"] for record in records(observed.services[0])}


@pytest.mark.parametrize("name", ["featurizer", "classifier"])
def test_so_does_the_reason_why_a_service_ends(tmp_path: Path, tiny_backbone: Path, name: str) -> None:
    environment = {
        "LASTLAYER_BACKBONE": str(tiny_backbone),
        "LASTLAYER_HOME": str(tmp_path / "home"),
        f"{name.upper()}_LOG_FORMAT": "json",
        f"{name.upper()}_ADDRESS": "192.0.2.1:1",  # no address of this machine
    }
    script = {"featurizer": "featurizer", "classifier": "classifier-svc"}[name]
    service = Service(script, "192.0.2.1:1", tmp_path / "log", environment)
    service.start()
    try:
        assert service.started.wait(120) == 1
    finally:
        service.kill()
    last = records(service)[-1]
    assert (last["level"], last["logger"]) == ("ERROR", "stderr")
    assert last["message"].startswith("Error: Cannot listen on 192.0.2.1:1")
