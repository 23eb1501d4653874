import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.rpc.settings import load_settings
from tests.integration.classifier.calls import connected
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, serving


@pytest.fixture
def fake() -> FakeFeaturizer:
    return FakeFeaturizer()


@pytest.fixture
async def featurizer(fake: FakeFeaturizer) -> AsyncIterator[str]:
    async with serving(fake) as address:
        yield address


@pytest.fixture
def settings(featurizer: str, tmp_path: Path, empty_store: Path) -> ClassifierSettings:
    (tmp_path / "store").mkdir()
    shutil.copy(empty_store, tmp_path / "store" / "x.db")
    return load_settings(
        ClassifierSettings,
        address="127.0.0.1:0",
        featurizer=featurizer,
        store_url=f"sqlite:///{tmp_path}/store/x.db",
        grace_seconds=5,
    )


@pytest.fixture
async def stub(settings: ClassifierSettings) -> AsyncIterator[Any]:
    async with connected(settings) as connection:
        yield connection
