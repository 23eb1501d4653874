"""Trainings as they are counted: once each, for what became of them, before their callers hear of it."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from lastlayer.classifier.domain.types import Backbone, NewExample, Tap, Version
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.models import ModelStore
from lastlayer.classifier.training.jobs import TrainingJobs, TrainingRequest
from lastlayer.classifier.training.recipes import ClassWeight, Preference, Recipe
from lastlayer.rpc.errors import ResourceNotFoundError
from lastlayer.rpc.system.workers import Workers

BACKBONE = Backbone("tiny", "a" * 64, (Tap("conv", False, 4),))


def counted() -> dict[str, float]:
    return {
        outcome: REGISTRY.get_sample_value("classifier_trainings_total", {"outcome": outcome}) or 0
        for outcome in ("done", "failed", "cancelled")
    }


class Since:
    """What was counted since."""

    def __init__(self) -> None:
        self._before = counted()

    def counts(self) -> dict[str, float]:
        return {key: value - self._before[key] for key, value in counted().items() if value != self._before[key]}


@pytest.fixture
async def jobs(tmp_path: Path, empty_store: Path) -> AsyncIterator[TrainingJobs]:
    database = Database(f"sqlite:///{shutil.copy(empty_store, tmp_path / 'store.db')}")
    datasets = DatasetStore(database)
    random = np.random.default_rng(0)
    datasets.add(
        "d",
        BACKBONE,
        [
            NewExample(
                f"{row}.jpg", bytes([row]) * 32, "xy"[row % 2], {"conv": random.normal(size=4).astype(np.float32)}
            )
            for row in range(12)
        ],
    )
    workers = Workers("trainings", 1)
    yield TrainingJobs(datasets, ModelStore(database), workers, describe=lambda report: b"described")
    await workers.close()
    database.close()


def request(dataset: str = "d", request_id: str = "") -> TrainingRequest:
    return TrainingRequest(
        "m",
        dataset,
        Recipe.AUTO,
        ClassWeight.NONE,
        min_precision=0.0,
        preference=Preference.QUALITY,
        compare=False,
        unfamiliar_share=None,
        request_id=request_id,
        request_sha256=b"1" * 32,
    )


async def run(jobs: TrainingJobs, wanted: TrainingRequest) -> Version:
    *_, last = [event async for event in jobs.run(wanted)]
    assert isinstance(last, Version)
    return last


async def test_a_training_is_done_once_its_version_is_stored(jobs: TrainingJobs) -> None:
    since = Since()
    version = await run(jobs, request())
    assert (version.version, version.classes, version.description) == (1, ("x", "y"), b"described")
    assert since.counts() == {"done": 1}
    assert REGISTRY.get_sample_value("classifier_trainings_in_progress") == 0


async def test_a_caller_that_leaves_with_the_version_has_not_cancelled_it(jobs: TrainingJobs) -> None:
    since = Since()
    async with contextlib.aclosing(jobs.run(request())) as events:
        async for event in events:
            if isinstance(event, Version):
                assert since.counts() == {"done": 1}
                break
    assert since.counts() == {"done": 1}


async def test_a_request_that_is_sent_again_is_no_training(jobs: TrainingJobs) -> None:
    first = await run(jobs, request(request_id="r"))
    since = Since()
    assert await run(jobs, request(request_id="r")) == first
    assert since.counts() == {}


async def test_a_caller_that_leaves_before_cancels_it(jobs: TrainingJobs) -> None:
    since = Since()
    async with contextlib.aclosing(jobs.run(request())) as events:
        await anext(events)
    assert since.counts() == {"cancelled": 1}
    assert (await run(jobs, request())).version == 1


async def test_a_training_that_cannot_be_done_has_failed(jobs: TrainingJobs) -> None:
    since = Since()
    with pytest.raises(ResourceNotFoundError):
        await run(jobs, request("nothing"))
    assert since.counts() == {"failed": 1}
