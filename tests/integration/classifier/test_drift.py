"""What comes to be predicted beside what was trained on: through the service, by every method that predicts."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

from lastlayer.classifier.server import running
from lastlayer.open_inference import service_pb2_grpc
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2
from tests.integration.classifier.calls import (
    Example,
    add,
    channel,
    connected,
    examples,
    failure,
    images,
    predict,
    train,
)
from tests.integration.classifier.fake_featurizer import FakeFeaturizer
from tests.integration.classifier.test_open_inference import infer

STEADY, DRIFTING = classifier_pb2.DRIFT_STATE_STEADY, classifier_pb2.DRIFT_STATE_DRIFTING
WAITS = classifier_pb2.DRIFT_STATE_TOO_FEW_IMAGES
KINDS = {
    classifier_pb2.DRIFT_KIND_SCORE,
    classifier_pb2.DRIFT_KIND_DISTANCE,
    classifier_pb2.DRIFT_KIND_FEATURES,
    classifier_pb2.DRIFT_KIND_STRENGTH,
}


def pictures(contents: list[bytes]) -> list[types_pb2.Image]:
    return [types_pb2.Image(content=content) for content in contents]


async def train_pets(stub: Any, count: int = 60, **fields: Any) -> classifier_pb2.ModelVersion:
    await add(stub, "m", examples("cat", count) + examples("dog", count))
    return await train(stub, **fields)


async def drift(stub: Any, model: str = "m", version: int = 0) -> classifier_pb2.Drift:
    found: classifier_pb2.Drift = await stub.GetDrift(classifier_pb2.GetDriftRequest(model=model, version=version))
    return found


def pets(count: int, start: int = 1000) -> list[bytes]:
    """Cats and dogs in turn, as a block of cats alone would be drift."""
    both = zip(images("cat", count, start), images("dog", count, start), strict=True)
    return [content for pair in both for content in pair][:count]


async def test_pets_are_no_drift_and_cars_are(stub) -> None:
    await train_pets(stub)
    assert (await drift(stub)).state == WAITS
    for start in range(1000, 1400, 100):
        await predict(stub, pets(200, start))
    found = await drift(stub)
    assert (found.state, found.image_count, found.alarm_count) == (STEADY, 800, 0)
    assert (found.model, found.version, found.training_image_count, found.block_size) == ("m", 1, 120, 50)
    assert {signal.kind for signal in found.signals} == KINDS
    assert found.start_time.seconds > 0
    await predict(stub, images("car", 200))
    found = await drift(stub)
    assert (found.state, found.alarm_count, found.HasField("alarm_time")) == (DRIFTING, 1, True)
    worst = max(found.signals, key=lambda signal: signal.level)
    assert worst.level >= 1
    assert abs(worst.seen_share - worst.expected_share) > 0.1
    for start in range(2000, 2300, 100):
        await predict(stub, pets(200, start))
    found = await drift(stub)
    assert (found.state, found.alarm_count, found.HasField("alarm_time")) == (STEADY, 1, False)
    assert found.HasField("last_alarm_time")


async def test_single_calls_streams_and_model_infer_count_and_evaluate_does_not(settings) -> None:
    async with running(settings) as address, channel(address) as connection:
        stub: Any = classifier_pb2_grpc.ClassifierStub(connection)
        await count_each_method(stub, service_pb2_grpc.GRPCInferenceServiceStub(connection))


async def count_each_method(stub: Any, inference: Any) -> None:
    await train_pets(stub)
    await predict(stub, pets(20))
    await inference.ModelInfer(infer(*pets(5)))
    request = classifier_pb2.PredictRequest(model="m", images=pictures(pets(20)))
    stream = stub.PredictStream(iter([classifier_pb2.PredictStreamRequest(request_id="1", request=request)] * 2))
    assert len([answer async for answer in stream]) == 2
    labelled = [Example(id="x", label="cat", content=content) for content in images("cat", 30, 500)]
    evaluation = stub.Evaluate(iter([classifier_pb2.EvaluateRequest(model="m", examples=labelled)]))
    assert [answer async for answer in evaluation]
    assert (await drift(stub)).image_count == 65


async def test_class_scores_are_compared_as_well(stub) -> None:
    """The recipe `tutorial` takes the network's own scores, which may be negative, as they are."""
    await train_pets(stub, recipe=classifier_pb2.RECIPE_TUTORIAL)
    await predict(stub, pets(100))
    assert (await drift(stub)).state == STEADY
    await predict(stub, images("car", 100))
    assert (await drift(stub)).state == DRIFTING


async def test_versions_of_several_labels_are_compared_by_features(stub) -> None:
    labels = {"cat": ["small", "wild"], "dog": ["small"]}
    several = [Example(labels=labels[kind], content=content) for kind in labels for content in images(kind, 60)]
    request = classifier_pb2.AddExamplesRequest(dataset="m", examples=several, multi_label=True)
    assert [answer async for answer in stub.AddExamples(iter([request]))]
    assert (await train(stub)).multi_label
    await predict(stub, pets(100))
    found = await drift(stub)
    assert found.state == STEADY
    assert {signal.kind for signal in found.signals} == KINDS - {classifier_pb2.DRIFT_KIND_SCORE}
    await predict(stub, images("car", 100))
    assert (await drift(stub)).state == DRIFTING


async def test_images_that_fail_do_not_count(stub) -> None:
    await train_pets(stub)
    await predict(stub, [b"bad-1", *pets(10), b"bad-2"])
    assert (await drift(stub)).image_count == 10


async def test_predictions_at_once_are_all_counted(stub) -> None:
    await train_pets(stub)
    await asyncio.gather(*(predict(stub, pets(7, 1000 + number)) for number in range(40)))
    assert (await drift(stub)).image_count == 280


async def test_each_version_is_for_itself_and_another_default_begins_anew(stub) -> None:
    await train_pets(stub)
    await predict(stub, pets(60))
    await train(stub)
    found = await drift(stub)
    assert (found.version, found.image_count, found.state) == (2, 0, WAITS)
    assert (await drift(stub, version=1)).image_count == 60
    await predict(stub, pets(10))
    await predict(stub, pets(20), version=1)
    assert (await drift(stub)).image_count == 10
    assert (await drift(stub, version=1)).image_count == 20  # the default changed
    await stub.SetDefaultVersion(classifier_pb2.SetDefaultVersionRequest(model="m", version=1))
    await predict(stub, pets(5))
    assert (await drift(stub)).image_count == 5


async def test_more_unknown_images_are_drift(stub) -> None:
    await train_pets(stub, unfamiliar_share=0.05)
    await predict(stub, images("owl", 100))
    found = await drift(stub)
    [unknown] = [signal for signal in found.signals if signal.kind == classifier_pb2.DRIFT_KIND_UNKNOWN]
    assert found.state == DRIFTING
    assert unknown.level >= 1


async def test_with_a_dozen_images_nothing_is_told(stub) -> None:
    await train_pets(stub, 6)
    await predict(stub, images("car", 100))
    found = await drift(stub)
    assert (found.state, found.training_image_count) == (classifier_pb2.DRIFT_STATE_TOO_FEW_EXAMPLES, 12)
    assert not found.signals


async def test_a_version_of_an_earlier_release_has_nothing_to_compare_with(settings, tmp_path: Path) -> None:
    async with connected(settings) as stub:
        await train_pets(stub)
    with sqlite3.connect(tmp_path / "store/x.db") as store:
        store.execute("UPDATE versions SET drift_reference = NULL")
    async with connected(settings) as stub:
        response = await predict(stub, images("car", 100))
        assert len(response.results) == 100
        found = await drift(stub)
        assert (found.state, found.image_count) == (classifier_pb2.DRIFT_STATE_NO_REFERENCE, 0)
    with sqlite3.connect(tmp_path / "store/x.db") as store:
        store.execute("UPDATE versions SET drift_reference = x'00'")
    async with connected(settings) as stub:  # a damaged one fails no prediction
        assert len((await predict(stub, pets(3))).results) == 3
        assert (await drift(stub)).state == classifier_pb2.DRIFT_STATE_NO_REFERENCE


async def test_after_a_restart_it_begins_anew_by_what_is_stored(settings, fake: FakeFeaturizer) -> None:
    async with connected(settings) as stub:
        await train_pets(stub)
        await predict(stub, pets(60))
    async with connected(settings) as stub:
        assert (await drift(stub)).image_count == 0
        await predict(stub, images("car", 100))
        assert (await drift(stub)).state == DRIFTING


async def test_metrics(stub) -> None:
    await train_pets(stub)
    await predict(stub, pets(100))
    labels = {"model": "m", "version": "1"}
    assert REGISTRY.get_sample_value("classifier_drift_images_total", labels) == 100
    assert REGISTRY.get_sample_value("classifier_drift_alarm", labels) == 0
    level = REGISTRY.get_sample_value("classifier_drift_level", {**labels, "signal": "distance"})
    assert level is not None
    assert 0 <= level < 1
    await predict(stub, images("car", 100))
    assert REGISTRY.get_sample_value("classifier_drift_alarm", labels) == 1
    assert REGISTRY.get_sample_value("classifier_drift_alarms_total", labels) == 1


async def test_what_is_not_there(stub) -> None:
    await train_pets(stub, 6)
    assert (await failure(drift(stub, "other"))).message == "There is no model `other`. There are: m."
    assert (await failure(drift(stub, version=7))).message == "There is no version `m:7`. The newest are 1."
    assert (await failure(drift(stub, "no name"))).field == "model"
