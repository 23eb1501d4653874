"""Files are written whole or not at all, and nothing is left beside them."""

from pathlib import Path

import pytest

from lastlayer.rpc.system.files import write_whole


def test_a_new_file_takes_its_place(tmp_path: Path) -> None:
    target = tmp_path / "head.npz"
    for content in (b"first", b"second"):
        with write_whole(target) as unfinished:
            unfinished.write_bytes(content)
            assert not target.exists() or target.read_bytes() != content
        assert target.read_bytes() == content
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_there_stays_where_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "head.npz"
    target.write_bytes(b"first")
    with pytest.raises(IsADirectoryError), write_whole(target) as unfinished:
        unfinished.parent.write_bytes(b"hal")
    assert target.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), write_whole(tmp_path / "none" / "head.npz"):
        pytest.fail("there is nothing to write to")
