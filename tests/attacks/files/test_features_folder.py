"""Folders of features that `client add --features` is given by a stranger."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lastlayer.client.data.shards import Shards
from lastlayer.client.errors import DataError

GIB = 2**30
ROW = {"id": ["a.jpg"], "sha256": ["00" * 32], "label": ["cat"], "pool": [[1.0, 2.0, 3.0]], "error": [None]}


def table(**columns: Any) -> pa.Table:
    types = {"pool": pa.list_(pa.float32()), "error": pa.string()}
    return pa.table({name: pa.array(values, types.get(name)) for name, values in {**ROW, **columns}.items()})


def write(folder: Path, shard: pa.Table, **manifest: Any) -> Path:
    pq.write_table(shard, folder / "shard-00000.parquet", compression="zstd")
    digest = hashlib.sha256((folder / "shard-00000.parquet").read_bytes()).hexdigest()
    told = {
        "format": 1,
        "backbone": {"name": "tiny", "digest": "00" * 32, "precision": "float32"},
        "taps": [{"name": "pool", "dimension": 3}],
        "rows": 1,
        "shards": [{"file": "shard-00000.parquet", "sha256": digest}],
        **manifest,
    }
    (folder / "_manifest.json").write_text(json.dumps(told))
    return folder


def read(folder: Path) -> int:
    return sum(len(batch.rows) for batch in Shards(str(folder)).batches(100))


def test_what_is_sound_is_read(tmp_path: Path) -> None:
    assert read(write(tmp_path, table())) == 1


@pytest.mark.parametrize(
    "manifest",
    [
        {"taps": [{"name": "pool", "dimension": 2**31}]},
        {"taps": [{"name": "pool", "dimension": 2**70}]},
        {"taps": [{"name": "pool", "dimension": -1}]},
        {"taps": [{"name": "pool", "dimension": 0}]},
        {"taps": [{"name": "pool", "dimension": float("inf")}]},
        {"taps": [{"name": "id", "dimension": 3}]},
        {"taps": [{"name": "none", "dimension": 3}]},
        {"taps": 1},
        {"rows": float("inf")},
        {"shards": [{"file": "/etc/passwd", "sha256": ""}]},
        {"shards": [{"file": "../shard-00000.parquet", "sha256": ""}]},
        {"shards": [{"file": "http://127.0.0.1/a.parquet", "sha256": ""}]},
        {"shards": [{"file": "shard-00000.parquet", "sha256": "00" * 32}]},
        {"backbone": []},
    ],
    ids=lambda manifest: json.dumps(manifest)[:60],
)
def test_manifests_that_do_not_hold_together_are_said_in_a_sentence(tmp_path: Path, manifest: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        read(write(tmp_path, table(), **manifest))


def test_a_manifest_that_says_to_have_very_many_rows_takes_no_memory(tmp_path: Path) -> None:
    assert read(write(tmp_path, table(), rows=10**18)) == 1


@pytest.mark.parametrize(
    "columns",
    [{"id": [5]}, {"sha256": [5]}, {"sha256": ["zz"]}, {"error": ["wrong"]}, {"label": [[1]]}],
    ids=["id", "digest", "no digits", "error with vectors", "list"],
)
def test_columns_of_other_kinds_are_said_in_a_sentence(tmp_path: Path, columns: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        read(write(tmp_path, table(**columns)))


def test_a_manifest_without_an_end_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "_manifest.json").open("wb") as file:
        file.truncate(GIB)
    with pytest.raises(DataError, match="is larger than 64 MiB"):
        read(tmp_path)
    (tmp_path / "_manifest.json").write_text("[" * 1_000_000)
    with pytest.raises(DataError, match="is no JSON"):
        read(tmp_path)


def test_rows_that_swell_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, table(id=["a" * 2**24]))
    assert (folder / "shard-00000.parquet").stat().st_size < 2**20
    with pytest.raises(DataError, match="its rows are larger than"):
        read(folder)
