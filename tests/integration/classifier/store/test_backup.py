"""The store is backed up under load and restored, as docs/how-to/operate/backup.md says: the answers are the same."""

import asyncio
import contextlib
import os
import sqlite3
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lastlayer.classifier.__main__ import main
from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.classifier.store.operation.backup import BackupError, back_up
from lastlayer.v1 import classifier_pb2
from tests.integration.classifier.calls import add, connected, examples, kinds, predict, train, train_anew

IMAGES = [b"cat-50", b"dog-51", b"cat-52"]


class Load:
    """Adds examples to the dataset `busy` and trains on them, over and over."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub
        self.acknowledged = 0

    async def run(self) -> None:
        while True:
            for kind in ("cat", "dog"):
                new = examples(kind, 8, self.acknowledged)
                assert kinds(await add(self._stub, "busy", new)) == ["added"] * 8
            self.acknowledged += 16
            await train(self._stub, "busy")


@contextlib.asynccontextmanager
async def under_load(stub: Any) -> AsyncIterator[Load]:
    load = Load(stub)
    running = asyncio.create_task(load.run())
    while load.acknowledged == 0:
        await asyncio.sleep(0.01)
        assert not running.done()
    yield load
    assert not running.done()
    running.cancel()


async def answers(stub: Any) -> list[Any]:
    """All that the model `m` and its dataset say."""
    versions = await stub.ListModelVersions(classifier_pb2.ListModelVersionsRequest(model="m"))
    dataset = await stub.GetDataset(classifier_pb2.GetDatasetRequest(name="m"))
    return [(await predict(stub, IMAGES)).results, versions.versions, dataset]


async def back_up_and_restore(
    settings: ClassifierSettings, copy: Callable[[], object], restore: Callable[[], ClassifierSettings]
) -> None:
    """Back up while a classifier is written to, restore, and compare what both say."""
    async with connected(settings) as stub:
        await train_anew(stub)
        before = await answers(stub)
        async with under_load(stub) as load:
            least = load.acknowledged
            await asyncio.to_thread(copy)
            most = load.acknowledged + 16
        # What comes later is not in it.
        await stub.DeleteModel(classifier_pb2.DeleteModelRequest(name="m"))
    async with connected(restore()) as stub:
        assert await answers(stub) == before
        busy = await stub.GetDataset(classifier_pb2.GetDatasetRequest(name="busy"))
        assert least <= busy.example_count <= most
        await train(stub, "again", dataset="busy")  # what it needs is whole
        assert kinds(await add(stub, "m", examples("cat", 1, 60))) == ["added"]


async def test_sqlite(settings: ClassifierSettings, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"

    def restore() -> ClassifierSettings:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        file.rename(folder / "lastlayer.db")
        assert [path.name for path in folder.iterdir()] == ["lastlayer.db"]
        return settings.model_copy(update={"store_url": f"sqlite:///{folder}/lastlayer.db"})

    await back_up_and_restore(settings, lambda: back_up(settings.store, file), restore)


def command(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["backup", *arguments], env=environment)


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a store of a megabyte."""
    connection = sqlite3.connect(tmp_path / "store.db")
    connection.executescript("CREATE TABLE t (x BLOB); INSERT INTO t VALUES (randomblob(1000000));")
    connection.close()
    return f"sqlite:///{tmp_path}/store.db"


def test_the_command(store: str, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    done = command(str(file), CLASSIFIER_STORE_URL=store)
    assert (done.exit_code, done.stdout) == (0, f"Written: {file} (1.0 MB)\n"), done.stderr
    again = command(str(file), "--store-url", store)
    assert again.exit_code == 1
    assert f"`{file}` is there already and stays as it is; name a new file." in again.stderr


@pytest.mark.parametrize(
    ("url", "sentence", "status"),
    [
        ("postgresql://user:secret@nowhere/x", "The store is in PostgreSQL: back it up with pg_dump", 1),
        ("sqlite:////nowhere/store.db", "There is no store `/nowhere/store.db`; name it by --store-url", 1),
        ("mysql://nowhere/x", "The store's URL cannot be used: it begins with `mysql`", 2),
    ],
)
def test_what_cannot_be_copied(url: str, sentence: str, status: int, tmp_path: Path) -> None:
    done = command(str(tmp_path / "copy.db"), "--store-url", url)
    assert done.exit_code == status
    assert sentence in done.stderr
    assert "secret" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_store_makes_no_backup(store: str, tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    content = bytearray(file.read_bytes())
    [page] = struct.unpack(">H", content[16:18])
    content[page : page + 100] = os.urandom(100)  # the root of the first table
    file.write_bytes(content)
    with pytest.raises(BackupError, match=r"store.db` (is damaged|cannot be copied)"):
        back_up(store, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_folder_that_is_not_there_is_said(store: str, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"gone/copy.db` cannot be written: No such file or directory"):
        back_up(store, tmp_path / "gone" / "copy.db")


@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal", "-reserve"])
def test_a_backup_takes_the_place_of_nothing_that_the_store_uses(tmp_path: Path, ending: str) -> None:
    store = tmp_path / "own.db"
    with sqlite3.connect(store) as database:
        database.execute("CREATE TABLE examples (id INTEGER)")
    database.close()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BackupError, match=r"name (a new|another) file"):
        back_up(f"sqlite:///{store}", tmp_path / f"own.db{ending}")
    assert sorted(tmp_path.iterdir()) == before


def test_a_backup_replaces_neither_a_pipe_nor_a_device_nor_what_a_link_leads_to(tmp_path: Path) -> None:
    store = tmp_path / "own.db"
    sqlite3.connect(store).close()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for target in (tmp_path / "pipe", Path("/dev/null"), Path("/dev/full"), tmp_path / "file", tmp_path / "link"):
        with pytest.raises(BackupError, match="is there already"):
            back_up(f"sqlite:///{store}", target)
    assert (tmp_path / "file").read_text() == "kept"
