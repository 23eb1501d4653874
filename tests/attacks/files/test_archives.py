"""Zip archives that `client add` and `client train` are given by a stranger."""

import gc
import os
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import psutil
import pytest

from lastlayer.client import DataError, ImageError, read_data
from lastlayer.client.data.images import MAX_IMAGE_BYTES, read_image
from tests.unit.client.data.imports.zips import write_zip

CENTRAL = 46
"""The bytes of a member in the list of members, without its name."""


def failure(source: Path) -> ImageError:
    [example] = read_data(source).examples
    with pytest.raises(ImageError) as caught:
        read_image(example.image)
    return caught.value


def refusal(source: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_data(source)
    [text] = caught.value.problems
    return text


def test_names_lead_nowhere(tmp_path: Path) -> None:
    names = (
        "../../../../{}/cat/1.jpg",
        "/{}/cat/2.jpg",
        "C:\\{}\\cat\\3.jpg",
        "./{}/../cat/4.jpg",
        "{}/cat/\x1b[2J5.jpg",
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    source = write_zip(tmp_path / "x.zip", {name.format("outside"): name for name in names})
    data = read_data(source)
    assert {read_image(example.image).decode() for example in data.examples} == set(names)
    assert all(".." not in example.name and not example.name.startswith("/") for example in data.examples)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["outside", "x.zip"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_text("secret")
    link = zipfile.ZipInfo("cat/1.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, str(tmp_path / "secret.jpg"))
    assert failure(tmp_path / "x.zip").message.endswith("cannot be read: it is a link.")


def test_what_swells_is_refused_before_it_does(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "x.zip", {"cat/1.jpg": bytes(64 * 2**20)})
    assert source.stat().st_size < 100_000
    tracemalloc.start()
    try:
        error = failure(source)
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_IMAGE_BYTES
    finally:
        tracemalloc.stop()
    assert error.reason == "FILE_TOO_LARGE"


def test_what_says_to_be_small_and_swells_is_damaged(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "x.zip", {"cat/1.jpg": bytes(64 * 2**20)})
    content = bytearray(source.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 1000)
    source.write_bytes(content)
    error = failure(source)
    assert (error.reason, "the archive is damaged" in error.message) == ("FILE_UNREADABLE", True)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """A small file would otherwise have a million photos of 32 MiB."""
    source = write_zip(tmp_path / "x.zip", {"cat/1.jpg": os.urandom(100_000)}, zipfile.ZIP_STORED)
    content = source.read_bytes()
    start = content.rindex(b"PK\x01\x02")
    end = content.rindex(b"PK\x05\x06")
    record = content[start:end]
    tail = bytearray(content[end:])
    struct.pack_into("<HHI", tail, 8, 100, 100, 100 * len(record))
    source.write_bytes(content[:start] + record * 100 + bytes(tail))
    assert refusal(source) == f"`{source}` is no sound zip archive: its members overlap."


def test_a_list_of_members_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    source = tmp_path / "x.zip"
    name = b"cat/1.jpg"
    record = b"PK\x01\x02" + bytes(24) + struct.pack("<H", len(name)) + bytes(CENTRAL - 30) + name
    count = 400_000
    size = count * len(record)
    zip64 = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, 4)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 4 + size, 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    source.write_bytes(b"PK\x03\x04" + record * count + zip64 + locator + end)
    tracemalloc.start()
    try:
        assert "its list of members is longer than 16 MiB" in refusal(source)
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def test_members_that_are_encrypted_or_packed_otherwise_fail_alone(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "x.zip", {"cat/1.jpg": "1"})
    content = bytearray(source.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    source.write_bytes(content)
    assert failure(source).message.endswith("it is encrypted.")
    other = write_zip(tmp_path / "y.zip", {"cat/1.jpg": bytes(10**6)}, zipfile.ZIP_BZIP2)
    assert failure(other).message.endswith("it is packed in another way than by deflate.")


def test_a_manifest_that_is_large_or_deep_is_refused_or_passed_over(tmp_path: Path) -> None:
    large = write_zip(tmp_path / "x.tm", {"manifest.json": b" " * (2**20 + 1), "cat-!-1.jpg": "1"})
    assert "at most 1,048,576 are read" in refusal(large)
    deep = write_zip(tmp_path / "y.tm", {"manifest.json": b"[" * 2**20, "cat/1.jpg": "1"})
    assert [example.label for example in read_data(deep).examples] == ["cat"]


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.99])
def test_archives_that_are_cut_are_refused(tmp_path: Path, cut: float) -> None:
    source = write_zip(tmp_path / "x.zip", {f"cat/{number}.jpg": os.urandom(1000) for number in range(5)})
    content = source.read_bytes()
    source.write_bytes(content[: int(len(content) * cut)])
    assert "is no sound zip archive" in refusal(source)


def test_any_byte_may_be_changed(tmp_path: Path) -> None:
    """Each member is read or fails, or the whole archive is refused: nothing else is raised."""
    members = {"manifest.json": '{"type": "image", "appdata": {}}', "cat-!-0.jpg": "0" * 50, "dog-!-0.jpg": "1" * 50}
    content = write_zip(tmp_path / "x.tm", members).read_bytes()
    outcomes = set()
    for place in range(4, len(content)):
        changed = bytearray(content)
        changed[place] ^= 0xFF
        (tmp_path / "y.tm").write_bytes(changed)
        try:
            for example in read_data(tmp_path / "y.tm").examples:
                read_image(example.image)
            outcomes.add("read")
        except DataError:
            outcomes.add("refused")
        except ImageError:
            outcomes.add("failed")
    assert outcomes == {"read", "refused", "failed"}


def test_a_file_that_is_replaced_while_it_is_read_fails(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "x.zip", {"cat/1.jpg": os.urandom(10_000)})
    [example] = read_data(source).examples
    with source.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(ImageError, match="the archive is damaged"):
        read_image(example.image)


def test_files_are_closed(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "x.zip", {"cat/1.jpg": "1"})
    examples = read_data(source).examples
    assert [read_image(example.image) for example in examples] == [b"1"]
    del examples
    gc.collect()
    assert str(source) not in [file.path for file in psutil.Process().open_files()]
