"""The process is killed (SIGKILL) before each statement that it sends to its database, a run for each.

What it was about to do is done or not done, never half, and what it had done is there.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from lastlayer.classifier.store import database
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.models import ModelStore
from tests.unit.classifier.store.entries import BACKBONE, example, version

pytestmark = pytest.mark.long

CRASHING = """
import os, signal, sys
import sqlalchemy as sa
sys.path.insert(0, {root!r})
from tests.integration.classifier.store import test_crashes

def crash(left):
    def count(*_):
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
    for event in ("before_cursor_execute", "commit"):
        sa.event.listen(sa.Engine, event, count)
    test_crashes.{work}({url!r})

# All is imported once; this process has one thread and has opened nothing, so that forks of it are as good as new.
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        try:
            crash(int(line))
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""

ROOT = str(Path(__file__).resolve().parents[4])


def crashes(work: str, url: str) -> Iterator[int]:
    """Run a function of this module in processes that are killed before their first, second, … statement or commit;
    yields after each, and ends once one got through.
    """
    program = CRASHING.format(root=ROOT, work=work, url=url)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    ) as forking:
        assert forking.stdin
        assert forking.stdout
        for statements in range(200):
            forking.stdin.write(f"{statements}\n")
            forking.stdin.flush()
            status = int(forking.stdout.readline() or 1)
            assert status in (0, -signal.SIGKILL), "it failed; see what it wrote to standard error"
            yield statements
            if status == 0:
                return
        raise AssertionError("it never gets through")


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/store.db"


def sound(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    engine.dispose()


def open_store(url: str) -> None:
    Database(url).close()


def add_examples(url: str) -> None:
    database = Database(url)
    DatasetStore(database).add("flowers", BACKBONE, [example(1, "rose"), example(2, "tulip")])
    database.close()


def add_version(url: str) -> None:
    ModelStore(Database(url)).add(version(request_id="the request"))


def test_opening_a_store_of_the_first_release(tmp_path: Path) -> None:
    """A migration that is broken off anywhere leaves the store as it was, or as it is to be."""
    url = url_of(tmp_path)
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    config.set_main_option("recursive_version_locations", "true")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    runs = 0
    for _ in crashes("open_store", url):
        runs += 1
        sound(url)
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            [(revision,)] = connection.exec_driver_sql("SELECT version_num FROM alembic_version").all()
            tables = sa.inspect(connection).get_table_names()
        engine.dispose()
        assert (revision == "0001") == ("thumbnails" not in tables)
    assert runs > 5
    Database(url).close()


def test_making_a_new_store(tmp_path: Path) -> None:
    for _ in crashes("open_store", url_of(tmp_path)):
        sound(url_of(tmp_path))


def test_adding_examples(tmp_path: Path) -> None:
    """All of a request's examples are there, or none; sent again, all are."""
    url = url_of(tmp_path)
    open_store(url)
    counts = set()
    for _ in crashes("add_examples", url):
        sound(url)
        database = Database(url)
        found = [dataset.class_counts for dataset in DatasetStore(database).page("", 10)]
        assert found in ([], [{"rose": 1, "tulip": 1}])
        counts.add(len(found))
        database.close()
    assert counts == {0, 1}


def test_storing_a_version(tmp_path: Path) -> None:
    """A version is there whole, or not at all; the same request makes it once, however often it is sent."""
    url = url_of(tmp_path)
    open_store(url)
    for _ in crashes("add_version", url):
        sound(url)
        database = Database(url)
        models = ModelStore(database)
        for model in models.page("", 10):
            [only] = models.page_versions(model.name, 1000, 10)
            assert models.head(models.resolve(model.name, only.version).key)
        database.close()
    database = Database(url)
    stored = ModelStore(database).add(version(request_id="the request"))
    assert stored.version == 1
    assert [entry.version for entry in ModelStore(database).page_versions("m", 1000, 10)] == [1]
    database.close()
