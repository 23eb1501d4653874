"""Deletions on a full disk."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lastlayer.classifier.domain.errors import StoreFullError
from lastlayer.classifier.domain.types import Backbone, NewExample, Tap
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.disk.reserve import RESERVE_BYTES, Reserve

BACKBONE = Backbone("b", "a" * 64, (Tap("x", False, 2048),), {})
SMALL = 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 MiB: what fits beside the log and the reserve is more than they can delete at once."""
    if os.geteuid() != 0:
        pytest.skip("NO DISK WAS FILLED: only root can mount one")
    command = ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NO DISK WAS FILLED: none can be mounted here: {done.stderr}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def some(first: int, count: int) -> list[NewExample]:
    vectors = {"x": np.zeros(2048, np.float32)}
    numbers = range(first, first + count)
    return [NewExample(f"{n}.jpg", hashlib.sha256(str(n).encode()).digest(), "x", vectors) for n in numbers]


def fill(datasets: DatasetStore, name: str, *, each: int, first: int) -> None:
    """Add examples until the disk is full."""
    while True:
        datasets.add(name, BACKBONE, some(first, each))
        first += each


def test_what_is_not_too_large_can_be_deleted_again_and_again_on_a_full_disk(small_disk: Path) -> None:
    database = Database(f"sqlite:///{small_disk}/store.db")
    try:
        datasets = DatasetStore(database)
        for number in range(3):
            datasets.add(f"small{number}", BACKBONE, some(number * SMALL, SMALL))
        with pytest.raises(StoreFullError, match="delete a model or some hundred examples"):
            fill(datasets, "large", each=32, first=1_000)
        with pytest.raises(StoreFullError, match="delete a model or some hundred examples"):
            fill(datasets, "large", each=1, first=200_000)
        count = sum(datasets.get("large").class_counts.values())
        for number in range(3):
            # That dataset changes more than there is room for: it is all there still, and takes no room from others.
            with pytest.raises(StoreFullError):
                datasets.delete("large")
            assert sum(datasets.get("large").class_counts.values()) == count + 200 * number
            datasets.delete(f"small{number}")
            # What has become free is used.
            datasets.add("large", BACKBONE, some(400_000 + 200 * number, 200))
    finally:
        database.close()


def test_the_room_is_there_and_is_kept_while_the_disk_has_more(tmp_path: Path) -> None:
    kept = Reserve(tmp_path / "store.db")
    kept.keep()
    file = tmp_path / "store.db-reserve"
    assert file.stat().st_size == RESERVE_BYTES
    assert file.stat().st_blocks * 512 >= RESERVE_BYTES, "it is not on the disk"
    with kept.given_up():
        assert file.exists()


def test_it_is_given_up_for_a_deletion_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Reserve(tmp_path / "store.db")
    kept.keep()
    file = tmp_path / "store.db-reserve"
    free = RESERVE_BYTES - 1
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
    with kept.given_up():
        assert not file.exists()
        free = RESERVE_BYTES
    assert file.exists()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "store.db-reserve").symlink_to(tmp_path / "elsewhere")
    Reserve(tmp_path / "store.db").keep()
    assert not (tmp_path / "elsewhere").exists()
