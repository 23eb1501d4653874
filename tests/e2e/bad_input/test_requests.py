"""Bad requests to every method of both services: each has its status, its reason and the field that is to blame."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import grpc
import pytest
from google.protobuf import descriptor

from lastlayer.client.transport.channel import open_channel
from lastlayer.rpc.status import CODES, ErrorDetails, read_error, read_status
from lastlayer.v1 import classifier_pb2 as c
from lastlayer.v1 import classifier_pb2_grpc, featurizer_pb2_grpc
from lastlayer.v1 import featurizer_pb2 as f
from lastlayer.v1 import types_pb2 as t
from tests.e2e.bad_input.conftest import Target
from tests.e2e.bad_input.pictures import noise, saved

pytestmark = pytest.mark.long

SOUND: Final = saved(noise(), "PNG")
IMAGE: Final = t.Image(content=SOUND)
NAN, INFINITE = float("nan"), float("inf")

NAMES: Final = {
    "empty": "",
    "above": "../../etc/passwd",
    "a path": "a/b",
    "NUL": "a\0b",
    "300 characters": "a" * 300,
    "a space": "a b",
    "a line break": "a\nb",
    "an emoji": "🌷",
    "an option": "-rf",
    "SQL": "x'; DROP TABLE models; --",
}
LABELS: Final = {
    "empty": "",
    "white space": " \t ",
    "a megabyte": "x" * 1_000_000,
    "a line break": "two\nlines",
    "NUL": "a\0b",
    "a control character": "a\x1b[31mb",
    "a line separator": "a\u2028b",
}


class Bad(NamedTuple):
    """A request that is refused as a whole."""

    method: str
    request: Any
    reason: str
    field: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.field or self.reason}"


INVALID, NOT_FOUND = "INVALID_FIELD", "RESOURCE_NOT_FOUND"
REQUESTS: Final = [
    *(
        Bad(method, make(name), INVALID, field)
        for name in NAMES.values()
        for method, make, field in (
            ("Predict", lambda name: c.PredictRequest(model=name, images=[IMAGE]), "model"),
            ("Explain", lambda name: c.ExplainRequest(model=name, image=IMAGE), "model"),
            ("Evaluate", lambda name: c.EvaluateRequest(model=name, examples=[c.Example(content=SOUND)]), "model"),
            ("Train", lambda name: c.TrainRequest(model=name), "model"),
            ("AddExamples", lambda name: c.AddExamplesRequest(dataset=name, examples=[c.Example()]), "dataset"),
            ("ListExamples", lambda name: c.ListExamplesRequest(dataset=name), "dataset"),
            ("ListFeatures", lambda name: c.ListFeaturesRequest(dataset=name), "dataset"),
            ("AddFeatures", lambda name: c.AddFeaturesRequest(dataset=name, examples=[c.Example()]), "dataset"),
            ("ReviewExamples", lambda name: c.ReviewExamplesRequest(model=name), "model"),
            ("NextExamples", lambda name: c.NextExamplesRequest(dataset=name), "dataset"),
            ("Similar", lambda name: c.SimilarRequest(dataset=name, image=IMAGE), "dataset"),
            ("MapExamples", lambda name: c.MapExamplesRequest(dataset=name), "dataset"),
            ("RelabelExamples", lambda name: c.RelabelExamplesRequest(dataset=name), "dataset"),
            ("RemoveExamples", lambda name: c.RemoveExamplesRequest(dataset=name), "dataset"),
            ("GetHead", lambda name: c.GetHeadRequest(model=name), "model"),
            ("GetDrift", lambda name: c.GetDriftRequest(model=name), "model"),
            ("GetDataset", lambda name: c.GetDatasetRequest(name=name), "name"),
            ("DeleteDataset", lambda name: c.DeleteDatasetRequest(name=name), "name"),
            ("GetModel", lambda name: c.GetModelRequest(name=name), "name"),
            ("DeleteModel", lambda name: c.DeleteModelRequest(name=name), "name"),
            ("ListModelVersions", lambda name: c.ListModelVersionsRequest(model=name), "model"),
            ("GetModelVersion", lambda name: c.GetModelVersionRequest(model=name), "model"),
            ("DeleteModelVersion", lambda name: c.DeleteModelVersionRequest(model=name, version=1), "model"),
            ("SetDefaultVersion", lambda name: c.SetDefaultVersionRequest(model=name, version=1), "model"),
        )
    ),
    Bad("Predict", c.PredictRequest(model="default"), INVALID, "images"),
    Bad("Predict", c.PredictRequest(model="default", images=[t.Image()] * 10_000), INVALID, "images"),
    Bad("Predict", c.PredictRequest(model="default", images=[IMAGE], top_k=-1), INVALID, "top_k"),
    Bad("Predict", c.PredictRequest(model="default", images=[IMAGE], threshold=NAN), INVALID, "threshold"),
    Bad("Predict", c.PredictRequest(model="default", images=[IMAGE], threshold=-INFINITE), INVALID, "threshold"),
    Bad("Predict", c.PredictRequest(model="default", images=[IMAGE], version=-(2**31)), INVALID, "version"),
    Bad("Predict", c.PredictRequest(model="default", images=[IMAGE], version=2**31 - 1), NOT_FOUND),
    Bad("Predict", c.PredictRequest(model="missing", images=[IMAGE]), NOT_FOUND),
    Bad("Explain", c.ExplainRequest(model="missing", image=IMAGE), NOT_FOUND),
    Bad("Explain", c.ExplainRequest(model="default", image=IMAGE, label="no such class"), INVALID, "label"),
    Bad("Train", c.TrainRequest(model="m", dataset="missing"), NOT_FOUND),
    Bad("Train", c.TrainRequest(model="m", dataset="default", recipe=99), INVALID, "recipe"),  # type: ignore[arg-type]
    Bad("Train", c.TrainRequest(model="m", dataset="default", class_weight=-1), INVALID, "class_weight"),  # type: ignore[arg-type]
    Bad("Train", c.TrainRequest(model="m", dataset="default", min_precision=NAN), INVALID, "min_precision"),
    Bad("Train", c.TrainRequest(model="m", dataset="default", min_precision=-0.5), INVALID, "min_precision"),
    Bad("Train", c.TrainRequest(model="m", dataset="default", min_precision=INFINITE), INVALID, "min_precision"),
    Bad("Train", c.TrainRequest(model="m", dataset="default", request_id="x" * 1000), INVALID, "request_id"),
    Bad("Evaluate", c.EvaluateRequest(model="missing", examples=[c.Example(content=SOUND)]), NOT_FOUND),
    Bad("Evaluate", c.EvaluateRequest(model="default", examples=[c.Example()] * 10_000), INVALID, "examples"),
    Bad("AddExamples", c.AddExamplesRequest(dataset="d", examples=[c.Example()] * 10_000), INVALID, "examples"),
    Bad("EmbedImages", c.EmbedImagesRequest(), INVALID, "images"),
    Bad("EmbedImages", c.EmbedImagesRequest(images=[t.Image()] * 10_000), INVALID, "images"),
    Bad("EmbedImages", c.EmbedImagesRequest(images=[IMAGE], taps=["\0"]), INVALID, "taps[0]"),
    Bad("ListFeatures", c.ListFeaturesRequest(dataset="missing"), NOT_FOUND),
    Bad("ListFeatures", c.ListFeaturesRequest(dataset="default", page_size=-1), INVALID, "page_size"),
    Bad("ListFeatures", c.ListFeaturesRequest(dataset="default", page_token="🌷"), INVALID, "page_token"),
    Bad("ReviewExamples", c.ReviewExamplesRequest(model="default", kind=77), INVALID, "kind"),  # type: ignore[arg-type]
    Bad("ReviewExamples", c.ReviewExamplesRequest(model="default", page_size=-1), INVALID, "page_size"),
    Bad("ListExamples", c.ListExamplesRequest(dataset="default", page_size=10**9), INVALID, "page_size"),
    Bad("ListExamples", c.ListExamplesRequest(dataset="default", page_token="🌷"), INVALID, "page_token"),
    Bad("ListExamples", c.ListExamplesRequest(dataset="default", pool=True, label="x"), INVALID, "label"),
    Bad(
        "ListExamples",
        c.ListExamplesRequest(dataset="default", pool=True, conflicts_only=True),
        INVALID,
        "conflicts_only",
    ),
    Bad("ListExamples", c.ListExamplesRequest(dataset="missing", pool=True), NOT_FOUND),
    Bad(
        "ListExamples", c.ListExamplesRequest(dataset="default", selected=[c.ExampleSelector()]), INVALID, "selected[0]"
    ),
    Bad(
        "ListExamples",
        c.ListExamplesRequest(dataset="default", selected=[c.ExampleSelector(id="x")] * 10_000),
        INVALID,
        "selected",
    ),
    Bad(
        "ListExamples",
        c.ListExamplesRequest(dataset="default", selected=[c.ExampleSelector(id="x")], pool=True),
        INVALID,
        "selected",
    ),
    Bad("NextExamples", c.NextExamplesRequest(dataset="missing"), NOT_FOUND),
    Bad("NextExamples", c.NextExamplesRequest(dataset="default", count=-1), INVALID, "count"),
    Bad("NextExamples", c.NextExamplesRequest(dataset="default", count=2**31 - 1), INVALID, "count"),
    Bad("Similar", c.SimilarRequest(dataset="missing", image=IMAGE), NOT_FOUND),
    Bad("Similar", c.SimilarRequest(dataset="default"), INVALID, "query"),
    Bad("Similar", c.SimilarRequest(dataset="default", image=t.Image()), "IMAGE_EMPTY"),
    Bad("Similar", c.SimilarRequest(dataset="default", image=t.Image(content=b"none")), "IMAGE_UNDECODABLE"),
    Bad("Similar", c.SimilarRequest(dataset="default", image=t.Image(id="x" * 2000)), INVALID, "image.id"),
    Bad("Similar", c.SimilarRequest(dataset="default", image=IMAGE, count=-1), INVALID, "count"),
    Bad("Similar", c.SimilarRequest(dataset="default", image=IMAGE, count=2**31 - 1), INVALID, "count"),
    Bad("Similar", c.SimilarRequest(dataset="default", example=c.ExampleSelector()), INVALID, "example"),
    Bad("Similar", c.SimilarRequest(dataset="default", example=c.ExampleSelector(id="missing")), NOT_FOUND),
    Bad(
        "Similar",
        c.SimilarRequest(dataset="default", example=c.ExampleSelector(content_sha256=b"abc")),
        INVALID,
        "example.content_sha256",
    ),
    *(
        Bad("Similar", c.SimilarRequest(dataset="default", image=IMAGE, label=label), INVALID, "label")
        for label in LABELS.values()
        if label
    ),
    Bad("MapExamples", c.MapExamplesRequest(dataset="missing"), NOT_FOUND),
    Bad("MapExamples", c.MapExamplesRequest(dataset="default", method=99), INVALID, "method"),  # type: ignore[arg-type]
    Bad("MapExamples", c.MapExamplesRequest(dataset="default", max_examples=9), INVALID, "max_examples"),
    Bad("MapExamples", c.MapExamplesRequest(dataset="default", max_examples=-1), INVALID, "max_examples"),
    Bad("MapExamples", c.MapExamplesRequest(dataset="default", max_examples=100_001), INVALID, "max_examples"),
    Bad("MapExamples", c.MapExamplesRequest(dataset="default", model="a b"), INVALID, "model"),
    Bad("MapExamples", c.MapExamplesRequest(dataset="default", model="missing"), NOT_FOUND),
    Bad("ListDatasets", c.ListDatasetsRequest(page_size=-1), INVALID, "page_size"),
    Bad("ListDatasets", c.ListDatasetsRequest(page_token="x" * 100_000), INVALID, "page_token"),
    Bad("ListModels", c.ListModelsRequest(page_token="../.."), INVALID, "page_token"),
    Bad("ListModelVersions", c.ListModelVersionsRequest(model="default", page_token="!"), INVALID, "page_token"),
    Bad(
        "AddExamples",
        c.AddExamplesRequest(dataset="default", multi_label=True, examples=[c.Example(label="x", content=SOUND)]),
        INVALID,
        "multi_label",
    ),
    *(
        Bad(
            "RelabelExamples",
            c.RelabelExamplesRequest(dataset="default", examples=[c.ExampleSelector(id="x")], **fields),
            INVALID,
            field,
        )
        for field, fields in (
            ("labels", {"labels": ["a", "b"]}),
            ("labels", {"label": "a", "labels": ["b"]}),
            ("labels", {"labels": [str(number) for number in range(10_000)]}),
            ("labels[1]", {"labels": ["a", "two\nlines"]}),
        )
    ),
    Bad("RelabelExamples", c.RelabelExamplesRequest(dataset="default", label="x"), INVALID, "examples"),
    Bad(
        "RelabelExamples",
        c.RelabelExamplesRequest(dataset="default", label="x", examples=[c.ExampleSelector()]),
        INVALID,
        "examples[0]",
    ),
    *(
        Bad(
            "RelabelExamples",
            c.RelabelExamplesRequest(dataset="default", label=label, examples=[c.ExampleSelector(id="x")]),
            INVALID,
            "label",
        )
        for label in LABELS.values()
    ),
    Bad(
        "RelabelExamples",
        c.RelabelExamplesRequest(dataset="default", label="x", to_pool=True, examples=[c.ExampleSelector(id="x")]),
        INVALID,
        "label",
    ),
    Bad("RemoveExamples", c.RemoveExamplesRequest(dataset="default"), INVALID, "examples"),
    Bad("GetDrift", c.GetDriftRequest(model="missing"), NOT_FOUND),
    Bad("GetDrift", c.GetDriftRequest(model="default", version=-1), INVALID, "version"),
    Bad("GetModelVersion", c.GetModelVersionRequest(model="default", version=-1), INVALID, "version"),
    Bad("DeleteModelVersion", c.DeleteModelVersionRequest(model="default", version=0), INVALID, "version"),
    Bad("SetDefaultVersion", c.SetDefaultVersionRequest(model="default", version=99), NOT_FOUND),
    Bad("Featurize", f.FeaturizeRequest(), INVALID, "images"),
    Bad("Featurize", f.FeaturizeRequest(images=[t.Image()] * 10_000), INVALID, "images"),
    Bad("Featurize", f.FeaturizeRequest(images=[IMAGE], taps=["conv", "\0"]), INVALID, "taps[1]"),
    Bad("Featurize", f.FeaturizeRequest(images=[IMAGE], taps=["x" * 1_000_000]), INVALID, "taps[0]"),
    Bad("Featurize", f.FeaturizeRequest(images=[t.Image(id="x" * 2000)]), INVALID, "images[0].id"),
    Bad("Featurize", f.FeaturizeRequest(images=[IMAGE], backbone_digest="wrong"), "BACKBONE_MISMATCH"),
    Bad("GetFeatureMaps", f.GetFeatureMapsRequest(image=IMAGE), INVALID, "taps"),
    Bad("GetFeatureMaps", f.GetFeatureMapsRequest(image=IMAGE, taps=["scores"]), INVALID, "taps[0]"),
    Bad("GetFeatureMaps", f.GetFeatureMapsRequest(taps=["conv"]), "IMAGE_EMPTY"),
]


@pytest.fixture(scope="module")
def stubs(target: Target) -> Iterator[tuple[Any, Any]]:
    """Of the featurizer and of the classifier."""
    with open_channel(target.featurizer.address) as one, open_channel(target.classifier.address) as other:
        yield featurizer_pb2_grpc.FeaturizerStub(one), classifier_pb2_grpc.ClassifierStub(other)


def service_of(method: str) -> descriptor.MethodDescriptor:
    services = f.DESCRIPTOR.services_by_name["Featurizer"], c.DESCRIPTOR.services_by_name["Classifier"]
    return next(service.methods_by_name[method] for service in services if method in service.methods_by_name)


def call(stubs: tuple[Any, Any], method: str, request: Any) -> list[Any]:
    """Return all answers to a call, whatever its shape."""
    known = service_of(method)
    function = getattr(next(stub for stub in stubs if hasattr(stub, method)), method)
    answer = function(iter([request]) if known.client_streaming else request, timeout=60)
    return list(answer) if known.server_streaming else [answer]


@pytest.mark.parametrize("bad", REQUESTS, ids=str)
def test_refused_with_its_field(bad: Bad, stubs: tuple[Any, Any]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(stubs, bad.method, bad.request)
    told(read_error(caught.value), bad)


def told(details: ErrorDetails, bad: Bad) -> None:
    assert (details.reason, details.code, details.field) == (bad.reason, CODES[bad.reason], bad.field), details
    assert details.message.endswith((".", "…"))
    assert len(details.message) <= 1000


@pytest.mark.parametrize("bad", [bad for bad in REQUESTS if bad.method in ("Predict", "Featurize")], ids=str)
def test_refused_alone_in_a_stream(bad: Bad, stubs: tuple[Any, Any]) -> None:
    sound: Any
    if bad.method == "Predict":
        sound = c.PredictRequest(model="default", images=[IMAGE])
        requests: list[Any] = [
            c.PredictStreamRequest(request_id=str(n), request=r) for n, r in enumerate((bad.request, sound))
        ]
    else:
        whole = f.FeaturizeRequest(images=[IMAGE])
        requests = [f.FeaturizeStreamRequest(request_id=str(n), request=r) for n, r in enumerate((bad.request, whole))]
    stub = stubs[0 if bad.method == "Featurize" else 1]
    answers = {answer.request_id: answer for answer in getattr(stub, f"{bad.method}Stream")(iter(requests), timeout=60)}
    told(read_status(answers["0"].error), bad)
    assert answers["1"].HasField("response")


@pytest.mark.parametrize("label", LABELS.values(), ids=LABELS)
def test_a_bad_label_fails_its_example_alone(label: str, stubs: tuple[Any, Any]) -> None:
    examples = [c.Example(id=str(n), label=each, content=SOUND) for n, each in enumerate((label, "fine"))]
    [answer] = call(stubs, "AddExamples", c.AddExamplesRequest(dataset="labels", examples=examples))
    first, second = answer.outcomes
    details = read_status(first.error)
    assert (details.reason, details.field) == (INVALID, "examples[0].label")
    assert not second.HasField("error")


@pytest.mark.parametrize(
    "label", ["Größe 10 µm", "🌷 tulip", "زهرة", "花", "a" * 256, "<script>alert(1)</script>", "' OR 1=1 --", "%s{0}"]
)
def test_any_plain_text_is_a_label(label: str, stubs: tuple[Any, Any]) -> None:
    example = c.Example(label=label, content=SOUND + label.encode())
    [answer] = call(stubs, "AddExamples", c.AddExamplesRequest(dataset="plain", examples=[example]))
    [outcome] = answer.outcomes
    assert not outcome.HasField("error")
    assert outcome.label == label


def test_a_message_above_the_limit_is_refused_and_the_connection_serves_on(target: Target) -> None:
    large = t.Image(content=bytes(33 * 1024 * 1024))
    options = [("grpc.max_send_message_length", -1)]
    for address, make in (
        (target.featurizer.address, lambda channel: large_to_featurizer(channel, large)),
        (target.classifier.address, lambda channel: large_to_classifier(channel, large)),
    ):
        with grpc.insecure_channel(address, options=options) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                make(channel)
            assert read_error(caught.value).code == grpc.StatusCode.RESOURCE_EXHAUSTED
    target.check()


def large_to_featurizer(channel: grpc.Channel, image: t.Image) -> None:
    featurizer_pb2_grpc.FeaturizerStub(channel).Featurize(f.FeaturizeRequest(images=[image]), timeout=60)


def large_to_classifier(channel: grpc.Channel, image: t.Image) -> None:
    request = c.PredictRequest(model="default", images=[image])
    classifier_pb2_grpc.ClassifierStub(channel).Predict(request, timeout=60)


def test_every_method_is_sent_something_bad() -> None:
    services = f.DESCRIPTOR.services_by_name["Featurizer"], c.DESCRIPTOR.services_by_name["Classifier"]
    methods = {method.name for service in services for method in service.methods}
    without_input = {"GetBackbone", "GetServedBackbone"}
    in_streams = {"PredictStream", "FeaturizeStream"}
    assert {bad.method for bad in REQUESTS} | without_input | in_streams == methods
