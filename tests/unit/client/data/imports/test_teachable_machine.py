"""Projects of Teachable Machine."""

import json
import zipfile
from pathlib import Path

import pytest

from lastlayer.client import DataError, read_data
from tests.unit.client.data.imports.zips import write_zip

MANIFEST = {"type": "image", "version": "2.4.4", "appdata": {"publishResults": {}, "trainEpochs": 50}}


def write_project(path: Path, members: dict[str, str], manifest: object = MANIFEST) -> Path:
    """Write a project as Teachable Machine does, which does not pack the members."""
    return write_zip(path, {**members, "manifest.json": json.dumps(manifest)}, zipfile.ZIP_STORED)


def problem(source: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_data(source)
    [text] = caught.value.problems
    return text


def test_samples_have_the_names_of_their_classes(tmp_path: Path) -> None:
    members = {f"{label}-!-{number}.jpg": f"{label} {number}" for label in ("dog", "big cat") for number in range(11)}
    data = read_data(write_project(tmp_path / "project.tm", members))
    names = [f"{label}-!-{number}.jpg" for label in ("big cat", "dog") for number in range(11)]
    assert [example.name for example in data.examples] == names
    assert [example.label for example in data.examples] == ["big cat"] * 11 + ["dog"] * 11
    assert data.notes == ()


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("a-!-b-!-0.jpg", "a-!-b"),  # what comes last is the number
        ("cats/dogs-!-0.jpg", "cats/dogs"),
        ("Katze & Hund 🐈-!-0.png", "Katze & Hund 🐈"),
    ],
)
def test_a_class_may_have_any_name(tmp_path: Path, name: str, label: str) -> None:
    [example] = read_data(write_project(tmp_path / "project.tm", {name: ""})).examples
    assert example.label == label


def test_what_else_is_in_it_is_passed_over(tmp_path: Path) -> None:
    members = {"cat-!-0.jpg": "", "weights.bin": "", "loose.jpg": "", "cat-!-0.json": ""}
    data = read_data(write_project(tmp_path / "project.tm", members))
    assert [example.name for example in data.examples] == ["cat-!-0.jpg"]
    assert data.notes == ("3 files that are no images of a class were passed over (.bin, .jpg, .json).",)


def test_other_projects_and_empty_ones_are_refused(tmp_path: Path) -> None:
    audio = write_project(tmp_path / "audio.tm", {"noise-!-0.webm": ""}, {**MANIFEST, "type": "audio"})
    assert problem(audio) == f"`{audio}` is a Teachable Machine project of the type `audio`; `image` is accepted."
    empty = write_project(tmp_path / "empty.tm", {})
    assert problem(empty) == f"`{empty}` is a Teachable Machine project without samples; add some there first."


@pytest.mark.parametrize("manifest", [["image"], {"name": "other"}, {"type": "image"}, "x"])
def test_manifests_of_other_programs_make_no_project(tmp_path: Path, manifest: object) -> None:
    source = write_project(tmp_path / "x.zip", {"cat/1.jpg": "", "dog/1.jpg": ""}, manifest)
    assert [example.label for example in read_data(source).examples] == ["cat", "dog"]


def test_a_label_for_all_of_it_is_refused(tmp_path: Path) -> None:
    source = write_project(tmp_path / "project.tm", {"cat-!-0.jpg": ""})
    with pytest.raises(DataError, match="says the labels itself; --label goes with a zip of images of one class"):
        read_data(source, label="dog")
