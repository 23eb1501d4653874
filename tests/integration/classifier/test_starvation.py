"""Work of one kind never takes the threads of another: predictions go on beside what waits."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.classifier.calls import Add, examples, train_anew
from tests.integration.classifier.fake_featurizer import FakeFeaturizer

REQUEST = classifier_pb2.PredictRequest(model="m", images=[types_pb2.Image(content=b"cat-1")])
PATIENCE_S = 20
"""Less than a writer waits for a locked store."""


@contextlib.contextmanager
def locked(store_url: str) -> Iterator[None]:
    """Hold the lock of writers, as another process might, while the block lasts."""
    connection = sqlite3.connect(store_url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


async def test_forty_streams_of_examples_that_wait_for_the_store_leave_predictions_alone(
    stub: Any, settings: ClassifierSettings, fake: FakeFeaturizer
) -> None:
    await train_anew(stub)
    with locked(settings.store):
        before = len(fake.contents)
        calls = [stub.AddExamples(iter([Add(dataset="d", examples=examples("owl", 1, row))])) for row in range(40)]
        reading = [asyncio.ensure_future(call.read()) for call in calls]
        while len(fake.contents) < before + 40:  # noqa: ASYNC110 - from there on each waits for the store
            await asyncio.sleep(0.01)
        response = await stub.Predict(REQUEST, timeout=PATIENCE_S)
        assert response.results[0].prediction.scores[0].label == "cat"
        assert not any(answer.done() for answer in reading)
    answers = await asyncio.gather(*reading)
    assert [answer.outcomes[0].WhichOneof("outcome") for answer in answers] == ["added"] * 40


@pytest.fixture
def search() -> Iterator["Search"]:
    """Hold every search for near duplicates."""
    held = Search()
    sa.event.listen(sa.Engine, "before_cursor_execute", held)
    yield held
    held.go_on.set()
    sa.event.remove(sa.Engine, "before_cursor_execute", held)


class Search:
    """Waits where features are read, in the thread that reads them."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "features.vector" in statement:
            self.begun.set()
            self.go_on.wait()


async def test_evaluations_that_search_for_near_duplicates_leave_predictions_alone(stub: Any, search: "Search") -> None:
    search.go_on.set()
    await train_anew(stub)
    search.go_on.clear()
    search.begun.clear()
    request = classifier_pb2.EvaluateRequest(model="m", examples=examples("cat", 2, 50))
    calls = [stub.Evaluate(iter([request]), timeout=3 * PATIENCE_S) for _ in range(40)]
    for call in calls:
        assert (await call.read()).HasField("progress")
    last = [asyncio.ensure_future(call.read()) for call in calls]
    await asyncio.to_thread(search.begun.wait)
    response = await stub.Predict(REQUEST, timeout=PATIENCE_S)
    assert response.results[0].prediction.scores[0].label == "cat"
    assert not any(answer.done() for answer in last)
    search.go_on.set()
    answers = await asyncio.gather(*last)
    assert [answer.evaluation.metrics.example_count for answer in answers] == [2] * 40
