"""Sources of `featurizer embed` that are hostile: archives, Parquet files and lists that say what they are not."""

import csv
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lastlayer.featurizer.bulk.embedder import _Reader
from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.bulk.output import Output
from lastlayer.featurizer.bulk.plan import Run, write_plan
from lastlayer.featurizer.bulk.sources.finding import find_items
from lastlayer.featurizer.errors import BulkError

TIB = 2**40
MIB = 2**20


def found(source: Path, label_from: str | None = None) -> list[Item]:
    return list(find_items([str(source)], Files(), label_from=label_from, column=None))


def read(items: Sequence[Item]) -> list[bytes | str]:
    reader = _Reader(Files(), None)
    return [reader.read(item) for item in items]


def head(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """Return the header of a member of a tar file."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info.tobuf(tarfile.GNU_FORMAT)


def negative() -> bytes:
    """Return the header of a member that says to have fewer bytes than none."""
    content = bytearray(head("a.jpg"))
    content[124:136] = b"\xff" * 10 + b"\xfc\x00"
    content[148:156] = b" " * 8
    content[148:155] = b"%06o\0" % sum(content)
    return bytes(content)


def test_names_and_links_in_a_tar_file_lead_nowhere(tmp_path: Path) -> None:
    source = tmp_path / "photos.tar"
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    links = (head("s.jpg", 0, kind, str(secret)) for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE))
    names = (head(name, 3) + b"abc" + bytes(509) for name in ("../../secret.jpg", str(secret)))
    source.write_bytes(b"".join([*links, *names]) + bytes(1024))
    assert read(found(source, "folder")) == [b"abc", b"abc"]


@pytest.mark.parametrize("label_from", [None, "folder", "cls"])
@pytest.mark.parametrize(
    "header",
    [
        head("a.jpg", TIB),
        head("a.jpg", TIB, tarfile.XHDTYPE),
        head("a.jpg", TIB, tarfile.GNUTYPE_LONGNAME),
        head("a.jpg", 2**62, tarfile.GNUTYPE_LONGLINK),
        negative(),
    ],
    ids=["member", "attributes", "name", "link", "negative"],
)
def test_sizes_that_a_tar_file_says_take_no_memory(tmp_path: Path, header: bytes, label_from: str | None) -> None:
    source = tmp_path / "photos.tar"
    source.write_bytes(header + bytes(2048))
    with pytest.raises(BulkError, match="is no tar file that can be read"):
        found(source, label_from)


def test_a_sample_of_very_many_members_is_refused_where_they_are_looked_through(tmp_path: Path) -> None:
    source = tmp_path / "photos.tar"
    source.write_bytes(head("a.jpg") * 10_001 + bytes(1024))
    assert sum(1 for _ in find_items([str(source)], Files(), label_from=None, column=None)) == 10_001
    with pytest.raises(BulkError, match="has more than 10,000 members"):
        found(source, "cls")


def repeated(path: Path, value: bytes | str, rows: int, column: str) -> None:
    """Write a Parquet file of one value that all rows mean, which does not say that it is a dictionary."""
    values = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))
    pq.write_table(pa.table({column: values}), path, compression="zstd", store_schema=False)


def test_an_image_that_all_rows_of_a_parquet_file_mean_is_read_once(tmp_path: Path) -> None:
    source = tmp_path / "bomb.parquet"
    repeated(source, bytes(16 * MIB), 4_096, "image")  # 64 GiB, were it written out
    assert source.stat().st_size < MIB
    items = found(source)
    assert len(items) == 4_096
    before = pa.total_allocated_bytes()
    assert read(items[:2]) == [bytes(16 * MIB)] * 2
    assert pa.total_allocated_bytes() - before < 64 * MIB


@pytest.mark.parametrize("column", ["path", "label"])
def test_a_text_that_all_rows_of_a_parquet_file_mean_is_refused(tmp_path: Path, column: str) -> None:
    source = tmp_path / "bomb.parquet"
    repeated(source, "a" * (16 * MIB), 4_096, column)
    if column == "label":
        table = pq.read_table(source, read_dictionary=["label"])
        pq.write_table(table.append_column("image", pa.array([b"a"] * 4_096)), source, store_schema=False)
    with pytest.raises(BulkError, match="a path or a label has 16,777,216 bytes"):
        found(source, "label" if column == "label" else None)


def test_images_of_a_parquet_file_that_are_too_large_are_rows_with_the_reason(tmp_path: Path) -> None:
    source = tmp_path / "large.parquet"
    images = pa.array([bytes(33 * MIB), b"a", None], pa.binary())
    pq.write_table(pa.table({"image": images}), source, compression="zstd", use_dictionary=False)
    large, small, none = read(found(source))
    assert str(large).startswith("IMAGE_TOO_LARGE")
    assert (small, none) == (b"a", b"")


def test_row_groups_that_swell_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastlayer.featurizer.bulk.sources.parquet._MAX_GROUP_BYTES", MIB)
    source = tmp_path / "bomb.parquet"
    table = pa.table({"image": [{"bytes": bytes(MIB)}, {"bytes": bytes(MIB)}]})
    pq.write_table(table, source, compression="zstd", use_dictionary=False)
    assert source.stat().st_size < MIB // 8
    with pytest.raises(BulkError, match="the images of a row group take"):
        read(found(source))


@pytest.mark.parametrize(
    "values",
    [pa.array([1, 2]), pa.array([[1], [2]]), pa.array([{"bytes": 1}]), pa.array([{"x": b"1"}])],
    ids=["integers", "lists", "struct of an integer", "struct without bytes"],
)
def test_columns_that_hold_no_images_are_refused(tmp_path: Path, values: pa.Array) -> None:
    source = tmp_path / "odd.parquet"
    pq.write_table(pa.table({"image": values}), source)
    with pytest.raises(BulkError, match="the column `image` has"):
        found(source)


def test_a_damaged_page_is_said(tmp_path: Path) -> None:
    source = tmp_path / "damaged.parquet"
    pq.write_table(pa.table({"image": [b"abc" * 100]}), source, compression="NONE", use_dictionary=False)
    content = bytearray(source.read_bytes())
    content[4:40] = b"\xff" * 36
    source.write_bytes(content)
    with pytest.raises(BulkError, match="is no Parquet file that can be read"):
        read(found(source))


def test_a_line_of_a_list_that_does_not_end_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "list.tsv"
    with source.open("wb") as file:
        file.truncate(2 * 2**30)  # takes no room on the disk, and would take 2 GiB of memory
    with pytest.raises(BulkError, match="line 1: it has more than 131,072 characters"):
        found(source)


@pytest.mark.parametrize("name", ["a\0.jpg", "a" * 1000 + ".jpg"], ids=["NUL", "long"])
def test_paths_that_no_file_can_have_are_rows_with_the_reason(tmp_path: Path, name: str) -> None:
    source = tmp_path / "list.tsv"
    source.write_text(f"{name}\tx\n")
    [error] = read(found(source))
    assert str(error).startswith("NOT_FOUND")


def test_names_do_not_control_the_terminal_that_shows_what_failed(tmp_path: Path) -> None:
    output = Output(str(tmp_path), Files())
    table = pa.table({"id": ["a\x1b[2J\n.jpg"], "error": ["NOT_FOUND: There is no file `a\x1b[2J\n.jpg`."]})
    output.finish({}, [output.commit(0, table.append_column("label", pa.array(["x"])), 1)])
    text = (tmp_path / "_failed.tsv").read_text()
    assert "\x1b" not in text
    assert [line[0] for line in csv.reader(text.splitlines(), delimiter="\t")] == ["id", "a\\x1b[2J\\n.jpg"]


def test_names_that_are_not_in_utf8_are_said_or_shown_as_escapes(tmp_path: Path) -> None:
    run = Run(("photos",), None, None, 10, ("tap",), "float32", "tiny", "", "tensorflow", "float32")
    source = tmp_path / "photos.tar"
    source.write_bytes(head(os.fsdecode(b"\xff.jpg"), 3) + b"abc" + bytes(509) + bytes(1024))
    [item] = found(source)
    assert item.id == f"{source}/\\udcff.jpg"
    write_plan(str(tmp_path / "plan"), Files(), run, [item])
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / os.fsdecode(b"\xff.jpg")).write_bytes(b"abc")
    with pytest.raises(BulkError, match=r"\\udcff.jpg` is not in UTF-8"):
        write_plan(str(tmp_path / "plan"), Files(), run, found(folder))
