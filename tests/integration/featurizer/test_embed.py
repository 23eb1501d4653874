"""`featurizer embed`: the features of stored images, the same as the service's, in shards that are done once."""

import asyncio
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from lastlayer.featurizer.__main__ import main
from lastlayer.featurizer.bulk import output
from lastlayer.rpc.vectors import View, unpack
from lastlayer.testing.tiny_backbone import TAPS, write_tiny_backbone
from lastlayer.v1 import featurizer_pb2
from tests.integration.featurizer.calls import calling, photo, request, settings, vectors


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten images, three a class but for the last; one is damaged."""
    for number in range(10):
        path = tmp_path / "photos" / f"class {number // 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(number, size=(60 + number, 45)))
    (tmp_path / "photos" / "class 1" / "4.png").write_bytes(photo(4)[:-60])
    return tmp_path / "photos"


@pytest.fixture
def embed(tmp_path: Path, backbone: Path, monkeypatch: pytest.MonkeyPatch) -> "Embed":
    monkeypatch.setenv("LASTLAYER_HOME", str(tmp_path / "home"))
    return Embed(tmp_path / "out", backbone)


class Embed:
    """Runs the command in this process."""

    def __init__(self, to: Path, backbone: Path) -> None:
        self.to = to
        self._backbone = backbone

    def __call__(self, *arguments: object, status: int = 0) -> Result:
        command = ["embed", *map(str, arguments), "--to", str(self.to), "--backbone", str(self._backbone)]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == status, result.output
        return result

    def rows(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = pq.read_table(self.to).to_pylist()
        return rows


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


async def test_vectors_are_those_of_the_service_to_the_last_bit(
    embed: Embed, photos: Path, tmp_path: Path, backbone: Path
) -> None:
    files = files_of(photos)
    await asyncio.to_thread(embed, photos, "--shard-images", 4, "--label-from", "folder")
    rows = embed.rows()
    async with calling(settings(tmp_path / "service", backbone)) as stub:
        answer = await stub.Featurize(request(file.read_bytes() for file in files))
    assert [row["id"] for row in rows] == [str(file) for file in files]
    for row, file, result in zip(rows, files, answer.results, strict=True):
        assert row["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert row["label"] == file.parent.name
        if file.name == "4.png":
            assert str(row["error"]).startswith("IMAGE_UNDECODABLE: ")
            assert [row[tap] for tap in TAPS] == [None] * len(TAPS)
            continue
        assert row["error"] is None
        for tap, expected in vectors(result).items():
            np.testing.assert_array_equal(np.array(row[tap], np.float32), expected)
    manifest = json.loads((embed.to / "_manifest.json").read_text())
    assert manifest["backbone"]["digest"] == answer.backbone_digest
    assert [shard["rows"] for shard in manifest["shards"]] == [4, 4, 2]
    assert (manifest["rows"], manifest["failed"]) == (10, 1)
    assert "4.png\tIMAGE_UNDECODABLE" in (embed.to / "_failed.tsv").read_text().replace('"', "")


def test_the_same_command_goes_on_where_it_stopped(embed: Embed, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = output.Output.commit
    committed: list[int] = []
    limit = 2

    def stopping(self: output.Output, shard: int, table: pa.Table, failed: int) -> output.Done:
        if len(committed) == limit:
            raise OSError("No space left on device")
        committed.append(shard)
        return real(self, shard, table, failed)

    monkeypatch.setattr(output.Output, "commit", stopping)
    stopped = embed(photos, "--shard-images", 3, status=1)
    assert "No space left on device. Repeat the command to go on where it stopped." in stopped.output
    assert not (embed.to / "_manifest.json").exists()
    limit = 4
    again = embed(photos, "--shard-images", 3)
    assert "10 images, 6 of them done before" in again.output
    assert committed == [0, 1, 2, 3]
    assert len({row["id"] for row in embed.rows()}) == len(embed.rows()) == 10
    # And once more, when there is nothing left.
    embed(photos, "--shard-images", 3)
    assert committed == [0, 1, 2, 3]


def test_a_run_that_goes_wrong_ends(embed: Embed, photos: Path) -> None:
    result = embed(photos, "--shard-images", 5, "--max-failed", "10%", status=1)
    assert "1 of 5 images have no features, which is more than 10.0%" in result.output
    assert [file.name for file in embed.to.glob("*.parquet")] == ["shard-00000.parquet"]
    embed(photos, "--shard-images", 5, "--max-failed", "0.2")


def test_images_that_are_gone_or_too_large_are_rows_with_the_reason(embed: Embed, photos: Path) -> None:
    (photos / "large.bmp").write_bytes(bytes(32 * 2**20 + 1))
    (photos / "empty.jpg").write_bytes(b"")
    names = ["class 0/0.png", "gone.jpg", "large.bmp", "empty.jpg"]
    (photos / "list.tsv").write_text("".join(f"{name}\tx\n" for name in names))
    embed(photos / "list.tsv", "--label-from", "label")
    errors = {row["id"]: str(row["error"]).partition(":")[0] for row in embed.rows()}
    assert errors == dict(zip(names, ["None", "NOT_FOUND", "IMAGE_TOO_LARGE", "IMAGE_EMPTY"], strict=True))


def test_half_the_bytes_and_some_of_the_taps(embed: Embed, photos: Path) -> None:
    embed(photos / "class 0", "--dtype", "float16", "--tap", "pool")
    table = pq.read_table(embed.to)
    assert table.schema.names == ["id", "sha256", "label", "pool", "error"]
    assert table.schema.field("pool").type == pa.list_(pa.float16())
    shutil.rmtree(embed.to)
    embed(photos / "class 0", "--tap", "pool")
    full = np.stack(pq.read_table(embed.to)["pool"].to_numpy())
    np.testing.assert_allclose(np.stack(table["pool"].to_numpy()).astype(np.float32), full, rtol=1e-3, atol=1e-6)


async def test_views_have_columns_of_their_own_that_are_those_of_the_service(
    embed: Embed, photos: Path, tmp_path: Path, backbone: Path
) -> None:
    views = [view.label for view in View]
    await asyncio.to_thread(
        embed, photos / "class 0", "--tap", "pool", *(word for view in views for word in ("--view", view))
    )
    table = pq.read_table(embed.to)
    columns = ["pool", "pool@whole", "pool@crop-flipped", "pool@whole-flipped"]
    assert table.schema.names == ["id", "sha256", "label", *columns, "error"]
    assert json.loads((embed.to / "_manifest.json").read_text())["views"] == views
    contents = [file.read_bytes() for file in files_of(photos / "class 0")]
    async with calling(settings(tmp_path / "service", backbone)) as stub:
        asked = featurizer_pb2.FeaturizeRequest(
            images=request(contents).images, taps=["pool"], views=[view.wire for view in View]
        )
        answer = await stub.Featurize(asked)
    for row, result in zip(table.to_pylist(), answer.results, strict=True):
        for column, vector in zip(columns, result.features.vectors, strict=True):
            np.testing.assert_allclose(row[column], unpack(vector.values), rtol=1e-4, atol=1e-5)
    # Another run with fewer views does not belong into the same folder.
    refused = await asyncio.to_thread(embed, photos / "class 0", "--tap", "pool", status=1)
    assert "views crop, whole, crop-flipped, whole-flipped there, crop now" in refused.output


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--tap", "pol"], 1, "There is no tap `pol`; tiny has conv, pool, scores."),
        (["--max-failed", "2"], 2, "`2` is no share; `1%` or `0.01` would be one."),
        (["--actors", "3:2"], 2, "`3:2` is no MIN:MAX"),
        (["--actors", "2:3"], 2, "--actors go with --ray"),
        (["--storage-option", "anon"], 1, "`anon` is no KEY=VALUE"),
        (["nowhere"], 1, "There is no file or folder `nowhere`."),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    embed: Embed, photos: Path, arguments: list[str], status: int, says: str
) -> None:
    result = embed(photos, *arguments, status=status)
    assert says in " ".join(result.output.split())
    assert not list(embed.to.glob("*.parquet"))
