"""Predicted images that land in the pool: only where asked for, a bounded sample, and gone when their time is up."""

import asyncio
import datetime
import hashlib
import logging
import sqlite3
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client import REGISTRY

from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.v1 import classifier_pb2
from tests.integration.classifier.calls import connected, examples, images, predict, train_anew
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, Hang

CAPTURED = classifier_pb2.POOL_SOURCE_CAPTURED


@pytest.fixture
def capturing(settings: ClassifierSettings) -> ClassifierSettings:
    return settings.model_copy(update={"capture_share": 1.0, "capture_per_day": 5})


def counted() -> dict[str, float]:
    names = ("kept", "present", "not_drawn", "dropped", "failed")
    samples = {
        name: REGISTRY.get_sample_value("classifier_captured_images_total", {"outcome": name}) or 0.0 for name in names
    }
    return {**samples, "all": sum(samples.values())}


async def until_decided(count: float) -> None:
    """Wait until it was decided about so many images."""
    for _ in range(6000):
        if counted()["all"] >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"it was decided about {counted()}, not {count}")


async def until_there_are(count: int, stub: Any) -> None:
    """Wait until so many images are in the pool."""
    for _ in range(6000):
        if len(await pool(stub)) == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{len(await pool(stub))} images are in the pool, not {count}")


async def predict_and_wait(stub: Any, contents: list[bytes], **fields: Any) -> None:
    """Predict images, and wait until it was decided about all of them."""
    before = counted()["all"]
    await predict(stub, contents, **fields)
    await until_decided(before + len(contents))


async def pool(stub: Any) -> list[classifier_pb2.StoredExample]:
    request = classifier_pb2.ListExamplesRequest(dataset="m", pool=True, thumbnails=True)
    return list((await stub.ListExamples(request)).examples)


async def test_by_default_nothing_is_kept(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    before = counted()
    fake.requests.clear()
    await predict(stub, images("cat", 20, 100))
    assert len(fake.contents) == 20  # none was featurized again
    assert (await pool(stub), counted()) == ([], before)


async def test_captured_images_wait_for_a_label_with_features_and_thumbnail(capturing) -> None:
    async with connected(capturing) as stub:
        await train_anew(stub)
        content = b"cat-100"
        await predict_and_wait(stub, [content])
        [kept] = await pool(stub)
        assert (kept.content_sha256, kept.source) == (hashlib.sha256(content).digest(), CAPTURED)
        assert kept.id == f"captured-{datetime.datetime.now(datetime.UTC):%Y-%m-%d}-{kept.content_sha256.hex()[:12]}"
        assert kept.thumbnail
        assert not kept.labels
        dataset = await stub.GetDataset(classifier_pb2.GetDatasetRequest(name="m"))
        assert (dataset.pool_count, dataset.captured_count) == (1, 1)
        assert kept.pool_time.seconds > 0
        # It is trained on like any other, once it has a label.
        selector = classifier_pb2.ExampleSelector(content_sha256=kept.content_sha256)
        relabel = classifier_pb2.RelabelExamplesRequest(dataset="m", examples=[selector], label="cat")
        dataset = (await stub.RelabelExamples(relabel)).dataset
        assert (dataset.example_count, dataset.pool_count, dataset.stale_count) == (13, 0, 0)
        await predict_and_wait(stub, [content])
        assert await pool(stub) == []


async def test_no_more_than_the_quota_of_a_day_and_a_fair_sample(capturing, tmp_path: Path) -> None:
    async with connected(capturing) as stub:
        await train_anew(stub)
        contents = images("dog", 30, 100)
        await predict_and_wait(stub, contents)
        kept = {entry.content_sha256 for entry in await pool(stub)}
        assert len(kept) == 5
        day = datetime.datetime.now(datetime.UTC).date().isoformat().encode()
        digests = [hashlib.sha256(content).digest() for content in contents]
        assert kept == set(sorted(digests, key=lambda digest: hashlib.sha256(day + digest).digest())[:5])
        await predict_and_wait(stub, contents[:10])  # once more: no others
        assert {entry.content_sha256 for entry in await pool(stub)} == kept
    with sqlite3.connect(tmp_path / "store/x.db") as store:  # of the others nothing is left
        stored = {row[0] for row in store.execute("SELECT DISTINCT content_sha256 FROM features")}
        pictures = {row[0] for row in store.execute("SELECT content_sha256 FROM thumbnails")}
    assert stored & set(digests) == kept
    assert pictures & set(digests) == kept


async def test_an_example_is_not_captured_and_neither_is_what_fails_or_is_evaluated(capturing) -> None:
    async with connected(capturing) as stub:
        await train_anew(stub)
        await predict_and_wait(stub, [b"cat-1"])
        before = counted()
        await predict(stub, [b"bad-1"])
        evaluation = stub.Evaluate(
            iter([classifier_pb2.EvaluateRequest(model="m", examples=examples("cat", 3, start=500))])
        )
        assert [answer async for answer in evaluation]
        assert (await pool(stub), counted()) == ([], before)


async def test_other_models_are_left_alone(capturing) -> None:
    async with connected(capturing.model_copy(update={"capture_models": "n, o"})) as stub:
        await train_anew(stub)
        before = counted()
        await predict(stub, [b"cat-100"])
        assert (await pool(stub), counted()) == ([], before)


async def test_a_featurizer_that_fails_costs_a_captured_image_and_no_prediction(
    capturing, fake: FakeFeaturizer
) -> None:
    async with connected(capturing) as stub:
        await train_anew(stub)
        fake.script = [None, grpc.StatusCode.UNAVAILABLE]
        before = counted()
        await predict_and_wait(stub, [b"cat-100"])
        assert counted()["failed"] == before["failed"] + 1
        await predict_and_wait(stub, [b"cat-101"])
        assert len(await pool(stub)) == 1


async def test_predictions_do_not_wait_for_what_is_captured(capturing, fake: FakeFeaturizer) -> None:
    async with connected(capturing) as stub:
        await train_anew(stub)
        hang = Hang()
        fake.script = [None, hang]
        before = counted()
        await predict(stub, [b"cat-100"])
        await hang.entered.wait()
        for number in range(40):  # the first waits at the featurizer, 32 wait for it
            await predict(stub, [b"dog-%d" % (100 + number)])
        assert counted()["dropped"] == before["dropped"] + 8
        hang.released.set()
        await until_decided(before["all"] + 41)
        assert len(await pool(stub)) == 5


async def test_a_dataset_that_is_gone_gets_no_images(capturing) -> None:
    async with connected(capturing) as stub:
        await train_anew(stub)
        await stub.DeleteDataset(classifier_pb2.DeleteDatasetRequest(name="m"))
        before = counted()
        await predict_and_wait(stub, [b"cat-100"])
        assert counted()["failed"] == before["failed"] + 1
        assert not (await stub.ListDatasets(classifier_pb2.ListDatasetsRequest())).datasets


async def test_what_is_old_is_deleted_also_once_capturing_has_ended(settings, capturing, tmp_path: Path) -> None:
    async with connected(capturing) as stub:
        await train_anew(stub)
        await predict_and_wait(stub, images("cat", 3, 100))
        assert len(await pool(stub)) == 3
    with sqlite3.connect(tmp_path / "store/x.db") as store:
        newest = store.execute("SELECT max(id) FROM pool").fetchone()[0]
        store.execute("UPDATE pool SET create_time = '2020-01-01 00:00:00.000000' WHERE id < ?", [newest])
    async with connected(settings) as stub:
        await until_there_are(1, stub)
    async with connected(settings.model_copy(update={"capture_days": 0})) as stub:  # which erases all
        await until_there_are(0, stub)
    with sqlite3.connect(tmp_path / "store/x.db") as store:
        assert store.execute("SELECT count(DISTINCT content_sha256) FROM features").fetchone()[0] == 12


async def test_the_log_says_at_the_start_what_is_captured(
    settings, capturing, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with connected(settings):
            pass
        assert "capturing" not in caplog.text
        async with connected(capturing):
            pass
    assert "capturing images: 1 of those that all models predict, at most 5 a day for each dataset" in caplog.text
