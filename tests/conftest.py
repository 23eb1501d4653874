"""What holds for all tests."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from lastlayer.testing.tiny_backbone import write_tiny_backbone
from tests.postgres import postgres, postgres_url  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from tests.scheduling import Together

# TensorFlow would import Keras, which few tests need; the featurizer sets this for itself.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# By default what runs networks is measured at the first start in each home. Here it is the same everywhere.
os.environ.setdefault("FEATURIZER_ENGINE", "tensorflow")
os.environ.setdefault("FEATURIZER_PRECISION", "float32")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "Together":
    from tests.scheduling import Together

    return Together(config, log)


@pytest.fixture(autouse=True)
def pillows_limit() -> Iterator[None]:
    """Leave Pillow's limit of pixels as it was: the featurizer sets it for its whole process, which here has others."""
    before = Image.MAX_IMAGE_PIXELS
    yield
    Image.MAX_IMAGE_PIXELS = before


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in SQLite without datasets, to be copied: all migrations take longer than most tests that need one."""
    from lastlayer.classifier.store.database import Database

    file = tmp_path_factory.mktemp("empty-store") / "store.db"
    Database(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The declaration of a tiny network, beside its graph; made once by one of the processes of the run."""
    run = tmp_path_factory.getbasetemp()
    folder = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "tiny-backbone"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        declaration = folder / "made" / "tiny.toml"
        if not declaration.exists():
            write_tiny_backbone(folder / "new")
            (folder / "new").rename(declaration.parent)
    return declaration
