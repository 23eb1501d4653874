"""The store in a real PostgreSQL, started for these tests where its programs are installed."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lastlayer.classifier.domain.errors import RequestIdReusedError
from lastlayer.classifier.domain.types import AddedExample, Backbone, NewExample, PoolSource, Tap
from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.classifier.store.database import Database, StoreOpenError
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.images.examples import ExampleStore, Selector
from lastlayer.classifier.store.images.pool import PoolStore
from lastlayer.classifier.store.models import ModelStore, NewVersion
from lastlayer.classifier.store.operation.captured import CapturedImages
from lastlayer.v1 import classifier_pb2
from tests.integration.classifier.calls import add, connected, examples, failure, kinds, predict, train, train_anew
from tests.integration.classifier.store.test_backup import back_up_and_restore
from tests.markdown import blocks
from tests.postgres import PROGRAMS, needs_postgres

pytestmark = needs_postgres

BACKBONE = Backbone("tiny", "a" * 64, (Tap("conv", False, 2),))


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    yield opened
    opened.close()


def new(number: int, label: str) -> NewExample:
    return NewExample(f"{number}", number.to_bytes(32), label, {"conv": np.full(2, number, np.float32)})


def version(request_id: str = "", model: str = "m", request: bytes = b"1" * 32) -> NewVersion:
    return NewVersion(model, "d", "tiny", "a" * 64, ["x", "y"], b"description", b"head", request_id, request)


def at_once(*calls):
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


async def test_the_main_job(settings: ClassifierSettings, postgres_url: str) -> None:
    async with connected(settings.model_copy(update={"store_url": postgres_url})) as stub:
        assert (await train_anew(stub)).version == 1
        assert (await predict(stub, [b"dog-50"])).results[0].prediction.scores[0].label == "dog"
    async with connected(settings.model_copy(update={"store_url": postgres_url})) as stub:
        assert kinds(await add(stub, "m", examples("cat", 6))) == ["present"] * 6
        versions = await asyncio.gather(*(train(stub) for _ in range(3)))
        assert sorted(entry.version for entry in versions) == [2, 3, 4]
        assert (await failure(predict(stub, [b"cat-1"], model="no"))).reason == "RESOURCE_NOT_FOUND"


async def test_backup_under_load_and_restore(settings: ClassifierSettings, postgres_url: str, tmp_path: Path) -> None:
    """By the commands of docs/how-to/operate/backup.md."""
    stored = settings.model_copy(update={"store_url": postgres_url})
    dump, restore = [
        block.text
        for block in blocks("docs/how-to/operate/backup.md")
        if block.not_run and block.text.startswith(("pg_dump", "pg_restore"))
    ]

    def in_shell(script: str) -> None:
        environment = {**os.environ, "DATABASE": postgres_url, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
        subprocess.run(["sh", "-euc", script], cwd=tmp_path, env=environment, check=True)

    def restored() -> ClassifierSettings:
        in_shell(restore)
        return stored

    await back_up_and_restore(stored, lambda: in_shell(dump), restored)


def test_many_processes_may_open_an_empty_database_at_once(postgres_url: str) -> None:
    for opened in at_once(*[lambda: Database(postgres_url)] * 4):
        opened.close()


def test_the_tables_are_what_the_migrations_make(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from lastlayer.classifier.store.schema import metadata

    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_writers_at_once_neither_wait_crosswise_nor_lose_anything(database: Database) -> None:
    store = DatasetStore(database)
    numbers = list(range(60))

    def adding(dataset: str, order: list[int]):
        return lambda: [store.add(dataset, BACKBONE, [new(number, "x") for number in order]) for _ in range(3)]

    at_once(adding("a", numbers), adding("b", numbers[::-1]), adding("a", numbers[30:] + numbers[:30]))
    for name in ("a", "b"):
        assert store.get(name).class_counts == {"x": 60}
        assert sorted(store.training_set(name).features["conv"][:, 0].tolist()) == numbers


def test_a_dataset_that_is_deleted_takes_nothing_that_another_is_being_given(database: Database) -> None:
    store = DatasetStore(database)
    known = [NewExample(f"{number}", number.to_bytes(32), "x", None) for number in range(20)]
    for _ in range(10):
        store.add("old", BACKBONE, [new(number, "x") for number in range(20)])
        outcomes, _ = at_once(lambda: store.add("new", BACKBONE, known), lambda: store.delete("old"))
        stored = sum(outcome is not None for outcome in outcomes)
        assert stored in (0, 20)
        if stored:
            assert len(store.training_set("new").labels) == 20
        store.delete("new")


def test_versions_stored_at_once_get_numbers_of_their_own(database: Database) -> None:
    store = ModelStore(database)
    stored = at_once(*[lambda: store.add(version())] * 6)
    assert sorted(entry.version for entry in stored) == [1, 2, 3, 4, 5, 6]
    assert store.get("m").default_version == 6


def test_a_request_stored_at_once_makes_one_version_or_is_refused(database: Database) -> None:
    store = ModelStore(database)
    stored = at_once(*[lambda: store.add(version("connect-1"))] * 4)
    assert {entry.version for entry in stored} == {1}
    assert store.get("m").version_count == 1
    with pytest.raises(RequestIdReusedError):
        store.add(version("connect-1", "other", b"2" * 32))
    assert [model.name for model in store.page("", 10)] == ["m"]


def test_a_database_that_cannot_be_reached_is_said_without_the_password() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(StoreOpenError, match="cannot be reached") as caught:
        Database(f"postgresql://user:secret@127.0.0.1:{port}/x")
    assert "secret" not in str(caught.value)


async def test_examples_are_curated(settings: ClassifierSettings, postgres_url: str) -> None:
    async with connected(settings.model_copy(update={"store_url": postgres_url})) as stub:
        wrong = classifier_pb2.Example(id="wrong.jpg", label="cat", content=b"dog-99")
        await add(stub, "m", [*examples("cat", 12), *examples("dog", 12), wrong])
        await train(stub)
        request = classifier_pb2.ReviewExamplesRequest(model="m", thumbnails=True)
        [worst, *_] = (await stub.ReviewExamples(request)).examples
        assert (worst.example.id, worst.suggested_label, worst.example.thumbnail) == (
            "wrong.jpg",
            "dog",
            b"small dog-99",
        )
        prefix = classifier_pb2.ExampleSelector(content_sha256=worst.example.content_sha256[:4])
        relabel = classifier_pb2.RelabelExamplesRequest(dataset="m", examples=[prefix], label="dog")
        assert (await stub.RelabelExamples(relabel)).changed_count == 1
        listing = classifier_pb2.ListExamplesRequest(dataset="m", label="dog", page_size=7)
        page = await stub.ListExamples(listing)
        assert [example.id for example in page.examples] == [f"dog-{number}.jpg" for number in range(7)]
        listing.page_token = page.next_page_token
        assert [example.id for example in (await stub.ListExamples(listing)).examples][-1] == "wrong.jpg"
        for excluding in (
            classifier_pb2.ListExamplesRequest(dataset="m", conflicts_only=True),
            classifier_pb2.ListExamplesRequest(dataset="m", stale_only=True),
        ):
            assert not (await stub.ListExamples(excluding)).examples
        remove = classifier_pb2.RemoveExamplesRequest(
            dataset="m", examples=[prefix, classifier_pb2.ExampleSelector(id="cat-0.jpg")]
        )
        answer = await stub.RemoveExamples(remove)
        assert (answer.removed_count, answer.dataset.example_count) == (2, 23)


def test_examples_removed_and_added_at_once_keep_what_they_need(database: Database) -> None:
    datasets, examples = DatasetStore(database), ExampleStore(database)
    contents = [number.to_bytes(32) for number in range(20)]
    selectors = [Selector(prefix=content) for content in contents]
    for _ in range(10):
        datasets.add("old", BACKBONE, [new(number, "x") for number in range(20)])
        known = [NewExample(f"{number}", content, "x", None) for number, content in enumerate(contents)]
        outcomes, (removed, left) = at_once(
            lambda known=known: datasets.add("new", BACKBONE, known), lambda: examples.remove("old", selectors)
        )
        assert (removed, left.backbone, left.class_counts) == (20, None, {})
        stored = sum(outcome is not None for outcome in outcomes)
        assert stored in (0, 20)
        if stored:
            assert len(datasets.training_set("new").labels) == 20
        datasets.delete("new")


def test_a_pool_lives_as_in_sqlite(database: Database) -> None:
    datasets, examples, pools = DatasetStore(database), ExampleStore(database), PoolStore(database)

    def waiting() -> list[str]:
        return [entry.name for entry in pools.page("d", after=0, limit=100, with_thumbnails=True)]

    datasets.add_to_pool("d", BACKBONE, [new(number, "") for number in range(4)])
    [captured] = datasets.add_to_pool("d", BACKBONE, [new(9, "")], source=PoolSource.CAPTURED)
    assert captured == AddedExample(True, ())
    assert examples.relabel("d", [Selector(name="2")], "x")[0] == 1
    assert examples.return_to_pool("d", [Selector(name="2")])[0] == 1
    assert waiting() == ["0", "1", "3", "9", "2"]
    found = pools.candidates("d", lambda count, _: np.arange(count), lambda labels: np.arange(len(labels)))
    assert found.features["conv"][:, 0].tolist() == [0, 1, 3, 9, 2]
    [shown] = examples.select("d", [Selector(name="9")], with_thumbnails=False)
    moment = shown.pool_time
    assert moment is not None
    kept = CapturedImages(database)
    assert kept.list_since("d", moment) == [shown.content_sha256]
    assert (kept.expire(moment), kept.remove("d", [shown.content_sha256])) == (0, 1)
    assert examples.remove("d", [Selector(name="0")])[1].pool_count == 3
    datasets.delete("d")
    assert datasets.find_featurized(BACKBONE, [number.to_bytes(32) for number in range(10)]) == set()


def test_an_image_is_never_an_example_and_in_the_pool(database: Database) -> None:
    datasets, pools = DatasetStore(database), PoolStore(database)
    for number in range(10):
        at_once(
            lambda number=number: datasets.add("d", BACKBONE, [new(number, "x")]),
            lambda number=number: datasets.add_to_pool("d", BACKBONE, [new(number, "")]),
        )
    assert datasets.get("d").class_counts == {"x": 10}
    assert pools.page("d", after=0, limit=100) == []
