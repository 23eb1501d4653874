"""Zip archives of classes, in all the forms that people make them."""

from pathlib import Path

import pytest

from lastlayer.client import DataError, read_data
from lastlayer.client.data.images import read_image
from tests.unit.client.data.imports.zips import write_zip


def pairs(source: Path, label: str = "") -> list[tuple[str, str]]:
    return [(example.name, example.label) for example in read_data(source, label=label).examples]


def problem(source: Path, images: Path | None = None, label: str = "") -> str:
    with pytest.raises(DataError) as caught:
        read_data(source, images, label=label)
    [text] = caught.value.problems
    return text


def test_a_folder_in_it_is_a_class(tmp_path: Path) -> None:
    members = {"dog/2.jpg": "dog 2", "cat/1.jpg": "cat 1", "dog/old/10.png": "dog 10", "cat/ä ö.JPG": "cat ä"}
    data = read_data(write_zip(tmp_path / "photos.zip", members))
    assert [(example.name, example.label) for example in data.examples] == [
        ("cat/1.jpg", "cat"),
        ("cat/ä ö.JPG", "cat"),
        ("dog/2.jpg", "dog"),
        ("dog/old/10.png", "dog"),
    ]
    assert data.notes == ()
    # Each is read twice: for its sha256, and where the server lacks it.
    for _ in range(2):
        contents = [read_image(example.image) for example in data.examples]
        assert contents == [b"cat 1", "cat ä".encode(), b"dog 2", b"dog 10"]


@pytest.mark.parametrize("name", ["photos.zip", "photos.ZIP", "photos"])
def test_it_is_told_by_how_it_begins(tmp_path: Path, name: str) -> None:
    assert pairs(write_zip(tmp_path / name, {"cat/1.jpg": "1"})) == [("cat/1.jpg", "cat")]


def test_folders_that_all_is_in_are_no_classes(tmp_path: Path) -> None:
    members = {"my/photos/": "", "my/photos/cat/1.jpg": "1", "my/photos/dog/1.jpg": "2", "my/photos/loose.jpg": "3"}
    data = read_data(write_zip(tmp_path / "x.zip", members))
    assert [(example.name, example.label) for example in data.examples] == [("cat/1.jpg", "cat"), ("dog/1.jpg", "dog")]
    assert data.notes == ("1 file that is no image of a class was passed over (.jpg).",)


def test_what_is_no_image_is_counted_and_what_is_hidden_is_not(tmp_path: Path) -> None:
    members = {
        "cat/1.jpg": "1",
        "cat/notes.txt": "",
        "bird/": "",
        "__MACOSX/cat/._1.jpg": "",
        ".DS_Store": "",
        "cat/.thumb.jpg": "",
    }
    source = write_zip(tmp_path / "x.zip", members)
    assert read_data(source).notes == (
        f"The folder bird in {source} holds no images.",
        "1 file that is no image of a class was passed over (.txt).",
    )


def test_with_a_label_all_images_have_it(tmp_path: Path) -> None:
    """Such as the samples of one class that Teachable Machine downloads."""
    source = write_zip(tmp_path / "Class 1-samples.zip", {"0.jpg": "0", "1.jpg": "1", "readme.txt": "", "x/2.png": ""})
    assert pairs(source, " cat ") == [("0.jpg", "cat"), ("1.jpg", "cat"), ("x/2.png", "cat")]
    assert read_data(source, label="cat").notes == ("1 file that is no image of a class was passed over (.txt).",)


def test_labels_are_trimmed_and_checked(tmp_path: Path) -> None:
    data = read_data(write_zip(tmp_path / "x.zip", {" cat /1.jpg": "1"}))
    assert (data.examples[0].label, data.trimmed) == ("cat", 1)
    text = problem(write_zip(tmp_path / "y.zip", {"c\tat/1.jpg": "1", "c\tat/2.jpg": "1"}))
    assert (
        text
        == f"`{tmp_path / 'y.zip'}`, label `c\tat`: the label has a control character, such as a line break or a tab."
    )


def test_what_says_no_classes_is_refused(tmp_path: Path) -> None:
    flat = write_zip(tmp_path / "flat.zip", {"1.jpg": "1"})
    assert "has its images in no folder" in problem(flat)
    assert "--label cat" in problem(flat)
    splits = write_zip(tmp_path / "splits.zip", {"d/test/cat/1.jpg": "1", "d/train/cat/1.jpg": "1"})
    assert "has the folders train and test, which are parts of a data set" in problem(splits)
    empty = write_zip(tmp_path / "empty.zip", {})
    assert problem(empty) == f"`{empty}` is a zip archive without images."
    assert "holds no images" in problem(empty, label="cat")
    assert "--images goes with a TSV, CSV or JSON file" in problem(flat, tmp_path)
    assert "--label goes with a folder of images" in problem(flat, tmp_path, label="cat")
