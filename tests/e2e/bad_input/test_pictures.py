"""Bad images through every method that takes images: each fails alone, with its reason; sound ones beside it do not."""

import random
from collections.abc import Iterator

import grpc
import pytest
from google.rpc import status_pb2

from lastlayer.client.transport.channel import open_channel
from lastlayer.rpc.status import CODES, ErrorDetails, read_error, read_status
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, featurizer_pb2, featurizer_pb2_grpc, types_pb2
from tests.e2e.bad_input.conftest import Target
from tests.e2e.bad_input.pictures import PICTURES, Picture, noise, saved

pytestmark = pytest.mark.long

SOUND = saved(noise(), "PNG")
MUTATIONS = 200


@pytest.fixture(scope="module")
def to_featurizer(target: Target) -> Iterator[featurizer_pb2_grpc.FeaturizerStub]:
    with open_channel(target.featurizer.address) as channel:
        yield featurizer_pb2_grpc.FeaturizerStub(channel)


@pytest.fixture(scope="module")
def to_classifier(target: Target) -> Iterator[classifier_pb2_grpc.ClassifierStub]:
    with open_channel(target.classifier.address) as channel:
        yield classifier_pb2_grpc.ClassifierStub(channel)


def check(picture: Picture, error: status_pb2.Status | None) -> None:
    if not picture.reason:
        assert error is None, error
        return
    assert error is not None
    told(picture, read_status(error))


def told(picture: Picture, details: ErrorDetails) -> None:
    assert (details.reason, details.code) == (picture.reason, CODES[picture.reason])
    assert details.message.endswith(".")
    assert len(details.message) < 300


each_picture = pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)


@each_picture
def test_featurize(picture: Picture, to_featurizer: featurizer_pb2_grpc.FeaturizerStub) -> None:
    images = [types_pb2.Image(content=content) for content in (SOUND, picture.content, SOUND)]
    request = featurizer_pb2.FeaturizeRequest(images=images, thumbnails=True)
    first, found, last = to_featurizer.Featurize(request, timeout=60).results
    [answer] = to_featurizer.FeaturizeStream(iter([featurizer_pb2.FeaturizeStreamRequest(request=request)]), timeout=60)
    for result in (found, answer.response.results[1]):
        check(picture, result.error if result.HasField("error") else None)
    for mate in (first, last):
        assert mate.WhichOneof("outcome") == "features"


@each_picture
def test_feature_maps(picture: Picture, to_featurizer: featurizer_pb2_grpc.FeaturizerStub) -> None:
    request = featurizer_pb2.GetFeatureMapsRequest(image=types_pb2.Image(content=picture.content), taps=["conv"])
    try:
        answer = to_featurizer.GetFeatureMaps(request, timeout=60)
    except grpc.RpcError as error:
        told(picture, read_error(error))
    else:
        assert not picture.reason
        assert answer.maps


@each_picture
def test_predict(picture: Picture, to_classifier: classifier_pb2_grpc.ClassifierStub) -> None:
    images = [types_pb2.Image(content=content) for content in (SOUND, picture.content, SOUND)]
    request = classifier_pb2.PredictRequest(model="default", images=images)
    first, found, last = to_classifier.Predict(request, timeout=60).results
    [answer] = to_classifier.PredictStream(iter([classifier_pb2.PredictStreamRequest(request=request)]), timeout=60)
    for result in (found, answer.response.results[1]):
        check(picture, result.error if result.HasField("error") else None)
    for mate in (first, last):
        assert mate.WhichOneof("outcome") == "prediction"


@each_picture
def test_explain(picture: Picture, to_classifier: classifier_pb2_grpc.ClassifierStub) -> None:
    request = classifier_pb2.ExplainRequest(model="default", image=types_pb2.Image(content=picture.content))
    try:
        explanation = to_classifier.Explain(request, timeout=60)
    except grpc.RpcError as error:
        details = read_error(error)
        # The search may have taken a tap that is no spatial mean, which says nothing of the picture.
        if details.reason != "NOT_EXPLAINABLE":
            told(picture, details)
    else:
        assert not picture.reason
        assert explanation.contributions


@each_picture
def test_add_and_evaluate(picture: Picture, to_classifier: classifier_pb2_grpc.ClassifierStub) -> None:
    examples = [classifier_pb2.Example(id="it", label="odd", content=picture.content)]
    [added] = to_classifier.AddExamples(
        iter([classifier_pb2.AddExamplesRequest(dataset="odd", examples=examples)]), timeout=60
    )
    [outcome] = added.outcomes
    check(picture, outcome.error if outcome.HasField("error") else None)
    request = classifier_pb2.EvaluateRequest(model="default", examples=examples)
    results = [
        result
        for event in to_classifier.Evaluate(iter([request]), timeout=60)
        if event.HasField("progress")
        for result in event.progress.results
    ]
    check(picture, results[0].error if results[0].HasField("error") else None)


def test_mutated_images_end_in_features_or_in_a_reason(
    to_featurizer: featurizer_pb2_grpc.FeaturizerStub, to_classifier: classifier_pb2_grpc.ClassifierStub
) -> None:
    """A bounded fuzz run: bytes of sound images changed, cut out, doubled and mixed."""
    seeded = random.Random(17)
    sound = [picture.content for picture in PICTURES if not picture.reason]
    mutated = [mutate(seeded.choice(sound), seeded.choice(sound), seeded) for _ in range(MUTATIONS)]
    for start in range(0, MUTATIONS, 20):
        part = mutated[start : start + 20]
        images = [types_pb2.Image(content=content) for content in part]
        for result in to_featurizer.Featurize(featurizer_pb2.FeaturizeRequest(images=images), timeout=60).results:
            if result.HasField("error"):
                assert read_status(result.error).reason in ("IMAGE_EMPTY", "IMAGE_UNDECODABLE", "IMAGE_TOO_LARGE")
        examples = [classifier_pb2.Example(label="x", content=content) for content in part]
        requests = iter([classifier_pb2.AddExamplesRequest(dataset="fuzzed", examples=examples)])
        [added] = to_classifier.AddExamples(requests, timeout=60)
        for outcome in added.outcomes:
            if outcome.HasField("error"):
                assert read_status(outcome.error).reason in ("IMAGE_EMPTY", "IMAGE_UNDECODABLE", "IMAGE_TOO_LARGE")


def mutate(content: bytes, other: bytes, seeded: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(seeded.randint(1, 8)):
        place, length = seeded.randrange(len(changed) or 1), seeded.randint(1, 40)
        match seeded.randrange(4):
            case 0:
                changed[place : place + length] = seeded.randbytes(length)
            case 1:
                del changed[place : place + length]
            case 2:
                changed[place:place] = changed[place : place + length]
            case _:
                changed[place : place + length] = other[place : place + length]
    return bytes(changed)
