"""Pools by the Python client and its commands, against a scripted classifier."""

import datetime
import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from lastlayer.client import Client, DataError, InvalidInputError, LabelledImage, NotFoundError
from lastlayer.client.results import ExampleOutcome, LabelScore, StoredExample
from tests.integration.client.conftest import Photos
from tests.integration.client.fake_classifier import FakeClassifier
from tests.integration.client.test_move import sent, sha256


@pytest.fixture
def unsorted(tmp_path: Path) -> Path:
    """A folder of images without labels, some of them in another folder."""
    folder = tmp_path / "unsorted"
    (folder / "deep").mkdir(parents=True)
    for name, content in {"0.jpg": "cat-9", "1.jpg": "dog-9", "deep/2.jpg": "cat-8"}.items():
        (folder / name).write_text(content)
    (folder / "notes.txt").write_text("none")
    return folder


class TestAdd:
    def test_the_images_of_a_folder(self, client: Client, fake: FakeClassifier, unsorted: Path) -> None:
        heard: list[ExampleOutcome] = []
        pooled = client.add_to_pool(
            unsorted, dataset="pets", thumbnails=False, views=["whole"], on_outcome=heard.append
        )
        assert (pooled.added, pooled.present, pooled.labelled, pooled.failed) == (3, 0, 0, ())
        assert sorted(outcome.image for outcome in heard) == ["0.jpg", "1.jpg", "deep/2.jpg"]
        assert list(fake.names.values()) == ["0.jpg", "1.jpg", "deep/2.jpg"]
        for message in fake.messages("AddExamples"):
            assert (message.dataset, message.pool, message.no_thumbnails, list(message.views)) == (
                "pets",
                True,
                True,
                [2],
            )
            assert not any(example.label for example in message.examples)
        again = client.add_to_pool(unsorted, dataset="pets")
        assert (again.added, again.present) == (0, 3)
        assert len(sent(fake)) == 3

    def test_a_stream_that_breaks_is_taken_up(self, client: Client, fake: FakeClassifier, unsorted: Path) -> None:
        fake.break_after["AddExamples"] = [1]
        pooled = client.add_to_pool(unsorted)
        # The server had stored them when the stream broke, so that it had them when they were asked for again.
        assert (pooled.added + pooled.present, len(fake.pool)) == (3, 3)
        assert sorted(sent(fake)) == ["cat-8", "cat-9", "dog-9"]

    def test_those_of_an_archive(self, client: Client, fake: FakeClassifier, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
            archive.writestr("a.jpg", "cat-1")
            archive.writestr("b/c.jpg", "dog-1")
        assert client.add_to_pool(tmp_path / "photos.zip").added == 2
        assert sorted(sent(fake)) == ["cat-1", "dog-1"]

    def test_one_by_one(self, client: Client, fake: FakeClassifier, unsorted: Path) -> None:
        picture = io.BytesIO()
        Image.new("RGB", (2, 2)).save(picture, "PNG")
        named = LabelledImage(b"dog-7", "", name="seven")
        fake.pool[sha256("cat-5")] = "cat"
        pooled = client.add_to_pool([unsorted / "0.jpg", b"cat-5", b"bad", named])
        assert (pooled.added, pooled.present) == (2, 1)
        assert [outcome.image for outcome in pooled.failed] == ["images[2]"]
        assert fake.names[sha256("dog-7")] == "seven"
        assert client.add_to_pool(unsorted / "1.jpg").added == 1

    def test_what_has_a_label_stays_an_example(self, client: Client, photos: Photos, fake: FakeClassifier) -> None:
        client.add_examples(photos.folder)
        heard: list[ExampleOutcome] = []
        pooled = client.add_to_pool(photos.folder, on_outcome=heard.append)
        assert (pooled.added, pooled.present, pooled.labelled) == (0, 0, 4)
        assert {outcome.label for outcome in heard} == {"cat", "dog"}
        assert fake.pool == {}

    @pytest.mark.parametrize("wrong", [b"cat-1", LabelledImage("a.jpg", ""), 7, None])
    def test_a_single_image_is_no_list(self, client: Client, wrong: object) -> None:
        with pytest.raises(TypeError, match="is no list of images"):
            client.add_to_pool(wrong)  # type: ignore[arg-type]

    def test_what_is_no_image_without_a_label(self, client: Client) -> None:
        with pytest.raises(TypeError, match=r"images\[1\] has the label `cat`; add it by `add_examples`"):
            client.add_to_pool([b"cat-1", LabelledImage("a.jpg", "cat")])
        for wrong in (io.BytesIO(b"cat-1"), ("a.jpg", "cat"), 3):
            with pytest.raises(TypeError, match=r"images\[0\] is no image"):
                client.add_to_pool([wrong])  # type: ignore[list-item]

    @pytest.mark.parametrize(
        ("name", "sentence"),
        [
            ("missing", "There is no file or folder"),
            ("empty", "holds no images"),
            ("table.tsv", "is no folder or zip of images, and no image"),
            ("https://example.org/a.jpg", "is an address"),
        ],
    )
    def test_a_source_without_images(self, client: Client, tmp_path: Path, name: str, sentence: str) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "table.tsv").write_text("a.jpg\tcat\n")
        with pytest.raises(DataError, match=sentence):
            client.add_to_pool(name if "://" in name else tmp_path / name)

    def test_an_unknown_view(self, client: Client) -> None:
        with pytest.raises(InvalidInputError, match="There is no view `round`"):
            client.add_to_pool([b"cat-1"], views=["round"])


class TestList:
    def test_the_pool_page_by_page(self, client: Client, unsorted: Path) -> None:
        client.add_to_pool(unsorted)
        found = list(client.list_examples("default", pool=True, thumbnails=True))
        assert [entry.id for entry in found] == ["0.jpg", "1.jpg", "deep/2.jpg"]
        moment = datetime.datetime.fromtimestamp(1_800_000_000, datetime.UTC)
        assert found[0] == StoredExample("0.jpg", sha256("cat-9"), (), False, b"jpeg", "added", moment)
        assert list(client.list_examples("default")) == []
        assert client.get_dataset("default").pool_count == 3

    def test_those_that_are_named(self, client: Client, photos: Photos, unsorted: Path, fake: FakeClassifier) -> None:
        client.add_examples(photos.folder)
        client.add_to_pool(unsorted)
        found = client.get_examples("default", ["1.jpg", sha256("dog-0"), "none", sha256("cat-0")[:4]])
        assert [(entry.id, entry.labels, entry.source) for entry in found] == [
            ("cat/cat0.jpg", ("cat",), ""),
            ("dog/dog0.jpg", ("dog",), ""),
            ("1.jpg", (), "added"),
        ]
        assert client.get_examples("default", []) == ()


class TestLabel:
    def test_there_and_back(self, client: Client, unsorted: Path, fake: FakeClassifier) -> None:
        client.add_to_pool(unsorted)
        changed, dataset = client.relabel_examples("default", ["0.jpg", sha256("cat-8")], "cat")
        assert (changed, dataset.pool_count, fake.store) == (2, 1, {sha256("cat-9"): ["cat"], sha256("cat-8"): ["cat"]})
        changed, dataset = client.unlabel_examples("default", ["0.jpg", "1.jpg"])
        assert (changed, dataset.pool_count) == (1, 2)
        with pytest.raises(NotFoundError):
            client.unlabel_examples("default", ["none"])


class TestNext:
    def test_without_and_with_guesses(self, client: Client, unsorted: Path, photos: Photos) -> None:
        client.add_to_pool(unsorted)
        found = client.next_examples("default", count=2)
        assert [(entry.example.id, entry.scores) for entry in found.examples] == [("0.jpg", ()), ("1.jpg", ())]
        assert (found.strategy, found.pool_count, found.stale_count, found.classes) == ("typical", 3, 0, ())
        client.add_examples(photos.folder)
        found = client.next_examples("default", thumbnails=True)
        assert (found.strategy, found.classes) == ("uncertain", ("cat", "dog"))
        assert [entry.scores for entry in found.examples][1] == (LabelScore("dog", 0.625), LabelScore("cat", 0.375))
        assert found.examples[0].example.thumbnail == b"jpeg"

    def test_a_count_of_none(self, client: Client) -> None:
        with pytest.raises(InvalidInputError, match="There are no 0 images to label next"):
            client.next_examples("default", count=0)
        with pytest.raises(NotFoundError):
            client.next_examples("none")


def test_a_move_takes_the_pool_along(client: Client, fake: FakeClassifier, photos: Photos, unsorted: Path) -> None:
    client.add_examples(photos.folder)
    client.add_to_pool(unsorted)
    fake.stale = {*fake.store, *fake.pool}
    (unsorted / "1.jpg").unlink()
    fake.calls.clear()
    moved = client.move_dataset("default", [photos.folder, unsorted])
    assert (moved.sent, moved.present, [entry.id for entry in moved.missing]) == (6, 0, ["1.jpg"])
    assert fake.stale == {sha256("dog-9")}
    assert [message.pool for message in fake.messages("AddExamples")] == [False, False, True, True]
    assert len(fake.pool) == 3
