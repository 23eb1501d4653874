"""`client similar` and `map` against a scripted classifier: what they ask for, print and write, and what goes wrong."""

import hashlib
import json
from pathlib import Path

import pytest

from lastlayer.classifier.domain.errors import MapNotOfferedError
from lastlayer.client import Client, FailedPreconditionError, InvalidInputError, ServerError, TrainProgress, read_data
from lastlayer.rpc.errors import BackboneMismatchError, ResourceNotFoundError
from lastlayer.v1 import classifier_pb2
from tests.integration.client.conftest import Photos, Run
from tests.integration.client.fake_classifier import FakeClassifier, running
from tests.integration.client.fake_classifier.scripted import Broken
from tests.unit.client.report.samples import photo


class Pictured(FakeClassifier):
    """Keeps thumbnails that can be seen."""

    def _stored(self, sha256, labels, thumbnails=False):
        stored = super()._stored(sha256, labels, thumbnails)
        stored.thumbnail = photo() if thumbnails else b""
        return stored


@pytest.fixture
def fake() -> FakeClassifier:
    return Pictured(models=["default", "pets"])


@pytest.fixture(autouse=True)
def here(client: Client, photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    client.add_examples(read_data(photos.folder).examples, dataset="pets")
    (tmp_path / "new.jpg").write_text("cat-7")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestSimilar:
    def test_a_table(self, run: Run, fake: FakeClassifier) -> None:
        result = run("similar", "new.jpg", "--dataset", "pets")
        assert result.exit_code == 0, result.output
        header, *rows, last = result.stdout.splitlines()
        assert header.split() == ["distance", "labels", "example", "sha256"]
        assert [row.split()[:3] for row in rows][:2] == [
            ["0.0000", "cat", "cat/cat0.jpg"],
            ["0.1250", "cat", "cat/cat1.jpg"],
        ]
        assert len(rows) == 4
        assert last == "4 images of the dataset pets were compared."
        [request] = fake.messages("Similar")
        assert (request.image.content, request.count, request.thumbnails) == (b"cat-7", 20, False)

    def test_a_table_fits_eighty_columns(self, run: Run) -> None:
        result = run("similar", "new.jpg", "--dataset", "pets")
        assert max(map(len, result.stdout.splitlines())) <= 80

    def test_like_a_stored_one(self, run: Run, fake: FakeClassifier) -> None:
        result = run("similar", "--example", "cat/cat0.jpg", "--dataset", "pets", "--label", "dog", "-n", "1", "--json")
        assert result.exit_code == 0, result.output
        [line] = map(json.loads, result.stdout.splitlines())
        assert list(line) == ["id", "sha256", "labels", "stale", "distance"]
        assert (line["id"], line["distance"]) == ("dog/dog0.jpg", 0)
        [request] = fake.messages("Similar")
        assert (request.example.id, request.label, request.count) == ("cat/cat0.jpg", "dog", 1)

    def test_like_a_file_that_is_stored(self, run: Run, fake: FakeClassifier, photos: Photos) -> None:
        assert run("similar", "--example", photos.folder / "cat" / "cat0.jpg", "--dataset", "pets").exit_code == 0
        [request] = fake.messages("Similar")
        assert request.example.content_sha256 == hashlib.sha256(b"cat-0").digest()

    def test_a_page(self, run: Run, fake: FakeClassifier, here: Path) -> None:
        result = run("similar", "new.jpg", "--dataset", "pets", "--pool", "--html", "like.html")
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines()[-1] == "Written: like.html"
        page = (here / "like.html").read_text("utf-8")
        assert page.count("data:image/jpeg") == 4  # what is asked about is no picture
        [request] = fake.messages("Similar")
        assert (request.pool, request.thumbnails) == (True, True)

    def test_images_that_must_be_added_again(self, run: Run, fake: FakeClassifier) -> None:
        fake.stale.add(hashlib.sha256(b"cat-0").digest())
        result = run("similar", "new.jpg", "--dataset", "pets")
        assert "1 were not, as another backbone featurized them; `client move`" in result.stdout

    @pytest.mark.parametrize(
        ("arguments", "status", "said"),
        [
            ((), 2, "Give IMAGE, or --example EXAMPLE."),
            (("new.jpg", "--example", "x"), 2, "Give IMAGE, or --example EXAMPLE."),
            (("new.jpg", "-n", "0"), 2, "0 is not in the range 1<=x<=1000"),
            (("none.jpg",), 2, "none.jpg"),
            (("new.jpg", "--dataset", "none"), 2, "no dataset `none`"),
            (("--example", "none"), 2, "`none` is no example of the dataset `default`"),
            (("new.jpg", "--html", "none/x.html"), 2, "no folder `none`"),
            (("new.jpg", "--html", "photos"), 2, "`photos` is a folder"),
        ],
    )
    def test_wrong_use(
        self, run: Run, fake: FakeClassifier, arguments: tuple[str, ...], status: int, said: str
    ) -> None:
        result = run("similar", *arguments)
        assert result.exit_code == status, result.output
        assert said in result.stderr.replace("\n", " ")

    def test_an_image_that_is_none(self, run: Run, here: Path) -> None:
        (here / "bad.jpg").write_text("bad")
        result = run("similar", "bad.jpg")
        assert result.exit_code == 2
        assert "no image of a supported format" in result.stderr

    def test_another_backbone(self, run: Run, fake: FakeClassifier) -> None:
        fake.script["Similar"] = [BackboneMismatchError("It is another.", expected="a", actual="b")]
        result = run("similar", "new.jpg")
        assert result.exit_code == 2
        assert "It is another." in result.stderr

    def test_it_is_asked_again_where_the_server_is_away(self, client: Client, fake: FakeClassifier) -> None:
        fake.script["Similar"] = [Broken()]
        assert len(client.similar("pets", b"cat-1").examples) == 4

    def test_one_of_image_and_example(self, client: Client) -> None:
        with pytest.raises(TypeError, match="an image, or an example"):
            client.similar("pets")
        with pytest.raises(TypeError, match="an image, or an example"):
            client.similar("pets", b"cat-1", example="cat/cat0.jpg")
        with pytest.raises(InvalidInputError, match="1 to 1000"):
            client.similar("pets", b"cat-1", count=0)


class TestMap:
    def test_a_page(self, run: Run, fake: FakeClassifier, here: Path) -> None:
        result = run("map", "pets", "--to", "pets.html")
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("Written: pets.html (4 images, ")
        assert "Map: reading the features" in result.stderr
        page = (here / "pets.html").read_text("utf-8")
        assert "labelled cat; the model suggests dog" in page
        assert page.count("data:image/jpeg") == 1 + 1  # what is worth a look, and what the script shows
        [request] = fake.messages("MapExamples")
        asked = (request.dataset, request.method, request.max_examples, request.pool, request.model)
        assert asked == ("pets", classifier_pb2.MAP_METHOD_UNSPECIFIED, 10_000, False, "pets")

    def test_as_it_is_wanted(self, run: Run, fake: FakeClassifier, here: Path) -> None:
        fake.models.append("of-pets")
        options = ("--method", "pca", "--limit", "10", "--pool", "--model", "of-pets", "--json")
        result = run("map", "pets", *options)
        assert result.exit_code == 0, result.output
        told = json.loads(result.stdout)
        size = (here / "map.html").stat().st_size
        assert told == {
            "dataset": "pets",
            "map": "map.html",
            "bytes": size,
            "method": "pca",
            "images": 4,
            "of": 4,
            "stale": 0,
            "suspicious": 1,
            "photos": 4,
        }
        [request] = fake.messages("MapExamples")
        assert (request.max_examples, request.pool, request.model) == (10, True, "of-pets")

    def test_without_a_model_of_its_name_nothing_is_suspicious(self, run: Run, fake: FakeClassifier) -> None:
        fake.script["GetModel"] = [ResourceNotFoundError("model", "pets")]
        assert run("map", "pets").exit_code == 0
        assert [request.model for request in fake.messages("MapExamples")] == [""]

    def test_a_server_without_the_library(self, run: Run, client: Client, fake: FakeClassifier) -> None:
        fake.script["MapExamples"] = [MapNotOfferedError("neighbors")] * 2
        result = run("map", "pets", "--method", "neighbors")
        assert result.exit_code == 2, result.output
        assert "lastlayer[map]" in result.stderr
        with pytest.raises(FailedPreconditionError) as refused:
            client.map_examples("pets")
        assert refused.value.reason == "MAP_NOT_OFFERED"

    def test_it_begins_anew_where_the_stream_breaks(self, client: Client, fake: FakeClassifier) -> None:
        fake.break_after["MapExamples"] = [2]
        told = list[TrainProgress]()
        found = client.map_examples("pets", on_progress=told.append)
        assert [point.id for point in found.points] == ["cat/cat0.jpg", "cat/cat1.jpg", "dog/dog0.jpg", "dog/dog1.jpg"]
        assert len(told) == 2

    def test_a_method_that_is_none(self, client: Client) -> None:
        with pytest.raises(InvalidInputError, match="auto, pca, neighbors"):
            client.map_examples("pets", method="umap")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("none",), "no dataset `none`"),
            (("pets", "--limit", "9"), "9 is not in the range"),
            (("pets", "--method", "umap"), "'umap' is not one of"),
            (("pets", "--to", "none/map.html"), "no folder `none`"),
            (("pets", "--to", "photos"), "`photos` is a folder"),
            (("pets", "--model", "none"), "no model `none`"),
        ],
    )
    def test_wrong_use(self, run: Run, arguments: tuple[str, ...], said: str) -> None:
        result = run("map", *arguments)
        assert result.exit_code == 2, result.output
        assert said in result.stderr.replace("\n", " ")


class Astray(FakeClassifier):
    """Sends a point that is not on the map, or none at all."""

    def __init__(self, x: float | None) -> None:
        super().__init__(models=["default", "pets"])
        self._x = x

    def MapExamples(self, request, context):
        yield classifier_pb2.MapExamplesResponse(progress=classifier_pb2.TrainProgress(message="on the way"))
        if self._x is not None:
            points = classifier_pb2.MapPoints(points=[classifier_pb2.MapPoint(x=self._x)])
            yield classifier_pb2.MapExamplesResponse(points=points)


@pytest.mark.parametrize(
    ("x", "said"), [(float("nan"), "nan as the x"), (1.5, "not on the map"), (None, "without a point")]
)
def test_a_map_that_is_none(x: float | None, said: str) -> None:
    with running(Astray(x)) as server, Client(server) as client, pytest.raises(ServerError, match=said):
        client.map_examples("pets")
