"""What is found in a folder, and photos that change while they are sorted."""

import os
from pathlib import Path

import pytest

from lastlayer.client.commands.images.sorting.journal import JOURNAL, Journal
from lastlayer.client.commands.images.sorting.photos import Photo, scan
from lastlayer.client.commands.images.sorting.sorter import Preview, Sorter, Wanted
from lastlayer.client.data.images import MAX_IMAGE_BYTES
from lastlayer.client.errors import DataError, ImageError, ServerError
from lastlayer.client.results.predictions import LabelScore, Prediction
from tests.unit.client.commands.images.sorting.sortings import take_back, tree

CAT = Prediction("x", (LabelScore("cat", 0.75),), "pets", 1)


def test_links_are_not_followed_and_sorted_folders_not_sorted_again(tmp_path: Path) -> None:
    inbox, out, elsewhere = tmp_path / "inbox", tmp_path / "inbox" / "b" / "out", tmp_path / "elsewhere"
    for name in ("inbox/z.jpg", "inbox/b/a.JPEG", "inbox/b/out/cat/c.jpg", "inbox/old/cat/d.jpg", "elsewhere/e.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("cat")
    (inbox / "old" / JOURNAL).touch()
    (inbox / "to-folder").symlink_to(elsewhere)
    (inbox / "around").symlink_to(inbox)
    (inbox / "b" / "to-file.jpg").symlink_to(elsewhere / "e.jpg")
    (inbox / "b" / "broken.jpg").symlink_to("nowhere")
    os.mkfifo(inbox / "pipe.jpg")
    found = scan(str(inbox), str(out))
    assert found.photos == ["z.jpg", "b/a.JPEG"]
    assert sorted(found.links) == ["around", "b/broken.jpg", "b/to-file.jpg", "to-folder"]
    assert (found.others, found.sorted_already) == (["pipe.jpg"], ["old"])
    assert scan(str(tmp_path / "inbox" / "around"), str(out)).photos == found.photos  # the folder itself may be a link


def test_a_folder_below_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").touch()
    real = os.scandir

    def scandir(path: str) -> object:
        if path.rstrip("/").endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = scan(str(tmp_path), str(tmp_path / "out"))
    assert (found.photos, found.unreadable) == (["b/x.jpg"], [("a", "Permission denied")])
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        scan(str(tmp_path / "a"), str(tmp_path / "out"))


def test_a_photo_that_cannot_be_sent(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("secret")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES + 1)
    for name, why in (
        ("link.jpg", "cannot be read"),
        ("pipe.jpg", "it is no file any more"),
        ("gone.jpg", "No such file"),
        ("large.jpg", "larger than"),
    ):
        with pytest.raises(ImageError, match=why):
            Photo(str(tmp_path), name).open_bytes()


@pytest.mark.parametrize("move", [False, True], ids=["copy", "move"])
@pytest.mark.parametrize("change", ["other", "longer than before", "link", "gone"])
def test_a_photo_that_changes_meanwhile_is_left(tmp_path: Path, move: bool, change: str) -> None:
    """What was predicted is what is sorted, or nothing is."""
    out, source = tmp_path / "out", tmp_path / "in" / "a.jpg"
    source.parent.mkdir()
    out.mkdir()
    source.write_text("cat-1")
    (tmp_path / "secret").write_text("cat-1")
    photo = Photo(str(source.parent), "a.jpg")
    photo.open_bytes()
    source.unlink()
    if change == "link":
        source.symlink_to(tmp_path / "secret")
    elif change != "gone":
        source.write_text(change)
    before = tree(source.parent)
    with Journal(out, "a") as journal:
        sorter = Sorter(out, journal, Wanted("pets", 1, ("cat",), None, move), (), made=False)
        with pytest.raises(ImageError, match="The image is left where it is: it "):
            sorter.sort(photo, CAT)
        with pytest.raises(ServerError, match="no class of the model"):
            sorter.sort(photo, Prediction("x", (LabelScore("../cow", 1.0),), "pets", 1))
    assert tree(source.parent) == before
    assert [*tree(out)] == [JOURNAL]
    assert (tmp_path / "secret").read_text() == "cat-1"
    assert take_back(out).left == []


def test_names_that_are_taken_many_times_over_take_no_long_search(tmp_path: Path) -> None:
    preview = Preview(tmp_path, None, Wanted("pets", 1, ("cat",), None, False), ())
    targets = set()
    for number in range(3000):
        photo = Photo("/inbox", f"{number}/a.jpg")
        photo.sha256, photo.size = f"{number:064}", 1
        targets.add(preview.sort(photo, CAT).path)
    assert len(targets) == 3000
    assert {"cat/a.jpg", "cat/a-3000.jpg"} <= targets
    again = Photo("/inbox", "again/a.jpg")
    again.sha256, again.size = f"{7:064}", 1
    assert preview.sort(again, CAT).same
