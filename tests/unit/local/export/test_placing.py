"""Files and folders come to their place whole, and never take another's place unasked."""

from pathlib import Path

import pytest

from lastlayer.featurizer.errors import ConversionError
from lastlayer.local.export.placing import placed


def write(path: Path, *, folder: bool, text: str) -> None:
    if folder:
        path.mkdir()
        path /= "saved_model.pb"
    path.write_text(text)


def read(path: Path) -> str:
    return (path / "saved_model.pb" if path.is_dir() else path).read_text()


@pytest.mark.parametrize("folder", [False, True])
def test_what_was_written_takes_its_place(tmp_path: Path, folder: bool) -> None:
    target = tmp_path / "there"
    for text in ("first", "second"):
        with placed(target, folder=folder, overwrite=text == "second") as unfinished:
            write(unfinished, folder=folder, text=text)
            assert not target.exists() or read(target) == "first"
        assert read(target) == text
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("folder", [False, True])
def test_what_is_there_stays_unless_told_otherwise(tmp_path: Path, folder: bool) -> None:
    target = tmp_path / "there"
    write(target, folder=folder, text="before")
    with (
        pytest.raises(ConversionError, match="is there already; --overwrite takes its place"),
        placed(target, folder=folder, overwrite=False),
    ):
        pytest.fail("nothing is to be written")
    assert read(target) == "before"


@pytest.mark.parametrize("folder", [False, True])
def test_what_fails_leaves_nothing_and_changes_nothing(tmp_path: Path, folder: bool) -> None:
    target = tmp_path / "there"
    write(target, folder=folder, text="before")

    def fail() -> None:
        with placed(target, folder=folder, overwrite=True) as unfinished:
            write(unfinished, folder=folder, text="half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert read(target) == "before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("folder", [False, True])
def test_what_came_meanwhile_stays(tmp_path: Path, folder: bool) -> None:
    target = tmp_path / "there"

    def come_too_late() -> None:
        with placed(target, folder=folder, overwrite=False) as unfinished:
            write(unfinished, folder=folder, text="ours")
            write(target, folder=folder, text="theirs")

    with pytest.raises(ConversionError):
        come_too_late()
    assert read(target) == "theirs"


def refusal(target: Path, *, folder: bool) -> str:
    with pytest.raises(ConversionError) as error, placed(target, folder=folder, overwrite=True):
        pytest.fail("nothing is to be written")
    return str(error.value)


def test_other_things_are_never_replaced(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "one.jpg").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(photos)
    assert refusal(photos, folder=True).startswith(f"The folder `{photos}` has other things than a SavedModel")
    assert refusal(photos, folder=False) == f"`{photos}` is a folder, and stays; name another place."
    assert refusal(tmp_path / "file", folder=True) == f"`{tmp_path}/file` is a file, and stays; name another place."
    assert refusal(tmp_path / "link", folder=True) == f"`{tmp_path}/link` is a link, and stays; name another place."
    assert "there is no folder" in refusal(tmp_path / "nowhere" / "file", folder=False)
    assert "cannot be written" in refusal(tmp_path / "null\0character", folder=False)
    assert (photos / "one.jpg").exists()


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with placed(tmp_path / "empty", folder=True, overwrite=False) as unfinished:
        write(unfinished, folder=True, text="model")
    assert read(tmp_path / "empty") == "model"
