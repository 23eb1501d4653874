"""A store in a real SQLite database."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.models import ModelStore


@pytest.fixture
def database(tmp_path: Path, empty_store: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{shutil.copy(empty_store, tmp_path / 'store.db')}")
    yield opened
    opened.close()


@pytest.fixture
def datasets(database: Database) -> DatasetStore:
    return DatasetStore(database)


@pytest.fixture
def models(database: Database) -> ModelStore:
    return ModelStore(database)
