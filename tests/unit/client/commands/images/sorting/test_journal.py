"""The journal: what is written is read again, what was not written whole is cut off, and nothing else is believed."""

import json
from pathlib import Path
from typing import Any

import pytest

from lastlayer.client.commands.images.sorting.journal import DONE, JOURNAL, SAME, UNDONE, Entry, Journal
from lastlayer.client.commands.images.sorting.sorter import check_folders
from lastlayer.client.errors import DataError, FailedPreconditionError, InvalidInputError
from tests.unit.client.commands.images.sorting.sortings import PHOTOS, SORTED, sort, take_back, tree, write_photos

ENTRY = Entry(0, "/in/\udcff.jpg", "cat/\udcff.jpg", "cat", 0.5, False, "ab" * 32, 3, 10**18)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    with Journal(tmp_path, "a") as journal:
        journal.begin_sorting("pets", 3, 0.5, move=True, made=False)
        journal.name_folder("cat", "cat", made=True)
        journal.begin(ENTRY)
        journal.end(0, DONE)
    return tmp_path


def test_what_is_written_is_read_again(written: Path) -> None:
    with Journal(written, "r") as journal:
        assert journal.header is not None
        assert (journal.header.model, journal.header.version, journal.header.threshold) == ("pets", 3, 0.5)
        assert (journal.folders, journal.made, bytes(journal.states)) == ({"cat": "cat"}, ["cat"], bytes([DONE]))
        assert list(journal.entries(DONE)) == [ENTRY]
        assert list(journal.entries(SAME, UNDONE)) == []


@pytest.mark.parametrize("torn", [b"{", b'{"undone": 0}', b"\0\0\0"])
def test_a_line_that_is_not_whole_is_cut_off(written: Path, torn: bytes) -> None:
    path = written / JOURNAL
    before = path.read_bytes()
    path.write_bytes(before + torn)
    with Journal(written, "r") as journal:
        assert list(journal.entries(DONE)) == [ENTRY]
    assert path.read_bytes() == before + torn
    with Journal(written, "r+") as journal:
        journal.end(0, UNDONE)
    assert path.read_bytes() == before + b'{"undone": 0}\n'


def line(**changes: Any) -> bytes:
    entry = {
        "number": 1, "source": "/in/b.jpg", "target": "cat/b.jpg", "label": "cat", "probability": 1, "rejected": False,
        "sha256": "00", "size": 1, "mtime_ns": 1, "same": False,
    }  # fmt: skip
    return json.dumps({**entry, **changes}).encode()


@pytest.mark.parametrize(
    "hostile",
    [
        b"[]",
        b"no JSON",
        b"\xff",
        b'{"done": 7}',
        b'{"done": -1}',
        b'{"exploded": 0}',
        b'{"folder": "../x", "label": "cat", "made": true}',
        b'{"scores": "/etc/passwd", "sha256": ""}',
        line(number=5),
        line(target="../../x.jpg"),
        line(target="cat/../x.jpg"),
        line(target="x.jpg/"),
        line(target="x.jpg"),
        line(size="1"),
        line(extra=1),
    ],
)
def test_a_line_that_is_none_of_ours_is_refused(written: Path, hostile: bytes) -> None:
    path = written / JOURNAL
    path.write_bytes(path.read_bytes() + hostile + b"\n" + line() + b"\n")
    with pytest.raises(DataError, match=r"line 5, is no line of a journal of `client sort`"):
        Journal(written, "r+")


def test_that_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text('{"format": 2}\n')
    with pytest.raises(DataError, match="newer release"):
        Journal(tmp_path, "r")


def test_two_do_not_sort_into_one_folder(written: Path) -> None:
    with Journal(written, "r+"), pytest.raises(InvalidInputError, match="Another `client sort` is at work in"):
        Journal(written, "a")
    with Journal(written, "a"):
        pass


def test_one_that_has_no_line_yet_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b'{"form')
    assert take_back(tmp_path).count == 0
    assert tree(tmp_path) == {}


def test_a_sorting_goes_on_in_its_own_way_only(tmp_path: Path) -> None:
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    write_photos(inbox)
    sort(inbox, out)
    for other in ({"version": 2}, {"move": True}):
        with pytest.raises(
            FailedPreconditionError, match=r"to go on, give --model pets --version 1, or take them back"
        ):
            sort(inbox, out, **other)
    assert tree(inbox) == PHOTOS
    assert SORTED.items() <= tree(out).items()


def test_a_folder_that_became_a_link_is_not_written_through(tmp_path: Path) -> None:
    inbox, out, elsewhere = tmp_path / "inbox", tmp_path / "out", tmp_path / "elsewhere"
    write_photos(inbox)
    sort(inbox, out)
    (out / "cat").rename(elsewhere)
    (out / "cat").symlink_to(elsewhere)
    before = tree(elsewhere)
    (inbox / "new.jpg").write_text("cat-3")
    with pytest.raises(InvalidInputError, match="is no folder any more"):
        sort(inbox, out)
    assert tree(elsewhere) == before


def test_folders_within_each_other(tmp_path: Path) -> None:
    root = str(tmp_path / "photos" / "inbox")
    assert check_folders(root, tmp_path / "photos") == ["inbox"]
    assert check_folders(root, tmp_path / "other") == []
    assert check_folders(root, Path(root) / "sorted") == []
    with pytest.raises(InvalidInputError, match="is the folder with the photos itself"):
        check_folders(root, Path(root) / "x" / "..")


def test_photos_are_sorted_into_the_folder_around_them(tmp_path: Path) -> None:
    out = tmp_path / "cat"  # where a class is called like the folder with the photos
    inbox = out / "cat"
    write_photos(inbox)
    before = tree(tmp_path)
    sort(inbox, out, move=True)
    take_back(out)
    assert tree(tmp_path) == before
