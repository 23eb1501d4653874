"""A folder that is not what was meant: it is named before anything is sent, and leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lastlayer.client.commands.interface import questions
from tests.integration.client.conftest import Photos, Run
from tests.integration.client.fake_classifier import FakeClassifier


@pytest.fixture(params=["train", "add", "evaluate"])
def command(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def splits(photos: Photos) -> Path:
    """A data set in two parts, each with a folder for each class."""
    root = photos.folder.parent / "pets"
    for part in ("Train", "test"):
        for label in ("cat", "dog"):
            (root / part / label).mkdir(parents=True)
            (root / part / label / "1.jpg").write_text(f"{label}-{part}")
    return root


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets the command ask, as at a terminal; what is answered is on standard input."""
    return lambda: monkeypatch.setattr(questions, "can_ask", lambda: True)


def test_the_folder_above_the_classes(run: Run, photos: Photos, fake: FakeClassifier, command: str) -> None:
    above = photos.folder.parent / "my"
    above.mkdir()
    photos.folder.rename(above / "photos")
    (above / "notes").mkdir()
    result = run(command, above)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: `{above}` has one folder with images, `photos`, and has them in further folders in it (cat, dog)."
        f" Where these are the classes, give {above / 'photos'}; where all images show the same, add --label photos.\n"
    )
    assert fake.calls == []


def test_the_right_folder_after_the_wrong_one(run: Run, photos: Photos, fake: FakeClassifier) -> None:
    assert run("train", photos.folder.parent).exit_code == 2
    assert run("train", photos.folder).exit_code == 0
    assert sorted(fake.store.values()) == [["cat"], ["cat"], ["dog"], ["dog"]]


def test_a_folder_deeper_in_one_of_several_classes(run: Run, photos: Photos, fake: FakeClassifier) -> None:
    (photos.folder / "cat" / "2024").mkdir()
    (photos.folder / "cat" / "cat0.jpg").rename(photos.folder / "cat" / "2024" / "cat0.jpg")
    assert run("add", photos.folder).exit_code == 0
    assert sorted(fake.store.values()) == [["cat"], ["cat"], ["dog"], ["dog"]]


def test_a_folder_of_all_sorts(run: Run, photos: Photos, fake: FakeClassifier, command: str) -> None:
    for name in ("bin", "docs", "src"):
        (photos.folder / name / "deeper").mkdir(parents=True)
        (photos.folder / name / "deeper" / "notes.txt").touch()
    result = run(command, photos.folder)
    assert (result.exit_code, fake.calls) == (2, [])
    assert result.stderr == (
        f"Error: `{photos.folder}` has more folders with other files (3: bin, docs, src) than with images (2); give a"
        " folder that has only those of your classes in it.\n"
    )


def test_classes_that_are_still_empty_are_told_up_to_ten(run: Run, photos: Photos, fake: FakeClassifier) -> None:
    for number in range(30):
        (photos.folder / f"class{number:02}").mkdir()
    result = run("train", photos.folder)
    notes = [line for line in result.stderr.splitlines() if line.startswith("Note: ") and "on disk" not in line]
    assert (result.exit_code, len(notes), notes[-1]) == (0, 11, "Note: 20 more like these.")


def test_the_parts_of_a_data_set_are_no_classes(run: Run, splits: Path, fake: FakeClassifier, command: str) -> None:
    result = run(command, splits)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: `{splits}` has the folders Train and test, which are parts of a data set and no classes: train on"
        f" {splits / 'Train'}, and evaluate on {splits / 'test'}.\n"
    )
    assert fake.calls == []


@pytest.mark.parametrize(("command", "part"), [("train", "Train"), ("evaluate", "test")])
def test_at_a_terminal_the_part_is_asked_about(
    run: Run, splits: Path, fake: FakeClassifier, answer: Callable[[], None], command: str, part: str
) -> None:
    answer()
    refused = run(command, splits, stdin=b"n\n")
    assert (refused.exit_code, refused.stderr.splitlines()[-1], fake.calls) == (2, "Nothing was done.", [])
    result = run(command, splits, stdin=b"y\n")
    assert result.exit_code == 0, result.stderr
    assert f"Use {splits / part}? [y/N]" in result.stderr
    method = "AddExamples" if command == "train" else "Evaluate"
    assert {example.id for message in fake.messages(method) for example in message.examples} == {
        "cat/1.jpg",
        "dog/1.jpg",
    }


def test_a_class_may_be_called_train(run: Run, photos: Photos, fake: FakeClassifier) -> None:
    (photos.folder / "cat").rename(photos.folder / "train")
    assert run("add", photos.folder).exit_code == 0
    assert ["train"] in fake.store.values()


class TestLabel:
    def test_a_folder_of_images_is_offered_a_label(
        self, run: Run, photos: Photos, fake: FakeClassifier, command: str
    ) -> None:
        result = run(command, photos.folder / "cat")
        assert result.exit_code == 2
        assert f"say what: {photos.folder / 'cat'} --label cat." in result.stderr
        assert fake.calls == []

    def test_a_folder_of_images(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        (photos.folder / "cat" / "notes.txt").write_text("")
        result = run("add", photos.folder / "cat", "--label", "tulip")
        assert (result.exit_code, list(fake.store.values())) == (0, [["tulip"], ["tulip"]])
        assert sorted(fake.names.values()) == ["cat0.jpg", "cat1.jpg"]
        assert "1 file that is no image of a class was passed over (.txt)" in result.stderr

    def test_all_images_however_deep(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        assert run("add", photos.folder, "--label", "pet").exit_code == 0
        assert list(fake.store.values()) == [["pet"]] * 4

    def test_one_image(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        image = photos.folder / "cat" / "cat0.jpg"
        assert "say what it shows with --label" in run("add", image).stderr
        assert run("add", image, "--label", "fox").exit_code == 0
        assert list(fake.store.values()) == [["fox"]]

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (["tags.tsv", "--label", "cat"], "says the labels itself"),
            (["none", "--label", "cat"], "There is no file or folder"),
            (["empty", "--label", "cat"], "holds no images"),
            (["photos", "--label", "a\tb"], "has a control character"),
            (["photos", "--label", " "], "the label is empty"),
        ],
    )
    def test_what_does_not_go_with_it(
        self, run: Run, photos: Photos, fake: FakeClassifier, arguments: list[str], problem: str
    ) -> None:
        root = photos.folder.parent
        (root / "empty").mkdir()
        result = run("add", root / arguments[0], *arguments[1:])
        assert (result.exit_code, problem in result.stderr, fake.calls) == (2, True, [])

    def test_it_goes_with_data(self, run: Run) -> None:
        result = run("train", "--label", "cat")
        assert (result.exit_code, "--label goes with DATA" in result.stderr) == (2, True)
