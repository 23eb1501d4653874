"""The command `classifier-svc`: help, wrong use, and what cannot be started."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lastlayer.classifier.store.database import Database
from tests.markdown import blocks


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "lastlayer.classifier", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "CLASSIFIER_ADDRESS": "127.0.0.1:0", **environment},  # the usual port may be in use
        check=False,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"]])
def test_help(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 0
    assert "Usage: " in done.stdout


def test_help_imports_no_library_that_is_slow() -> None:
    program = (
        "import sys; from lastlayer.classifier.__main__ import main\n"
        "try: main(['serve', '--help'])\n"
        "except SystemExit: pass\n"
        "print({'sklearn', 'scipy', 'sqlalchemy', 'grpc', 'numpy', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Example:\n    classifier-svc serve" in done.stdout
    assert done.stdout.endswith("set()\n")


def test_a_service_that_trains_nothing_does_without_scipy() -> None:
    program = "import sys, lastlayer.classifier.server; print({'sklearn', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_store_of_a_newer_version_is_refused_as_the_page_on_upgrading_shows(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    Database(f"sqlite:///{store}").close()
    with contextlib.closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = store.read_bytes()
    done = run("serve", "--store-url", f"sqlite:///{store}", CLASSIFIER_LOG_LEVEL="ERROR")
    [shown] = [block.text for block in blocks("docs/how-to/operate/upgrading.md") if block.language == "text"]
    assert done.returncode == 1
    assert done.stderr.endswith(shown.replace("/home/you/.lastlayer/store/lastlayer.db", str(store)))
    assert store.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["serve", "--address", "nowhere"], {}, "CLASSIFIER_ADDRESS is `nowhere`, but HOST:PORT is needed"),
        (["serve"], {"CLASSIFIER_FEATURIZER": "a:1,b:2"}, "a list needs IP addresses"),
        (["serve", "--store-url", "oracle9://x"], {}, "The store's URL cannot be used: it begins with `oracle9`"),
        (["serve", "--frobnicate"], {}, "No such option"),
    ],
)
def test_wrong_use_is_one_sentence_and_status_2(
    arguments: list[str], environment: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    done = run(*arguments, LASTLAYER_HOME=str(tmp_path), CLASSIFIER_LOG_LEVEL="ERROR", **environment)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_started_is_one_sentence_and_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("serve", "--address", "127.0.0.1:0", LASTLAYER_HOME=str(tmp_path / "file"), CLASSIFIER_LOG_LEVEL="ERROR")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: The store `")
