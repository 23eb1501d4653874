"""What Azure Custom Vision's training API says of its images, with the images beside it."""

import json
from pathlib import Path
from typing import Any

import pytest

from lastlayer.client import DataError, read_data

IDS = [f"{number:08x}-0ba3-40a0-b33f-a46d39feb3ee" for number in range(10)]


def image(number: int, *tags: str, **more: Any) -> dict[str, Any]:
    """An image as GetTaggedImages answers it."""
    return {
        "id": IDS[number],
        "created": "2019-06-19T23:02:39.8757957Z",
        "width": 1555,
        "height": 900,
        "resizedImageUri": f"https://x.example/i-{number}?sig=x",
        "thumbnailUri": f"https://x.example/t-{number}?sig=x",
        "originalImageUri": f"https://x.example/o-{number}?sig=x",
        "tags": [{"tagId": "8b2ada4d-1d0f-4b07-af19-dfd643043e1f", "tagName": tag, "created": "x"} for tag in tags],
        **more,
    }


def region(tag: str) -> dict[str, Any]:
    return {"regionId": "x", "tagName": tag, "tagId": "x", "left": 0.1, "top": 0.1, "width": 0.5, "height": 0.5}


def write(folder: Path, images: Any, files: tuple[str, ...] = ()) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    source = folder / "images.json"
    source.write_text(images if isinstance(images, str) else json.dumps(images))
    return source


def problem(source: Path, images: Path | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read_data(source, images)
    [text] = caught.value.problems
    return text


def test_tags_are_labels_and_files_are_found_by_the_ids(tmp_path: Path) -> None:
    files = (f"{IDS[0]}.jpg", f"images/{IDS[1].upper()}.PNG", f"images/{IDS[2].replace('-', '')}", "images/other.jpg")
    source = write(tmp_path, [image(0, "dog"), image(1, "cat"), image(2, "dog")], files)
    data = read_data(source)
    assert [(example.image, example.label, example.name) for example in data.examples] == [
        (tmp_path / files[1], "cat", files[1]),
        (tmp_path / files[0], "dog", files[0]),
        (tmp_path / files[2], "dog", files[2]),
    ]
    assert data.notes == ()


def test_the_images_may_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / f"{IDS[0]}.jpg").touch()
    source = write(tmp_path / "photos", [image(0, "dog")]).rename(tmp_path / "images.json")
    [example] = read_data(source, tmp_path / "photos").examples
    assert example.name == f"{IDS[0]}.jpg"
    (tmp_path / "none").mkdir()
    assert problem(source, tmp_path / "none") == (
        f"No tagged image of `{source}` is in `{tmp_path / 'none'}`, where files called like the ids are looked for,"
        f" such as {IDS[0]}.jpg. Fetch them from each `originalImageUri` first, or name their folder with --images."
    )


def test_what_a_model_cannot_be_trained_on_is_told(tmp_path: Path) -> None:
    images = [image(0, "dog"), image(1), image(2, "cat", "dog"), image(3, "cat"), image(4, "cat"), image(5, tags=None)]
    data = read_data(write(tmp_path, images, (f"{IDS[0]}.jpg", f"{IDS[2]}.jpg")))
    assert [example.label for example in data.examples] == ["dog"]
    assert data.notes == (
        f"2 images have no tag; passed over: {IDS[1]}, {IDS[5]}.",
        f"1 image has several tags, of which a model gives one; passed over: {IDS[2]}.",
        f"2 images have no files in {tmp_path}; passed over: {IDS[3]}, {IDS[4]}.",
    )


def test_regions_tag_the_whole_image(tmp_path: Path) -> None:
    images = [
        image(0, "dog", regions=[region("dog"), region("dog")]),
        image(1, regions=[region("cat")]),
        image(2, "dog", regions=[region("dog"), region("cat")]),
        image(3, "cat", regions=None),
    ]
    data = read_data(write(tmp_path, images, tuple(f"{IDS[number]}.jpg" for number in range(4))))
    assert [example.label for example in data.examples] == ["cat", "cat", "dog"]
    assert data.notes == (
        f"1 image has several tags, of which a model gives one; passed over: {IDS[2]}.",
        "2 images are tagged by regions: the tag is taken for the whole image.",
    )


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert problem(tmp_path / "none.json") == f"There is no file or folder `{tmp_path / 'none.json'}`."


@pytest.mark.parametrize(
    ("images", "text"),
    [
        ("{", "is no JSON that can be read"),
        ("[" * 100_000, "is no JSON that can be read"),
        (b"\xff\xfe".decode("latin-1"), "is no JSON that can be read"),
        ("[" + "{}," * 5_000_000 + "{}]", "has more than 10,000,000 values; give the images in several files"),
        ({"id": "x"}, "is no list of images with `id` and `tags`"),
        ([1], "is no list of images"),
        ([{"name": "x"}], "is no list of images"),
        ([image(0, "dog", id="../../etc/passwd")], "image 0 has no `id` as Custom Vision gives them"),
        ([image(0, "dog", id=7)], "image 0 has no `id` as Custom Vision gives them"),
        ([image(0, tags="dog")], f"image {IDS[0]}: `tags` is no list of tags"),
        ([image(0, tags=["dog"])], f"image {IDS[0]}: `tags` is no list of tags"),
        # As what creates images answers.
        ([image(0, tags=[{"tagId": "x", "tagName": None}])], f"image {IDS[0]}: a tag has no `tagName`"),
        ([], "has no image with one tag"),
        ([image(0)], "has no image with one tag"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, images: Any, text: str) -> None:
    assert text in problem(write(tmp_path, images, (f"{IDS[0]}.jpg",)))
