"""The folder of a run: shards are there whole, or not at all."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.output import Output, read_manifest
from lastlayer.featurizer.errors import BulkError


def table(*errors: str | None) -> pa.Table:
    count = len(errors)
    return pa.table(
        {
            "id": [f"{number}.jpg" for number in range(count)],
            "label": pa.array([None] * count, pa.string()),
            "pool": [[1.0, 2.0]] * count,
            "error": pa.array(errors, pa.string()),
        }
    )


def test_what_is_done_is_known_to_who_comes_later(tmp_path: Path) -> None:
    output = Output(str(tmp_path), Files())
    assert output.done() == {}
    first = output.commit(0, table(None, None), 0)
    second = output.commit(3, table(None, "NOT_FOUND: gone\tfor good"), 1)
    assert Output(f"{tmp_path}/", Files()).done() == {0: first, 3: second}
    assert pq.read_table(tmp_path / first.file).num_rows == 2


def test_a_shard_without_its_note_is_not_done_and_neither_is_a_note_without_its_shard(tmp_path: Path) -> None:
    output = Output(str(tmp_path), Files())
    done = [output.commit(shard, table(None), 0) for shard in range(3)]
    (tmp_path / "_run" / "done" / "00000.json").unlink()
    (tmp_path / done[1].file).unlink()
    assert output.done().keys() == {2}


def test_the_manifest_is_last_and_tells_all(tmp_path: Path) -> None:
    output = Output(str(tmp_path), Files())
    with pytest.raises(BulkError, match="has not come to its end"):
        read_manifest(str(tmp_path), Files())
    shards = [output.commit(0, table(None, "NOT_FOUND: gone\tfor good"), 1), output.commit(1, table(None), 0)]
    assert output.finish({"dtype": "float32"}, shards) == 1
    manifest = read_manifest(str(tmp_path), Files())
    assert (manifest["rows"], manifest["failed"], manifest["dtype"]) == (3, 1, "float32")
    assert [shard["sha256"] for shard in manifest["shards"]] == [shard.sha256 for shard in shards]
    assert (tmp_path / "_failed.tsv").read_text() == "id\terror\n1.jpg\tNOT_FOUND: gone\\tfor good\n"
    # Readers of Parquet folders see the features alone.
    assert pq.read_table(tmp_path).num_rows == 3


def test_a_manifest_of_another_format_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "_manifest.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(BulkError, match="format 2; 1 is read"):
        read_manifest(str(tmp_path), Files())
