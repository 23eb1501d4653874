"""Pools by the Python client and its commands, against a scripted classifier."""

import datetime
import io
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from lastlayer.client import Client, DataError, InvalidInputError, LabelledImage, NotFoundError
from lastlayer.client.results.examples import ExampleOutcome, StoredExample
from lastlayer.client.results.predictions import LabelScore
from tests.integration.client.conftest import Photos, Run
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


class TestPoolCommand:
    def test_add_says_what_became_of_the_images_and_what_to_do(
        self, run: Run, unsorted: Path, photos: Photos, fake: FakeClassifier
    ) -> None:
        run("add", photos.folder, "--dataset", "pets")
        (unsorted / "known.jpg").write_text("cat-0")
        (unsorted / "broken.jpg").write_text("bad")
        done = run("pool", "add", unsorted, "--dataset", "pets", "--views", "crop", "--no-thumbnails")
        assert done.exit_code == 1
        assert done.stdout == (
            "Dataset pets: 3 added to its pool, 0 already there, 1 that has a label already, 1 failed\n"
        )
        assert "Failed: broken.jpg: " in done.stderr
        assert "Note: 1 file that is no image of a class was passed over (.txt)." in done.stderr
        assert done.stderr.rstrip().splitlines()[-1].startswith("Next: client next --dataset pets")
        [*_, message] = fake.messages("AddExamples")
        assert (message.pool, message.no_thumbnails, list(message.views)) == (True, True, [1])
        again = json.loads(run("pool", "add", unsorted / "0.jpg", "--dataset", "pets", "--json").stdout)
        assert again == {"dataset": "pets", "added": 0, "present": 1, "labelled": 0, "failed": []}

    def test_nothing_to_add(self, run: Run, tmp_path: Path, fake: FakeClassifier) -> None:
        done = run("pool", "add", tmp_path / "none")
        assert (done.exit_code, "There is no file or folder" in done.stderr) == (2, True)
        assert fake.count("AddExamples") == 0

    def test_list(self, run: Run, unsorted: Path) -> None:
        assert run("pool").stdout == "The pool is empty; `client pool add FOLDER` fills it.\n"
        run("pool", "add", unsorted)
        rows = run("pool", "list").stdout.splitlines()
        assert [row.split()[:3] for row in rows] == [
            ["image", "sha256", "came"],
            ["0.jpg", sha256("cat-9").hex()[:12], "added"],
            ["1.jpg", sha256("dog-9").hex()[:12], "added"],
            ["deep/2.jpg", sha256("cat-8").hex()[:12], "added"],
        ]
        first = json.loads(run("pool", "--json").stdout.splitlines()[0])
        assert (first["id"], first["labels"], first["source"]) == ("0.jpg", [], "added")
        assert first["pool_time"] == "2027-01-15T08:00:00+00:00"

    def test_the_dataset_tells_of_its_pool(self, run: Run, unsorted: Path) -> None:
        run("pool", "add", unsorted)
        assert (
            "3 images without a label in its pool; `client next` says which"
            in run("datasets", "show", "default").stdout
        )
        assert json.loads(run("datasets", "show", "default", "--json").stdout)["pool"] == 3
        headers, row = run("datasets").stdout.splitlines()
        assert headers.split() == ["dataset", "classes", "examples", "conflicts", "pool", "backbone", "updated"]
        assert row.split()[3:6] == ["3", "1", "3"]


class TestNextCommand:
    def test_why_which_and_what_to_do(self, run: Run, unsorted: Path, photos: Photos, fake: FakeClassifier) -> None:
        run("pool", "add", unsorted)
        done = run("next", "-k", "2")
        assert done.exit_code == 0
        head, why, *rows = done.stdout.splitlines()
        assert head == "Dataset default: 2 to label next, of 3 images without a label"
        assert why == "They stand for many others. Once two classes have labels, there are guesses."
        short = sha256("cat-9").hex()[:12]
        assert [row.split() for row in rows] == [
            ["image", "sha256"],
            ["0.jpg", short],
            ["1.jpg", sha256("dog-9").hex()[:12]],
        ]
        assert f"Next: client label {short} --to CLASS\n" in done.stderr
        run("add", photos.folder)
        done = run("next")
        assert [row.split() for row in done.stdout.splitlines()[2:4]] == [
            ["image", "sha256", "guess", "p(guess)"],
            ["0.jpg", short, "cat", "0.6250"],
        ]
        assert f"Next: client label {short} --to CLASS\n" in done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80

    def test_why_there_are_fewer(self, run: Run, unsorted: Path, fake: FakeClassifier) -> None:
        run("pool", "add", unsorted)
        others = "The others are like these, or like what has a label already."
        assert others not in run("next").stdout
        fake.alike = 2
        assert others in run("next").stdout
        assert others not in run("next", "-k", "1").stdout
        fake.alike = 3
        assert run("next").stdout == "Dataset default: what waits (3 images) is like what has a label already\n"

    def test_for_programs(self, run: Run, unsorted: Path, photos: Photos) -> None:
        run("pool", "add", unsorted)
        run("add", photos.folder)
        done = run("next", "--json")
        [first, *_] = map(json.loads, done.stdout.splitlines())
        assert first == {
            "id": "0.jpg",
            "sha256": sha256("cat-9").hex(),
            "guess": "cat",
            "score": 0.625,
            "scores": [{"label": "cat", "score": 0.625}, {"label": "dog", "score": 0.375}],
            "strategy": "uncertain",
        }
        assert done.stderr == ""

    def test_an_empty_pool_and_one_that_is_stale(self, run: Run, unsorted: Path, fake: FakeClassifier) -> None:
        done = run("next")
        assert (done.exit_code, done.stdout) == (0, "Dataset default: nothing waits for a label\n")
        assert "Next: client pool add FOLDER\n" in done.stderr
        run("pool", "add", unsorted)
        fake.stale = set(fake.pool)
        done = run("next")
        assert "Note: 3 images of the pool cannot be suggested" in done.stderr
        assert "`client move default FOLDER`" in done.stderr

    @pytest.mark.parametrize("count", ["0", "201", "x"])
    def test_a_wrong_count(self, run: Run, count: str) -> None:
        assert run("next", "-k", count).exit_code == 2


class TestLabelCommand:
    @pytest.fixture(autouse=True)
    def added(self, run: Run, unsorted: Path) -> None:
        assert run("pool", "add", unsorted).exit_code == 0

    def test_by_name_by_digits_and_by_file(self, run: Run, unsorted: Path, fake: FakeClassifier) -> None:
        done = run("label", "0.jpg", sha256("dog-9").hex()[:12], unsorted / "deep" / "2.jpg", "--to", " cat ")
        assert done.exit_code == 0, done.output
        assert done.stdout == "Dataset default: 3 of 3 labelled cat. 3 have a label, 0 wait for one.\n"
        assert fake.store == {sha256(content): [" cat "] for content in ("cat-9", "dog-9", "cat-8")}
        assert "client next" not in done.stderr

    def test_what_to_do_next(self, run: Run, fake: FakeClassifier) -> None:
        done = run("label", "0.jpg", "--to", "cat")
        assert "2 wait for one." in done.stdout
        assert done.stderr == "Next: client next\n"

    def test_several_labels(self, run: Run, fake: FakeClassifier) -> None:
        done = run("label", "0.jpg", "--to", "cat", "--to", "dog")
        assert done.stdout.startswith("Dataset default: 1 of 1 labelled cat, dog. ")
        assert list(fake.messages("RelabelExamples")[-1].labels) == ["cat", "dog"]

    def test_back_into_the_pool(self, run: Run, fake: FakeClassifier) -> None:
        run("label", "0.jpg", "1.jpg", "--to", "cat")
        done = run("label", "0.jpg", "deep/2.jpg", "--to-pool")
        assert done.stdout.startswith("Dataset default: 1 of 2 back in the pool; the others were there already. ")
        assert fake.store == {sha256("dog-9"): ["cat"]}
        assert json.loads(run("label", "1.jpg", "--to-pool", "--json").stdout)["changed"] == 1

    def test_one_alone(self, run: Run) -> None:
        done = run("label", "0.jpg", "1.jpg", "--to", "cat")
        assert done.stdout == "Dataset default: 2 of 2 labelled cat. 3 have a label, 1 waits for one.\n"

    def test_a_slip_is_noticed(self, run: Run, fake: FakeClassifier) -> None:
        assert "Note: cats is a new class" in run("label", "0.jpg", "--to", "cats").stderr
        assert "Note" not in run("label", "1.jpg", "--to", "parrot").stderr

    def test_what_is_not_there(self, run: Run, fake: FakeClassifier) -> None:
        done = run("label", "0.jpg", "none.jpg", "--to", "cat")
        assert done.exit_code == 2
        assert "`none.jpg` is no image of the dataset `default` or its pool; `client pool list" in done.stderr
        assert fake.store == {}

    @pytest.mark.parametrize("options", [(), ("--to", "cat", "--to-pool")])
    def test_a_class_or_the_pool(self, run: Run, options: tuple[str, ...]) -> None:
        done = run("label", "0.jpg", *options)
        assert (done.exit_code, "Give --to CLASS, or --to-pool." in done.stderr) == (2, True)
