"""Images that are alike over HTTP: the nearest to one, and the map with its events."""

import base64

import pytest

from lastlayer.rpc.errors import InvalidFieldError
from tests.integration.client.fake_classifier import FakeClassifier
from tests.integration.studio.conftest import Door
from tests.integration.studio.test_door import MIB, check_problem, sha256
from tests.integration.studio.test_training import events

CONTENTS = (b"cat-1", b"cat-2", b"dog-1")


@pytest.fixture
def stored(fake: FakeClassifier) -> None:
    """Three images of two classes."""
    for content in CONTENTS:
        fake.store[bytes.fromhex(sha256(content))] = [content.decode().split("-")[0]]


@pytest.mark.usefixtures("stored")
def test_the_nearest_images_come_with_their_distances_and_thumbnails(studio: Door, fake: FakeClassifier) -> None:
    path = "/v1/datasets/default:similar?count=2&pool=true"
    answer = studio.form(path, ("image", b"cat-9", "img.jpg")).json
    assert [(entry["example"]["sha256"], entry["distance"]) for entry in answer["examples"]] == [
        (sha256(CONTENTS[0]), 0.0),
        (sha256(CONTENTS[1]), 0.125),
    ]
    assert answer["compared_count"] == 3
    assert base64.b64decode(answer["examples"][0]["example"]["thumbnail"]) == b"jpeg"
    [request] = fake.messages("Similar")
    assert (request.image.content, request.count, request.pool) == (b"cat-9", 2, True)


@pytest.mark.usefixtures("stored")
def test_a_stored_image_is_not_among_those_like_it(studio: Door, fake: FakeClassifier) -> None:
    path = f"/v1/datasets/default/examples/{sha256(CONTENTS[0])}:similar?label=cat&thumbnails=false"
    answer = studio("GET", path).json
    assert [entry["example"]["sha256"] for entry in answer["examples"]] == [sha256(CONTENTS[1])]
    assert answer["examples"][0]["example"]["thumbnail"] == ""
    missing = studio("GET", f"/v1/datasets/default/examples/{'00' * 32}:similar")
    check_problem(missing, 404, "NOT_FOUND", "RESOURCE_NOT_FOUND")


@pytest.mark.usefixtures("stored")
def test_what_cannot_be_compared_is_a_problem(studio: Door) -> None:
    path = "/v1/datasets/default:similar"
    bad = studio.form(path, ("image", b"bad", "x"))
    check_problem(bad, 400, "INVALID_ARGUMENT", "IMAGE_UNDECODABLE")
    large = studio("POST", path, bytes(32 * MIB + 1), kind="image/jpeg")
    check_problem(large, 400, "INVALID_ARGUMENT", "FILE_TOO_LARGE", "image")
    two = studio.form(path, ("image", b"cat-1", "x"), ("image", b"cat-2", "y"))
    check_problem(two, 400, "INVALID_ARGUMENT", "INVALID_FIELD", "image")
    many = studio.form(f"{path}?count=1001", ("image", b"cat-1", "x"))
    check_problem(many, 400, "INVALID_ARGUMENT", "INVALID_FIELD", "count")
    short = studio("GET", "/v1/datasets/default/examples/00:similar")
    check_problem(short, 400, "INVALID_ARGUMENT", "INVALID_FIELD", "sha256")


@pytest.mark.usefixtures("stored")
def test_a_map_tells_how_far_it_is_and_ends_with_its_points(studio: Door, fake: FakeClassifier) -> None:
    body = {"method": "pca", "max_examples": 50, "pool": True, "model": "default"}
    answer = studio("POST", "/v1/datasets/default:map", body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.content)
    assert [name for name, _ in told] == ["progress", "points", "map"]
    assert told[0][1] == {"message": "reading the features", "fraction": 0.25}
    points = told[1][1]["points"]
    assert [point["sha256"] for point in points] == list(map(sha256, CONTENTS))
    assert points[0] == {
        "id": "",
        "sha256": sha256(CONTENTS[0]),
        "labels": ["cat"],
        "x": -1.0,
        "y": 0.5,
        "suspicious": True,
        "suggested_label": "dog",
    }
    assert told[2][1] == {"method": "pca", "example_count": 3, "stale_count": 0}
    [request] = fake.messages("MapExamples")
    assert (request.max_examples, request.pool, request.model) == (50, True, "default")


def test_a_map_that_fails_is_a_problem(studio: Door, fake: FakeClassifier) -> None:
    missing = studio("POST", "/v1/datasets/lion:map", {})
    check_problem(missing, 404, "NOT_FOUND", "RESOURCE_NOT_FOUND")
    fake.script["MapExamples"] = [InvalidFieldError("dataset", "It has three images.")]
    refused = studio("POST", "/v1/datasets/default:map", {})
    check_problem(refused, 400, "INVALID_ARGUMENT", "INVALID_FIELD", "dataset")
    few = studio("POST", "/v1/datasets/default:map", {"max_examples": 1})
    check_problem(few, 400, "INVALID_ARGUMENT", "INVALID_FIELD", "max_examples")
