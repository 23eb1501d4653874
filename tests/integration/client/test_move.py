"""`client move`, against a scripted classifier: what is sent, what is found under another name, what is not found."""

import hashlib
import json
from pathlib import Path

import pytest

from lastlayer.classifier.domain.errors import FeaturizerUnavailableError
from lastlayer.client import Client
from lastlayer.client.data.images import LabelledImage
from lastlayer.client.data.search import ImageSearch
from tests.integration.client.conftest import Photos, Run
from tests.integration.client.fake_classifier import FakeClassifier
from tests.integration.client.fake_classifier.scripted import served_backbone


def sha256(content: str) -> bytes:
    return hashlib.sha256(content.encode()).digest()


def sent(fake: FakeClassifier) -> list[str]:
    """Return the contents that were sent, in order."""
    messages = fake.messages("AddExamples")
    return [example.content.decode() for message in messages for example in message.examples if example.content]


@pytest.fixture
def filled(fake: FakeClassifier, run: Run, photos: Photos) -> FakeClassifier:
    """A dataset whose images have features of another network than the one that is served now."""
    assert run("add", photos.folder).exit_code == 0
    fake.stale = set(fake.store)
    fake.calls.clear()
    return fake


def test_images_are_found_by_their_content_and_sent_again(
    filled: FakeClassifier, run: Run, photos: Photos, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    for number, file in enumerate(sorted(photos.folder.rglob("*.jpg"))):
        file.rename(elsewhere / f"{9 - number}.jpeg")
    before = dict(filled.store)
    done = run("move", "default", tmp_path / "elsewhere")
    assert done.exit_code == 0, done.output
    assert done.stdout == "Dataset default: 4 images have features of tiny now, 4 sent, 0 there before\n"
    assert sorted(sent(filled)) == ["cat-0", "cat-1", "dog-0", "dog-1"]
    assert filled.store == before
    assert not filled.stale


def test_only_what_is_missing_is_sent(filled: FakeClassifier, run: Run, photos: Photos) -> None:
    filled.stale = {sha256("dog-1")}
    done = run("move", "default", photos.folder)
    assert done.stdout == "Dataset default: 4 images have features of tiny now, 1 sent, 3 there before\n"
    assert sent(filled) == ["dog-1"]
    again = run("move", "default", photos.folder)
    assert again.stdout == "Dataset default: 4 images have features of tiny now, 0 sent, 4 there before\n"
    assert sent(filled) == ["dog-1"]


def test_a_move_that_broke_off_goes_on(filled: FakeClassifier, run: Run, photos: Photos) -> None:
    filled.break_after["AddExamples"] = [1, None]
    assert run("move", "default", photos.folder).exit_code == 0
    assert filled.count("AddExamples") == 2
    assert not filled.stale


def test_what_cannot_be_found_is_said(filled: FakeClassifier, run: Run, photos: Photos) -> None:
    (photos.folder / "cat" / "cat1.jpg").unlink()
    done = run("move", "default", photos.folder)
    assert done.exit_code == 1
    assert f"Failed: cat/cat1.jpg ({sha256('cat-1').hex()[:12]}) cannot be found.\n" in done.stderr
    assert f"1 image is in none of the folders that were searched ({photos.folder})" in done.stderr
    assert "client move default FOLDER" in done.stderr
    assert done.stdout == "Dataset default: 3 images have features of tiny now, 3 sent, 0 there before\n"
    assert filled.stale == {sha256("cat-1")}


def test_as_json(filled: FakeClassifier, run: Run, photos: Photos) -> None:
    (photos.folder / "cat" / "cat1.jpg").unlink()
    done = run("move", "default", photos.folder, "--json")
    found = json.loads(done.stdout)
    missing = found.pop("missing")
    assert found == {
        "dataset": "default", "backbone": "tiny", "backbone_digest": "", "sent": 3, "present": 0, "failed": []
    }  # fmt: skip
    assert [(entry["id"], entry["sha256"]) for entry in missing] == [("cat/cat1.jpg", sha256("cat-1").hex())]


def test_without_a_folder_the_present_one_is_searched(
    filled: FakeClassifier, run: Run, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.folder)
    assert run("move", "default").exit_code == 0
    assert not filled.stale


def test_a_person_is_asked_for_another_folder(
    filled: FakeClassifier, run: Run, photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lastlayer.client.commands.interface.questions.can_ask", lambda: True)
    typed = f"{tmp_path / 'nowhere'}\n{photos.folder / 'dog'}\n\n"
    done = run("move", "default", photos.folder / "cat", stdin=typed.encode())
    assert done.exit_code == 0, done.output
    assert "There is no such folder." in done.stderr
    assert done.stdout == "Dataset default: 4 images have features of tiny now, 4 sent, 0 there before\n"
    assert sorted(sent(filled)) == ["cat-0", "cat-1", "dog-0", "dog-1"]


def test_what_is_not_there(filled: FakeClassifier, run: Run, photos: Photos, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    done = run("move", "default", nowhere)
    assert (done.exit_code, done.stderr) == (2, f"Error: There is no folder `{nowhere}` to look for images in.\n")
    done = run("move", "other", photos.folder)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: There is no dataset `other`.")
    assert sent(filled) == []


def test_an_image_that_is_not_what_it_was_is_not_sent(fake: FakeClassifier, client: Client, photos: Photos) -> None:
    file = photos.folder / "cat" / "cat0.jpg"
    changed = LabelledImage(file, "cat", name="cat0", sha256=sha256("cat-0 as it was"))
    added = client.add_examples([changed])
    [failed] = added.failed
    assert failed.error is not None
    assert failed.error.reason == "FILE_CHANGED"
    assert sent(fake) == []


def test_a_name_from_the_server_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_text("secret")
    (tmp_path / "photos").mkdir()
    search = ImageSearch([tmp_path / "photos"])
    for name in ("../secret.jpg", str(tmp_path / "secret.jpg"), "..\\secret.jpg", "", ".."):
        assert search.find(sha256("secret"), name) is None


def test_a_file_without_the_name_of_an_image_is_found_by_its_own(tmp_path: Path) -> None:
    (tmp_path / "scan").write_text("scan")
    assert ImageSearch([tmp_path]).find(sha256("scan"), "photos/scan") == tmp_path / "scan"
    assert ImageSearch([tmp_path]).find(sha256("scan"), "photos/other") is None


# The line after `client train`


def test_training_tells_of_a_better_network(fake: FakeClassifier, run: Run, photos: Photos) -> None:
    done = run("train", photos.folder)
    assert (
        "Note: the featurizer also has xception on disk, which is likely to be better: 79.0% of ImageNet, where tiny "
        "has 70.0%, 0.2 times as fast. To try it, serve it (LASTLAYER_BACKBONE=xception), then run `client move "
        "default FOLDER` and train again.\n"
    ) in done.stderr
    assert "xception" not in run("train", photos.folder, "--json").output


@pytest.mark.parametrize("change", ["no better", "not known", "other network", "none", "away"])
def test_training_tells_of_no_network_where_none_is_better(
    fake: FakeClassifier, run: Run, photos: Photos, change: str
) -> None:
    fake.served = served_backbone()
    if change == "no better":
        fake.served.others[0].imagenet_accuracy = 0.71
    elif change == "not known":
        fake.served.ClearField("imagenet_accuracy")
    elif change == "other network":
        fake.served.digest = "11" * 32
    elif change == "none":
        fake.served.ClearField("others")
    else:
        fake.script["GetServedBackbone"] = [FeaturizerUnavailableError("featurizer:50051")]
    done = run("train", photos.folder)
    assert done.exit_code == 0, done.output
    assert "likely to be better" not in done.output
