"""Explain: what adds up to a score, which class, and what cannot be explained."""

import grpc
import pytest

from lastlayer.classifier.features.client import MAX_CONTENT_BYTES
from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.classifier.calls import add, examples, failure, predict, train, train_anew
from tests.integration.classifier.fake_featurizer import FakeFeaturizer


async def explain(stub, content: bytes, **fields) -> classifier_pb2.Explanation:
    explanation: classifier_pb2.Explanation = await stub.Explain(asked(content, **fields))
    return explanation


def asked(content: bytes, **fields) -> classifier_pb2.ExplainRequest:
    return classifier_pb2.ExplainRequest(**{"model": "m", "image": types_pb2.Image(content=content), **fields})


async def test_the_contributions_add_up_to_what_predict_says(stub) -> None:
    await train_anew(stub)
    [predicted] = (await predict(stub, [b"dog-77"])).results
    found = await explain(stub, b"dog-77")
    assert (found.model, found.version, found.label) == ("m", 1, "dog")
    assert (found.height, found.width, len(found.contributions)) == (2, 3, 6)
    assert sum(found.contributions) + found.bias == pytest.approx(found.logit, rel=1e-9)
    assert (found.region.left, found.region.top, found.region.right, found.region.bottom) == (0.25, 0, 0.75, 1)
    scores = {entry.label: entry.score for entry in predicted.prediction.scores}
    assert {entry.label: entry.score for entry in found.prediction.scores} == pytest.approx(scores, abs=1e-4)
    assert found.probability == pytest.approx(scores["dog"], abs=1e-4)


async def test_any_class_can_be_explained(stub) -> None:
    await train_anew(stub)
    found = await explain(stub, b"dog-77", label="cat")
    assert found.label == "cat"
    assert found.probability == pytest.approx(1 - (await explain(stub, b"dog-77")).probability)
    assert found.prediction.scores[0].label == "dog"


async def test_an_unknown_class(stub) -> None:
    await train_anew(stub)
    found = await failure(stub.Explain(asked(b"dog-77", label="owl")))
    assert (found.code, found.field) == (grpc.StatusCode.INVALID_ARGUMENT, "label")
    assert found.message == "The model knows no class `owl`; it knows cat, dog."


async def test_an_unknown_model(stub) -> None:
    found = await failure(stub.Explain(asked(b"dog-77", model="nosuch")))
    assert found.reason == "RESOURCE_NOT_FOUND"


async def test_a_version_on_other_taps(stub, fake: FakeFeaturizer) -> None:
    await add(stub, "m", examples("cat", 6) + examples("dog", 6))
    await train(stub, recipe=classifier_pb2.RECIPE_TUTORIAL)
    found = await failure(stub.Explain(asked(b"dog-77")))
    assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_EXPLAINABLE")
    assert "`scores`" in found.message
    assert "recipe auto" in found.message
    assert fake.mapped == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"bad-1", "IMAGE_UNDECODABLE"), (b"huge-1", "NOT_EXPLAINABLE"), (bytes(MAX_CONTENT_BYTES + 1), "INVALID_FIELD")],
    ids=["bad", "maps too large", "file too large"],
)
async def test_an_image_that_cannot_be_explained(stub, content: bytes, reason: str) -> None:
    await train_anew(stub)
    assert (await failure(stub.Explain(asked(content)))).reason == reason


async def test_another_backbone(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    fake.digest = "b" * 64
    found = await failure(stub.Explain(asked(b"dog-77")))
    assert found.reason == "BACKBONE_MISMATCH"
    assert found.message.startswith("Version 1 of the model `m` takes features of fake")


async def test_a_caller_s_deadline_goes_on(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    await stub.Explain(asked(b"dog-77"), timeout=30)
    assert 0 < (fake.deadlines[-1] or 0) < 31  # seconds; without one it would be 60
