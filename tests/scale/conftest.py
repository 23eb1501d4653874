"""What the tests of large runs share: a tiny network, the command as a process, and what must be there at the end."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lastlayer.testing.tiny_backbone import write_tiny_backbone
from tests.scale.images import BROKEN_EVERY


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of the command: a network that is loaded in a moment."""
    backbone = write_tiny_backbone(tmp_path / "backbone")
    return {**os.environ, "LASTLAYER_HOME": str(tmp_path / "home"), "LASTLAYER_BACKBONE": str(backbone)}


def command(*arguments: object) -> list[str]:
    """Return the command `featurizer embed` with arguments."""
    return [sys.executable, "-m", "lastlayer.featurizer", "embed", *map(str, arguments)]


def check_whole(folder: Path, checksums: Mapping[str, str]) -> None:
    """Assert that each image is in the folder once, with its vectors or the reason why it has none."""
    rows = pq.read_table(folder, columns=["id", "sha256", "pool", "error"]).to_pylist()
    found = {row["id"].split("/images/")[-1]: row for row in rows}
    assert len(rows) == len(found) == len(checksums)
    for name, checksum in checksums.items():
        row = found[name]
        assert row["sha256"] == checksum
        broken = int(Path(name).stem) % BROKEN_EVERY == 0
        assert (row["pool"] is None, row["error"] is not None) == (broken, broken), row
