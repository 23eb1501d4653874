"""Images and labels as Python programs have them: of Pillow and NumPy, as pairs, and as names of folders."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lastlayer.client import Client, DataError, ImageError, InvalidInputError, LabelledImage, read_data
from tests.integration.client.conftest import Photos, Run
from tests.integration.client.fake_classifier import FakeClassifier


class Pictures(FakeClassifier):
    """Predicts pictures, all as cats."""

    def _predictions(self, request: Any) -> Any:
        self.seen = [image.content for image in request.images]
        for image in request.images:
            image.content = b"cat-1"
        return super()._predictions(request)


@pytest.fixture
def fake() -> FakeClassifier:
    return Pictures()


def seen(fake: FakeClassifier) -> list[Image.Image]:
    assert isinstance(fake, Pictures)
    return [Image.open(io.BytesIO(content)) for content in fake.seen]


COLOURS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


class TestPixels:
    @pytest.mark.parametrize("stream", [False, True])
    def test_pillow_and_numpy(self, client: Client, fake: FakeClassifier, stream: bool) -> None:
        images: list[Any] = [
            COLOURS,
            COLOURS[:, :, 0],
            Image.fromarray(COLOURS),
            Image.fromarray(COLOURS).convert("CMYK"),
            np.dstack([COLOURS, COLOURS[:, :, :1]])[::-1],
        ]
        predictions = list((client.predict_stream if stream else client.predict)(images))
        assert [prediction.label for prediction in predictions] == ["cat"] * 5
        assert predictions[0].image == "images[0]"
        pictures = seen(fake)
        assert np.array_equal(np.asarray(pictures[0]), COLOURS)
        assert np.array_equal(np.asarray(pictures[1]), COLOURS[:, :, 0])
        assert np.array_equal(np.asarray(pictures[2]), COLOURS)
        assert [picture.mode for picture in pictures] == ["RGB", "L", "RGB", "RGB", "RGBA"]

    def test_a_picture_is_turned_upright(self, client: Client, fake: FakeClassifier) -> None:
        file = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by 90 degrees
        Image.fromarray(COLOURS).save(file, "JPEG", exif=exif)
        client.predict([Image.open(file)])
        assert seen(fake)[0].size == (2, 3)

    @pytest.mark.parametrize(
        ("array", "sentence"),
        [
            (np.zeros((4, 4, 3)), "An array of float64 is no image; give uint8, from 0 to 255"),
            (np.zeros((1, 4, 4, 3), np.uint8), "An array of the shape (1, 4, 4, 3) is no image"),
            (np.zeros((4, 4, 2), np.uint8), "An array of the shape (4, 4, 2) is no image"),
            (np.zeros((0, 4), np.uint8), "An array of the shape (0, 4) is no image"),
        ],
    )
    def test_an_array_that_is_none_fails_alone(self, client: Client, array: Any, sentence: str) -> None:
        bad, good = client.predict([array, COLOURS])
        assert good.label == "cat"
        with pytest.raises(ImageError) as caught:
            _ = bad.label
        assert caught.value.message.startswith(sentence)

    @pytest.mark.parametrize("single", [COLOURS, Image.fromarray(COLOURS), "a.jpg"], ids=["array", "picture", "path"])
    def test_a_single_one(self, client: Client, single: Any) -> None:
        for method in (client.predict, client.predict_stream):
            with pytest.raises(TypeError, match=r"Give a list of images, such as \[image\]\."):
                method(single)

    def test_what_can_be_no_image(self, client: Client) -> None:
        with pytest.raises(TypeError, match="A int is no image; give a path, bytes, an open file"):
            client.predict([42])  # type: ignore[list-item]


class TestLabelled:
    def test_the_ways_to_give_labelled_images(self, client: Client, photos: Photos) -> None:
        ways: list[Any] = [
            str(photos.folder),
            photos.tsv,
            read_data(str(photos.folder)),
            [(str(path), path.parent.name) for path in photos.folder.rglob("*.jpg")],
            (LabelledImage(path, path.parent.name) for path in photos.folder.rglob("*.jpg")),
        ]
        added = [client.add_examples(way, dataset=f"d{number}") for number, way in enumerate(ways)]
        assert [(one.added, one.present) for one in added] == [(4, 0), *[(0, 4)] * 4]
        assert client.evaluate(str(photos.folder)).metrics.example_count == 4
        assert client.evaluate([(b"cat-1", "cat")]).metrics.example_count == 1

    def test_pixels_with_labels(self, client: Client, fake: FakeClassifier) -> None:
        pairs: list[Any] = [(COLOURS, "cat"), (Image.fromarray(COLOURS[::-1]), "dog")]
        assert client.add_examples(pairs).added == 2
        assert sorted(fake.store.values()) == [["cat"], ["dog"]]

    @pytest.mark.parametrize(
        "given", [["cat.jpg"], [("cat.jpg", 1)], [("cat.jpg", "cat", "dog")], [(io.BytesIO(b""), "cat")], 42, b"jpeg"]
    )
    def test_what_is_no_labelled_image(self, client: Client, fake: FakeClassifier, given: Any) -> None:
        for method in (client.add_examples, client.evaluate):
            with pytest.raises(TypeError, match=r"give pairs such as \('cat.jpg', 'cat'\), or the path of a folder"):
                method(given)
        assert not fake.store

    def test_a_folder_that_is_wrong(self, client: Client, photos: Photos) -> None:
        with pytest.raises(DataError, match="--label cat"):
            client.add_examples(str(photos.folder / "cat"))


class TestAddresses:
    """What is an address of the web is refused with what to do."""

    def test_of_a_server(self, run: Run) -> None:
        refused = run("status", "--server", "https://classifier.example.org:443/")
        assert refused.exit_code == 2
        assert refused.stderr == (
            "Error: `https://classifier.example.org:443/` has a scheme, which a gRPC server does not; give"
            " classifier.example.org:443, and add --tls or --tls-ca FILE for TLS (`security` in Python).\n"
        )
        assert "give example.org:PORT." in run("status", "--server", "http://example.org/x").stderr
        with pytest.raises(InvalidInputError):
            Client("grpc://localhost:50052")

    def test_of_an_image(self, run: Run, client: Client) -> None:
        url = "https://example.org/a&b.jpg"
        result = run("predict", url)
        assert result.exit_code == 1
        sentence = f"`{url}` is an address; fetch the image first, such as by `curl -LO '{url}'`.\n"
        assert result.stderr == f"Failed: a&b.jpg: {sentence}"
        assert client.predict([url])[0].error is not None

    @pytest.mark.parametrize("command", ["train", "add", "evaluate"])
    def test_of_data(self, run: Run, fake: FakeClassifier, command: str) -> None:
        result = run(command, "https://example.org/photos.zip")
        assert (result.exit_code, fake.calls) == (2, [])
        assert "`https://example.org/photos.zip` is an address; fetch the images first" in result.stderr
