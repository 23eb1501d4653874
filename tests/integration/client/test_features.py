"""`client add --features`, `client datasets export` and `client embed`, against a scripted classifier."""

import hashlib
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lastlayer.client import Client, DataError, InvalidInputError
from lastlayer.rpc.errors import BackboneMismatchError
from tests.integration.client.conftest import Photos, Run
from tests.integration.client.fake_classifier import FakeClassifier

DIGEST = "00" * 32


def sha256(content: str) -> bytes:
    return hashlib.sha256(content.encode()).digest()


def write_shards(
    folder: Path, rows: list[dict[str, object]], *, per_shard: int = 2, dtype: str = "float32", **manifest: object
) -> Path:
    """Write rows of `id`, `label`, `pool` and `error` as `featurizer embed` does."""
    folder.mkdir()
    shards = []
    kind = pa.list_(pa.float32() if dtype == "float32" else pa.float16())
    for start in range(0, len(rows), per_shard):
        part = rows[start : start + per_shard]
        name = f"shard-{start // per_shard:05}.parquet"
        vectors = [None if row.get("error") else np.array(row["pool"], dtype) for row in part]
        table = pa.table(
            {
                "id": pa.array([row["id"] for row in part], pa.string()),
                "sha256": pa.array([sha256(str(row["id"])).hex() for row in part], pa.string()),
                "label": pa.array([row.get("label") for row in part], pa.string()),
                "pool": pa.array(vectors, kind),
                "error": pa.array([row.get("error") for row in part], pa.string()),
            }
        )
        pq.write_table(table, folder / name)
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        shards.append({"file": name, "rows": len(part), "sha256": digest})
    told = {
        "format": 1,
        "backbone": {"name": "tiny", "digest": DIGEST, "precision": "float32"},
        "taps": [{"name": "pool", "dimension": 3}],
        "rows": len(rows),
        "shards": shards,
        **manifest,
    }
    (folder / "_manifest.json").write_text(json.dumps(told))
    return folder


def write_again(folder: Path, shard: pa.Table, **options: int) -> None:
    """Write the only shard of a folder once more, and its checksum."""
    file, manifest = folder / "shard-00000.parquet", folder / "_manifest.json"
    pq.write_table(shard, file, **options)
    told = json.loads(manifest.read_text())
    told["shards"][0]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(told))


@pytest.fixture
def rows() -> list[dict[str, object]]:
    return [{"id": f"{number}.jpg", "label": "cat", "pool": [number, 0.5, -1]} for number in range(5)]


def sent(fake: FakeClassifier) -> list[str]:
    """Return the ids of the examples whose vectors were sent, in order."""
    return [example.id for message in fake.messages("AddFeatures") if message.features for example in message.examples]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_examples_are_added_with_their_vectors(
    fake: FakeClassifier, run: Run, rows: list[dict[str, object]], tmp_path: Path, dtype: str
) -> None:
    folder = write_shards(tmp_path / "features", rows, dtype=dtype)
    done = run("add", "--features", folder, "--dataset", "pets")
    assert done.exit_code == 0, done.output
    assert done.stdout == "Dataset pets: 5 added, 0 already there\n"
    for number in range(5):
        assert fake.vectors[sha256(f"{number}.jpg")] == struct.pack("<3f", number, 0.5, -1)
    [first, *_] = fake.messages("AddFeatures")
    assert (first.dataset, first.backbone_digest, first.precision) == ("pets", DIGEST, "float32")
    assert sorted(sent(fake)) == [f"{number}.jpg" for number in range(5)]


def test_what_is_there_is_not_sent_again(
    fake: FakeClassifier, run: Run, rows: list[dict[str, object]], tmp_path: Path
) -> None:
    folder = write_shards(tmp_path / "features", rows)
    for number in range(3):
        fake.store[sha256(f"{number}.jpg")] = ["cat"]
    assert run("add", "--features", folder).stdout == "Dataset default: 2 added, 3 already there\n"
    assert not {"0.jpg", "1.jpg"} & set(sent(fake))
    fake.calls.clear()
    assert run("add", "--features", folder).stdout == "Dataset default: 0 added, 5 already there\n"
    assert sent(fake) == []


def test_one_message_asks_where_nothing_is_there(
    fake: FakeClassifier, run: Run, rows: list[dict[str, object]], tmp_path: Path
) -> None:
    assert run("add", "--features", write_shards(tmp_path / "features", rows)).exit_code == 0
    bring = [(len(message.examples), bool(message.features)) for message in fake.messages("AddFeatures")]
    assert bring == [(2, False), (2, True), (2, True), (1, True)]


def test_a_group_of_rows_goes_into_messages_of_equal_size_and_at_most_4_mib(
    fake: FakeClassifier, run: Run, rows: list[dict[str, object]], tmp_path: Path
) -> None:
    elements = 2**18  # 1 MiB
    large = [{**rows[0], "id": f"{number}.jpg", "pool": [number] * elements} for number in range(6)]
    taps = [{"name": "pool", "dimension": elements}]
    folder = write_shards(tmp_path / "features", large, per_shard=6, taps=taps)
    assert run("add", "--features", folder).stdout == "Dataset default: 6 added, 0 already there\n"
    bring = [(len(message.examples), bool(message.features)) for message in fake.messages("AddFeatures")]
    assert bring == [(3, False), (3, True), (3, True)]
    assert sorted(sent(fake)) == [f"{number}.jpg" for number in range(6)]
    for number in range(6):
        assert fake.vectors[sha256(f"{number}.jpg")] == struct.pack("<f", number) * elements


def test_an_element_that_is_null_is_sent_as_no_number(
    fake: FakeClassifier, run: Run, rows: list[dict[str, object]], tmp_path: Path
) -> None:
    folder = write_shards(tmp_path / "features", rows, per_shard=5)
    shard = pq.read_table(folder / "shard-00000.parquet")
    vectors = [[0.0, None, 1.0], *shard["pool"].to_pylist()[1:]]
    place = shard.column_names.index("pool")
    write_again(folder, shard.set_column(place, "pool", pa.array(vectors, pa.list_(pa.float32()))))
    assert run("add", "--features", folder).exit_code == 0
    assert np.isnan(np.frombuffer(fake.vectors[sha256("0.jpg")], "<f4")).tolist() == [False, True, False]
    assert fake.vectors[sha256("1.jpg")] == struct.pack("<3f", 1, 0.5, -1)


@pytest.mark.parametrize("group_rows", [1, 3])
def test_groups_of_rows_are_read_one_after_the_other(
    fake: FakeClassifier, run: Run, rows: list[dict[str, object]], tmp_path: Path, group_rows: int
) -> None:
    rows[2] = {"id": "2.jpg", "label": "cat", "error": "IMAGE_UNDECODABLE: The bytes are no image."}
    folder = write_shards(tmp_path / "features", rows, per_shard=5)
    write_again(folder, pq.read_table(folder / "shard-00000.parquet"), row_group_size=group_rows)
    assert run("add", "--features", folder).stdout == "Dataset default: 4 added, 0 already there, 1 failed\n"
    for number in (0, 1, 3, 4):
        assert fake.vectors[sha256(f"{number}.jpg")] == struct.pack("<3f", number, 0.5, -1)


def test_an_import_that_broke_off_goes_on(
    fake: FakeClassifier, run: Run, rows: list[dict[str, object]], tmp_path: Path
) -> None:
    folder = write_shards(tmp_path / "features", rows)
    fake.break_after["AddFeatures"] = [1, 2, None]
    done = run("add", "--features", folder, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["added"] + told["present"] == 5
    assert fake.count("AddFeatures") == 3
    assert len(fake.store) == 5


def test_rows_without_vectors_or_label_have_failed(
    fake: FakeClassifier, run: Run, rows: list[dict[str, object]], tmp_path: Path
) -> None:
    rows[1] = {"id": "1.jpg", "label": "cat", "error": "IMAGE_UNDECODABLE: The bytes are no image."}
    rows[2]["label"] = None
    folder = write_shards(tmp_path / "features", rows, per_shard=5)
    done = run("add", "--features", folder)
    assert done.exit_code == 1
    assert done.stdout == "Dataset default: 3 added, 0 already there, 2 failed\n"
    assert "Failed: 1.jpg: The bytes are no image." in done.stderr
    assert "Failed: 2.jpg: It has no label in the shard." in done.stderr
    assert fake.vectors[sha256("3.jpg")] == struct.pack("<3f", 3, 0.5, -1)


def test_shards_that_cannot_be_added(
    fake: FakeClassifier, client: Client, rows: list[dict[str, object]], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"has no _manifest\.json"):
        client.add_features(tmp_path / "nowhere")
    unlabelled = write_shards(tmp_path / "unlabelled", [{**row, "label": None} for row in rows])
    with pytest.raises(InvalidInputError, match="--label-from"):
        client.add_features(unlabelled)
    outside = write_shards(
        tmp_path / "outside", rows, shards=[{"file": "../features/shard-00000.parquet", "sha256": "0"}]
    )
    with pytest.raises(DataError, match="is no file's name"):
        client.add_features(outside)
    changed = write_shards(tmp_path / "changed", rows)
    (changed / "shard-00001.parquet").write_bytes((changed / "shard-00000.parquet").read_bytes())
    with pytest.raises(DataError, match="not what the manifest says"):
        client.add_features(changed)
    newer = write_shards(tmp_path / "newer", rows, format=2)
    with pytest.raises(DataError, match="of format 2; 1 is read"):
        client.add_features(newer)
    short = write_shards(tmp_path / "short", rows, taps=[{"name": "pool", "dimension": 4}])
    with pytest.raises(DataError, match="no 4 numbers"):
        client.add_features(short)
    other = write_shards(tmp_path / "other", rows)
    fake.script["AddFeatures"] = [BackboneMismatchError("Of another backbone.", expected="a", actual="b")]
    with pytest.raises(Exception, match="Of another backbone"):
        client.add_features(other)


def test_wrong_use(run: Run, photos: Photos, tmp_path: Path) -> None:
    assert "Give DATA, or --features OUT." in run("add").stderr
    assert "Give DATA, or --features OUT." in run("add", photos.folder, "--features", tmp_path).stderr
    assert "--label goes with DATA." in run("add", "--features", tmp_path, "--label", "cat").stderr
    done = run("embed", photos.folder, "--to", tmp_path / "vectors.txt")
    assert (done.exit_code, "ends with .parquet or .npz" in done.stderr) == (2, True)


def test_without_pyarrow_one_sentence_says_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    parts = ("data.arrow", "data.shards", "export.shards", "export.vectors", "transport.adding.features")
    for part in parts:
        monkeypatch.delitem(sys.modules, f"lastlayer.client.{part}", raising=False)
    for command in (("add", "--features", tmp_path), ("datasets", "export", "default", "--to", tmp_path / "out")):
        done = run(*command)
        assert (done.exit_code, done.stderr.splitlines()[-1]) == (
            2, "Error: Parquet files need pyarrow, which is not installed: pip install 'lastlayer[embed]'"
        )  # fmt: skip


def test_a_dataset_is_exported_and_taken_back(
    fake: FakeClassifier, run: Run, rows: list[dict[str, object]], tmp_path: Path
) -> None:
    assert run("add", "--features", write_shards(tmp_path / "features", rows)).exit_code == 0
    fake.store[sha256("0.jpg")].append("dog")
    done = run("datasets", "export", "default", "--to", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"Dataset default: 6 rows in 1 file: {tmp_path / 'out'}\n"
    table = pq.read_table(tmp_path / "out").to_pylist()
    assert [(row["id"], row["label"]) for row in table] == [
        ("0.jpg", "cat"), ("0.jpg", "dog"), *((f"{number}.jpg", "cat") for number in range(1, 5))
    ]  # fmt: skip
    assert table[3]["pool"] == [2, 0.5, -1]
    assert table[3]["sha256"] == sha256("2.jpg").hex()
    assert "has shards already" in run("datasets", "export", "default", "--to", tmp_path / "out").stderr
    kept, vectors = dict(fake.store), dict(fake.vectors)
    fake.store, fake.vectors = {}, {}
    done = run("add", "--features", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert fake.vectors == vectors
    assert fake.store == kept


def test_what_has_no_vectors_is_exported_as_a_row_that_says_so(
    fake: FakeClassifier, run: Run, rows: list[dict[str, object]], tmp_path: Path
) -> None:
    assert run("add", "--features", write_shards(tmp_path / "features", rows)).exit_code == 0
    fake.stale = {sha256("1.jpg")}
    told = json.loads(run("datasets", "export", "default", "--to", tmp_path / "out", "--json").stdout)
    assert (told["rows"], told["stale"], told["shards"]) == (5, 1, 1)
    table = pq.read_table(tmp_path / "out").to_pylist()
    assert (table[1]["pool"], table[1]["error"]) == (None, "STALE: It has no features of tiny.")
    assert table[2]["pool"] == [2, 0.5, -1]


def test_vectors_as_arrays(client: Client, fake: FakeClassifier) -> None:
    embeddings = client.embed([b"cat-1", b"bad", b"dog-1"], taps=["pool"])
    assert embeddings.images == ("images[0]", "images[1]", "images[2]")
    assert embeddings.vectors["pool"].dtype == np.float32
    np.testing.assert_array_equal(embeddings.vectors["pool"][2], np.frombuffer(fake.vector(sha256("dog-1")), "<f4"))
    assert np.isnan(embeddings.vectors["pool"][1]).all()
    assert [error and error.reason for error in embeddings.errors] == [None, "IMAGE_UNDECODABLE", None]
    many = client.embed([f"cat-{number}".encode() for number in range(100)])
    for number, row in enumerate(many.vectors["pool"]):
        np.testing.assert_array_equal(row, np.frombuffer(fake.vector(sha256(f"cat-{number}")), "<f4"))
    with pytest.raises(TypeError):
        client.embed(b"cat-1")  # type: ignore[arg-type]
    assert client.embed([]).vectors == {}


def test_vectors_in_files(run: Run, fake: FakeClassifier, photos: Photos, tmp_path: Path) -> None:
    (photos.folder / "dog" / "bad.jpg").write_text("bad")
    done = run("embed", photos.folder / "cat" / "cat0.jpg", photos.folder / "dog", "--to", tmp_path / "v.npz")
    assert done.exit_code == 1
    assert done.stdout == f"4 images, 1 failed, with vectors of tiny at pool (3): {tmp_path / 'v.npz'}\n"
    with np.load(tmp_path / "v.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert [Path(name).name for name in arrays["id"]] == ["cat0.jpg", "bad.jpg", "dog0.jpg", "dog1.jpg"]
    assert str(arrays["error"][1]).startswith("IMAGE_UNDECODABLE: ")
    assert run("embed", photos.folder, "--to", tmp_path / "v.parquet", "--json").exit_code == 1
    table = pq.read_table(tmp_path / "v.parquet").to_pylist()
    dog = next(row for row in table if row["id"].endswith("dog1.jpg"))
    assert dog["pool"] == list(arrays["pool"][3])
    assert dog["sha256"] == sha256("dog-1").hex()
