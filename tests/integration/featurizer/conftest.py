"""What the tests of the featurizer share: a tiny backbone that is served, a server of files, an environment in which
nothing else can be reached.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lastlayer.testing.tiny_backbone import write_tiny_backbone
from tests.integration.featurizer.calls import Stub, calling, settings
from tests.integration.featurizer.web import Web, serving


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's settings out: of our own services, of pip, and of proxies."""
    for name in ("LASTLAYER_HOME", "LASTLAYER_MIRROR", "LASTLAYER_BACKBONE", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "PIP_EXTRA_INDEX_URL", "PIP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the discard port: nobody listens


@pytest.fixture
def declaration(tmp_path: Path) -> Path:
    return write_tiny_backbone(tmp_path / "tiny")


@pytest.fixture
async def stub(tmp_path: Path, declaration: Path) -> AsyncIterator[Stub]:
    async with calling(settings(tmp_path, declaration)) as stub:
        yield stub
