"""Where images are found: folders, patterns, lists, Parquet files and tar files, with their labels."""

import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.bulk.sources.finding import find_items
from lastlayer.featurizer.bulk.sources.parquet import RowReader
from lastlayer.featurizer.errors import BulkError


def found(*sources: str, label_from: str | None = None, column: str | None = None) -> list[Item]:
    return list(find_items(sources, Files(), label_from=label_from, column=column))


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> None:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("cats/b.jpg", "cats/a.PNG", "dogs/deep/c.webp", "notes.txt", "dogs/readme"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "photos"


def test_a_folder_yields_the_images_in_it_and_below_in_order(photos: Path) -> None:
    items = found(str(photos), label_from="folder")
    assert [item.id.removeprefix(f"{photos}/") for item in items] == ["cats/a.PNG", "cats/b.jpg", "dogs/deep/c.webp"]
    assert [item.label for item in items] == ["cats", "cats", "deep"]
    assert Files().read(items[1].url) == b"cats/b.jpg"


def test_ids_are_as_the_user_names_the_folder(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos.parent)
    assert [item.id for item in found("photos/cats")] == ["photos/cats/a.PNG", "photos/cats/b.jpg"]


def test_a_link_that_leads_up_is_not_followed(photos: Path) -> None:
    (photos / "dogs/again").symlink_to(photos)
    (photos / "dogs/cats").symlink_to(photos / "cats")
    names = [item.id.removeprefix(f"{photos}/") for item in found(str(photos))]
    assert names == ["cats/a.PNG", "cats/b.jpg", "dogs/cats/a.PNG", "dogs/cats/b.jpg", "dogs/deep/c.webp"]


def test_a_pattern_and_a_single_image(photos: Path) -> None:
    assert len(found(f"{photos}/**/*.webp")) == 1
    assert [item.label for item in found(str(photos / "cats/b.jpg"))] == [None]


def test_a_list_names_paths_beside_it(photos: Path) -> None:
    (photos / "tags.tsv").write_text("cats/b.jpg\tcat\n\ndogs/deep/c.webp\tdog\r\n")
    items = found(str(photos / "tags.tsv"), label_from="label")
    assert [(item.id, item.label) for item in items] == [("cats/b.jpg", "cat"), ("dogs/deep/c.webp", "dog")]
    assert Files().read(items[1].url) == b"dogs/deep/c.webp"


def test_a_csv_with_names_of_columns(photos: Path) -> None:
    (photos / "tags.csv").write_text('Kind,Path\n"a ""big"" cat",cats/b.jpg\n', encoding="utf-8-sig")
    [item] = found(str(photos / "tags.csv"), label_from="kind")
    assert (item.id, item.label) == ("cats/b.jpg", 'a "big" cat')


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("tags.tsv", b"\tcat\n", "line 1: there is no path"),
        ("tags.tsv", b"a.jpg\n", "line 1: there is no `label`"),
        ("tags.tsv", b"\xff\xfe\n", "not in UTF-8"),
        ("images.parquet", b"no parquet", "is no Parquet file"),
        ("images.tar", b"no tar", "is no tar file"),
    ],
)
def test_files_that_are_not_what_they_are_called(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BulkError, match=says):
        found(str(tmp_path / name), label_from="label")


def test_sources_that_are_not_there_or_have_no_image(tmp_path: Path) -> None:
    with pytest.raises(BulkError, match="There is no file or folder"):
        found(str(tmp_path / "nowhere"))
    with pytest.raises(BulkError, match=r"no image in .*\.jpg"):
        found(str(tmp_path))


def test_members_of_a_tar_file_are_read_where_they_are(tmp_path: Path) -> None:
    members = {"cat/1.jpg": b"first", "cat/1.cls": b" 7\n", "cat/2.x.png": b"second!", "cat/2.cls": b"8", "notes": b""}
    write_tar(tmp_path / "shard.tar", members)
    items = found(str(tmp_path), label_from="cls")
    assert [(item.id.removeprefix(f"{tmp_path}/"), item.label) for item in items] == [
        ("shard.tar/cat/1.jpg", "7"),
        ("shard.tar/cat/2.x.png", "8"),
    ]
    contents = [Files().read(item.url, item.offset, item.offset + item.size) for item in items]
    assert contents == [b"first", b"second!"]
    assert [item.label for item in found(str(tmp_path / "shard.tar"), label_from="folder")] == ["cat", "cat"]


def test_tar_files_that_lack_labels_or_are_compressed(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"1.jpg": b"first"})
    with pytest.raises(BulkError, match=r"no `1\.cls` beside it"):
        found(str(tmp_path / "a.tar"), label_from="cls")
    write_tar(tmp_path / "b.tar", {"1.jpg": b"first"}, mode="w:gz")
    with pytest.raises(BulkError, match="compressed"):
        found(str(tmp_path / "b.tar"))


def test_a_parquet_file_of_images(tmp_path: Path) -> None:
    images = [b"zero", b"one", None, b"three", b"four"]
    table = pa.table({"image": pa.array(images, pa.binary()), "kind": ["a", "b", "a", "b", None]})
    pq.write_table(table, tmp_path / "images.parquet", row_group_size=2)
    items = found(str(tmp_path / "images.parquet"), label_from="kind")
    assert [item.label for item in items] == ["a", "b", "a", "b", None]
    assert items[3].id == f"{tmp_path}/images.parquet#3"
    reader = RowReader(Files(), None)
    assert [reader.read(item.url, item.offset) for item in (items[4], *items)] == [
        b"four",
        *(one or b"" for one in images),
    ]


def test_a_parquet_file_with_structs_as_hugging_face_writes_them(tmp_path: Path) -> None:
    table = pa.table({"photo": [{"bytes": b"zero", "path": None}, {"bytes": b"one", "path": "x"}]})
    pq.write_table(table, tmp_path / "images.parquet")
    with pytest.raises(BulkError, match="no column that looks like images; say which it is by --column: photo"):
        found(str(tmp_path / "images.parquet"))
    items = found(str(tmp_path / "images.parquet"), column="photo")
    assert [RowReader(Files(), "photo").read(item.url, item.offset) for item in items] == [b"zero", b"one"]


def test_a_parquet_file_of_paths(photos: Path) -> None:
    pq.write_table(pa.table({"path": ["cats/b.jpg", "dogs/deep/c.webp"]}), photos / "list.parquet")
    items = found(str(photos / "list.parquet"), label_from="folder")
    assert [(item.id, item.kind, item.label) for item in items] == [
        ("cats/b.jpg", "file", "cats"),
        ("dogs/deep/c.webp", "file", "deep"),
    ]
    with pytest.raises(BulkError, match="no column `kind`; its columns are path"):
        found(str(photos / "list.parquet"), label_from="kind")
