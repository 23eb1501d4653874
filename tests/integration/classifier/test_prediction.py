"""Predict and PredictStream: numbers, order, deadlines, and what cannot be predicted."""

import asyncio

import grpc
import pytest

from lastlayer.classifier.domain.types import ServedVersion
from lastlayer.classifier.features import client
from lastlayer.classifier.store.models import ModelStore
from lastlayer.rpc.errors import OverloadedError
from lastlayer.rpc.status import read_status
from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.classifier.calls import (
    add,
    connected,
    examples,
    failure,
    images,
    kinds,
    predict,
    train,
    train_anew,
)
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, Hang, serving


def best(response: classifier_pb2.PredictResponse) -> list[str]:
    return [result.prediction.scores[0].label for result in response.results]


async def test_scores_are_sorted_sum_to_one_and_come_in_the_order_of_the_images(stub) -> None:
    await train_anew(stub)
    response = await predict(stub, [b"dog-77", b"cat-77", b"dog-78"])
    assert best(response) == ["dog", "cat", "dog"]
    assert [result.id for result in response.results] == ["0", "1", "2"]
    assert (response.model, response.version) == ("m", 1)
    for result in response.results:
        scores = [score.score for score in result.prediction.scores]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1, abs=1e-12)
        assert len(scores) == 2


async def test_the_best_classes_alone(stub) -> None:
    await train_anew(stub)
    [result] = (await predict(stub, [b"cat-77"], top_k=1)).results
    assert [score.label for score in result.prediction.scores] == ["cat"]
    [result] = (await predict(stub, [b"cat-77"], top_k=5)).results
    assert len(result.prediction.scores) == 2


async def test_what_is_less_probable_than_the_threshold_is_rejected(stub) -> None:
    await train_anew(stub)
    [plain] = (await predict(stub, [b"cat-9"])).results
    assert not plain.prediction.rejected
    [strict] = (await predict(stub, [b"cat-9"], threshold=1.0)).results
    assert strict.prediction.rejected
    assert strict.prediction.scores == plain.prediction.scores


async def test_the_threshold_of_the_version_holds_unless_the_request_has_one(stub) -> None:
    await add(stub, "m", examples("cat", 40) + examples("dog", 40))
    threshold = (await train(stub, min_precision=0.95, unfamiliar_share=0.0)).rejection.threshold
    images = [b"cat-9", *(b"owl-%d" % number for number in range(20))]
    for result in (await predict(stub, images)).results:
        assert result.prediction.rejected == (result.prediction.scores[0].score < threshold)
    assert any(result.prediction.rejected for result in (await predict(stub, images)).results)
    assert not any(result.prediction.rejected for result in (await predict(stub, images, threshold=0.0)).results)


async def test_what_is_unlike_the_training_images_is_unknown_by_its_distance(stub) -> None:
    await add(stub, "m", examples("cat", 20) + examples("dog", 20))
    version = await train(stub, unfamiliar_share=0.05)
    assert (version.rejection.threshold, version.rejection.unfamiliar_share) == (0, 0.05)
    for result in (await predict(stub, [b"cat-9", b"owl-1", b"cat-99"])).results:
        found = result.prediction
        assert found.unfamiliar == found.rejected == (found.distance > version.rejection.max_distance)
    [accepted] = (await predict(stub, [b"owl-1"], threshold=0.0)).results
    assert not accepted.prediction.rejected


async def test_one_call_of_the_featurizer_for_the_taps_that_the_head_takes(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    fake.requests.clear()
    await predict(stub, images("cat", 5))
    [(method, request)] = fake.requests
    assert (method, list(request.taps), request.backbone_digest) == ("Featurize", ["conv"], fake.digest)
    assert len(request.images) == 5


async def test_predictions_are_spread_over_all_featurizers_of_a_list(settings, fake: FakeFeaturizer) -> None:
    other = FakeFeaturizer()
    async with serving(other) as address:
        both = settings.model_copy(update={"featurizer": f"{settings.featurizer},{address}"})
        async with connected(both) as stub:
            await train_anew(stub)
            while not (fake.requests and other.requests):  # until both connections are there
                await predict(stub, [b"cat-1"])
            fake.requests.clear()
            other.requests.clear()
            for _ in range(20):
                await predict(stub, [b"cat-1"])
    # In turn; what the classifier asks about their health takes turns as well.
    assert len(fake.requests) + len(other.requests) == 20
    assert min(len(fake.requests), len(other.requests)) >= 5


async def test_one_bad_image_fails_alone(stub) -> None:
    await train_anew(stub)
    response = await predict(stub, [b"cat-1", b"bad", b"dog-1"])
    assert [result.WhichOneof("outcome") for result in response.results] == ["prediction", "error", "prediction"]
    details = read_status(response.results[1].error)
    assert (details.code, details.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "IMAGE_UNDECODABLE")
    [result] = (await predict(stub, [b"bad"])).results
    assert result.HasField("error")


async def test_the_default_version_is_looked_up_for_each_request(stub) -> None:
    await train_anew(stub)
    await add(stub, "m", examples("ape", 6))
    assert (await train(stub)).version == 2
    assert (await predict(stub, [b"ape-9"])).version == 2
    old = await predict(stub, [b"ape-9"], version=1)
    assert (old.version, len(old.results[0].prediction.scores)) == (1, 2)
    await stub.SetDefaultVersion(classifier_pb2.SetDefaultVersionRequest(model="m", version=1))
    assert (await predict(stub, [b"ape-9"])).version == 1


async def test_the_store_is_asked_once_as_long_as_nothing_changes(stub, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []
    resolve = ModelStore.resolve

    def noting(self: ModelStore, model: str, number: int) -> ServedVersion:
        asked.append((model, number))
        return resolve(self, model, number)

    monkeypatch.setattr(ModelStore, "resolve", noting)
    await train_anew(stub)
    for _ in range(3):
        await predict(stub, [b"cat-9"])
    assert asked == [("m", 0)]
    await add(stub, "n", examples("ape", 1))
    await predict(stub, [b"cat-9"])
    assert asked == [("m", 0)] * 2


async def test_a_model_made_anew_is_not_taken_for_the_one_before(stub) -> None:
    await train_anew(stub)
    assert best(await predict(stub, [b"cat-9"])) == ["cat"]
    await stub.DeleteModel(classifier_pb2.DeleteModelRequest(name="m"))
    await add(stub, "other", examples("ape", 6) + examples("cow", 6))
    await train(stub, dataset="other")
    assert best(await predict(stub, [b"ape-9"])) == ["ape"]


async def test_a_version_that_took_over_is_not_held_up_by_the_one_before(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    assert (await predict(stub, [b"cat-9"])).version == 1
    fake.digest = "b" * 64  # for which version 1 cannot be asked any more
    await add(stub, "other", examples("ape", 6) + examples("cow", 6))
    assert (await train(stub, dataset="other")).version == 2
    for _ in range(2):
        response = await predict(stub, [b"ape-9"])
        assert (response.version, best(response)) == (2, ["ape"])
    assert (await failure(predict(stub, [b"cat-9"], version=1))).reason == "BACKBONE_MISMATCH"


async def test_a_model_that_was_deleted_is_missed_at_once(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    await predict(stub, [b"cat-9"])
    await stub.DeleteModel(classifier_pb2.DeleteModelRequest(name="m"))
    fake.script = [hang := Hang()]
    details = await failure(predict(stub, [b"cat-9"]))
    assert (details.code, details.message) == (
        grpc.StatusCode.NOT_FOUND,
        "There is no model `m`. No model was trained yet.",
    )
    if hang.entered.is_set():
        await asyncio.wait_for(hang.cancelled.wait(), 60)


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"model": ""}, "model", "The model is empty; "),
        ({"images": []}, "images", "The message has 0 images; from 1 to 256 are accepted."),
        ({"images": [types_pb2.Image(content=b"x")] * 257}, "images", "The message has 257 images; "),
        ({"images": [types_pb2.Image(id="x" * 1025, content=b"x")]}, "images[0].id", "At most 1024 bytes"),
        ({"top_k": -1}, "top_k", "The number of classes is -1; 0 (for all) or more."),
        ({"version": -1}, "version", "The version is -1; 0 or more is accepted."),
        ({"threshold": 1.5}, "threshold", "The threshold is 1.5; from 0 (reject nothing) to 1 is accepted."),
        ({"threshold": float("nan")}, "threshold", "The threshold is nan; "),
    ],
)
async def test_a_wrong_request_names_its_field(stub, fields, field: str, sentence: str) -> None:
    await train_anew(stub)
    details = await failure(predict(stub, [b"cat-1"], **fields))
    assert (details.code, details.reason, details.field) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        field,
    )
    assert details.message.startswith(sentence)


async def test_what_is_not_there(stub) -> None:
    await train_anew(stub)
    details = await failure(predict(stub, [b"cat-1"], model="other"))
    assert (details.code, details.message) == (
        grpc.StatusCode.NOT_FOUND,
        "There is no model `other`. There are: m.",
    )
    details = await failure(predict(stub, [b"cat-1"], version=9))
    assert details.message == "There is no version `m:9`. The newest are 1."


async def test_another_backbone_is_refused_with_both_digests(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    fake.digest = "b" * 64
    details = await failure(predict(stub, [b"cat-1"]))
    assert (details.code, details.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BACKBONE_MISMATCH")
    assert details.metadata == {"expected": "a" * 64, "actual": "b" * 64}
    assert details.message.startswith("Version 1 of the model `m` takes features of fake (aaaa")


async def test_features_that_are_too_far_from_float32_are_refused(stub, fake: FakeFeaturizer) -> None:
    """A version states what it tolerates; features of another precision that are near enough are as good."""
    version = await train_anew(stub)
    assert version.min_mean_cosine == 0.99
    fake.precision, fake.mean_cosine = "int8", 0.994
    [result] = (await predict(stub, [b"cat-1"])).results
    assert result.prediction.scores[0].label == "cat"
    fake.mean_cosine = 0.98
    details = await failure(predict(stub, [b"cat-1"]))
    assert (details.code, details.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "FEATURES_TOO_FAR")
    assert details.message.startswith("Version 1 of the model `m` cannot use the featurizer: The features have a mean")
    details = await failure(
        stub.Explain(classifier_pb2.ExplainRequest(model="m", image=types_pb2.Image(content=b"cat-1")))
    )
    assert details.reason == "FEATURES_TOO_FAR"


async def test_a_version_of_a_former_digest_predicts(stub, fake: FakeFeaturizer) -> None:
    """In earlier releases each precision had a digest of its own."""
    fake.digest, fake.precision = "b" * 64, ""
    await train_anew(stub)
    fake.digest, fake.precision, fake.former_digests = "a" * 64, "int8", {"b" * 64: "bfloat16"}
    [result] = (await predict(stub, [b"cat-1"])).results
    assert result.prediction.scores[0].label == "cat"
    request = classifier_pb2.ExplainRequest(model="m", image=types_pb2.Image(content=b"cat-1"))
    assert (await stub.Explain(request)).label == "cat"
    # Adding an example puts the dataset and its version under the digest of now.
    outcomes = await add(stub, "m", [*examples("dog", 1, start=6), *examples("cat", 1)])
    assert kinds(outcomes) == ["added", "present"]
    dataset = await stub.GetDataset(classifier_pb2.GetDatasetRequest(name="m"))
    assert (dataset.backbone_digest, dataset.stale_count) == ("a" * 64, 0)
    assert {entry.precision: entry.example_count for entry in dataset.precisions} == {"bfloat16": 12, "int8": 1}
    fake.former_digests = {}
    [result] = (await predict(stub, [b"dog-1"])).results
    assert result.prediction.scores[0].label == "dog"
    assert (await train(stub)).backbone_digest == "a" * 64


async def test_a_busy_featurizer_is_passed_on(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    fake.script = [OverloadedError("The queue is full.", retry_after_s=1.5)]
    details = await failure(predict(stub, [b"cat-1"]))
    assert (details.code, details.reason, details.retry_after_s) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "OVERLOADED",
        1.5,
    )


async def test_what_the_featurizer_has_no_room_for_is_refused_without_asking_it_again(
    stub, fake: FakeFeaturizer
) -> None:
    await train_anew(stub)
    hang = Hang()
    fake.script = [hang, OverloadedError("The queue is full.", retry_after_s=1.5)]
    first = asyncio.ensure_future(predict(stub, [b"cat-1"]))
    await hang.entered.wait()
    assert (await failure(predict(stub, [b"cat-1"]))).message == "The queue is full."
    fake.requests.clear()
    details = await failure(predict(stub, [b"cat-1"]))
    assert (details.code, details.reason, details.retry_after_s) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "OVERLOADED",
        1.5,
    )
    assert fake.requests == []
    hang.released.set()
    assert best(await first) == ["cat"]
    assert best(await predict(stub, [b"dog-1"])) == ["dog"]


async def test_the_deadline_and_the_end_of_a_call_reach_the_featurizer(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    fake.deadlines.clear()
    hang = Hang()
    fake.script = [hang]
    request = classifier_pb2.PredictRequest(model="m", images=[types_pb2.Image(content=b"cat-1")])
    call = stub.Predict(request, timeout=40)
    await hang.entered.wait()
    call.cancel()
    await hang.cancelled.wait()
    [remaining] = fake.deadlines
    assert remaining is not None
    assert 30 < remaining < 41  # gRPC rounds what it sends


async def test_a_call_without_a_deadline_has_none_at_the_featurizer_either(
    stub, fake: FakeFeaturizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the featurizer refuses it where it would wait for long; it is given up all the same where nothing comes."""
    await train_anew(stub)
    fake.deadlines.clear()
    assert best(await predict(stub, [b"cat-1"])) == ["cat"]
    assert fake.deadlines == [None]
    monkeypatch.setattr(client, "DEFAULT_TIMEOUT_S", 0.2)
    hang = Hang()
    fake.script = [hang]
    details = await failure(predict(stub, [b"cat-1"]))
    assert (details.code, details.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_PASSED")
    await hang.cancelled.wait()


async def test_a_deadline_that_passes(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    fake.script = [grpc.StatusCode.DEADLINE_EXCEEDED]
    details = await failure(predict(stub, [b"cat-1"]))
    assert (details.code, details.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_PASSED")


async def test_a_stream_goes_on_after_a_request_that_failed(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    picture = types_pb2.Image(id="i", content=b"cat-1")
    good = classifier_pb2.PredictRequest(model="m", images=[picture])
    requests = [
        classifier_pb2.PredictStreamRequest(request_id="good", request=good),
        classifier_pb2.PredictStreamRequest(
            request_id="wrong", request=classifier_pb2.PredictRequest(model="other", images=[picture])
        ),
        classifier_pb2.PredictStreamRequest(request_id="x" * 1025, request=good),
        classifier_pb2.PredictStreamRequest(request_id="last", request=good),
    ]
    answers = {answer.request_id: answer async for answer in stub.PredictStream(iter(requests))}
    assert best(answers["good"].response) == best(answers["last"].response) == ["cat"]
    assert read_status(answers["wrong"].error).reason == "RESOURCE_NOT_FOUND"
    assert read_status(answers["x" * 1025].error).field == "request_id"


async def test_a_stream_answers_what_is_finished_first(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    hang = Hang()
    fake.script = [hang]
    good = classifier_pb2.PredictRequest(model="m", images=[types_pb2.Image(content=b"cat-1")])
    call = stub.PredictStream()
    await call.write(classifier_pb2.PredictStreamRequest(request_id="slow", request=good))
    await hang.entered.wait()
    await call.write(classifier_pb2.PredictStreamRequest(request_id="fast", request=good))
    assert (await call.read()).request_id == "fast"
    hang.released.set()
    assert (await call.read()).request_id == "slow"
    await call.done_writing()
