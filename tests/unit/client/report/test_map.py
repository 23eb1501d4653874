"""Maps as pages: complete in themselves, of bounded size, and safe whatever names and labels say."""

import base64
import hashlib
import io
import json
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from lastlayer.client.report.map.classes import COLOURED, describe, find_classes
from lastlayer.client.report.map.dots import to_dots
from lastlayer.client.report.map.gather import PicturedMap, by_worth, gather_map
from lastlayer.client.report.map.page import render_map
from lastlayer.client.report.similar.page import render_similar
from lastlayer.client.results.curation import ExampleMap, MapPoint, SimilarExample, SimilarExamples
from lastlayer.client.results.examples import StoredExample
from lastlayer.client.results.models import TrainProgress
from tests.unit.client.report import samples

HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!--",
    "a\u202eb\x1b[31m",
    "{{ 7 * 7 }}",
)
EMPTY = ExampleMap((), "pca", 0)


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}", {}))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts[-1] += data


def data_of(page: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Elements(page).scripts[0])
    return data


def test_a_page_has_every_point_and_the_photos() -> None:
    pictured = samples.mapped()
    page = render_map(pictured)
    data = data_of(page)
    assert len(data["points"]) == 200
    assert len(data["photos"]) == 100
    assert [label for label, _ in data["classes"]] == [entry.label for entry in find_classes(pictured.map.points)]
    first = data["points"][0]
    assert first[3:] == [1, pictured.map.points[0].id, "0" * 12, "labelled daisy; the model suggests dandelion"]
    assert base64.b64decode(data["photos"]["0"]) == pictured.photos[pictured.map.points[0].sha256]
    assert "200 of 600 images of 5 classes." in page
    assert "7 images of the dataset are not on the map" in page
    assert page.count("client relabel") == 10
    assert "100 of the images have their photo on this page" in page


def test_only_its_own_script_runs() -> None:
    page = render_map(samples.mapped(HOSTILE, dataset=HOSTILE[0], model=HOSTILE[1]))
    elements = Elements(page)
    policies = [
        found["content"] for tag, found in elements.found if found.get("http-equiv") == "Content-Security-Policy"
    ]
    [policy] = policies
    data, script = elements.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert {tag for tag, _ in elements.found} <= {tag for tag, _ in Elements(render_map(samples.mapped())).found}
    assert not [name for _, found in elements.found for name in found if name.startswith("on")]
    assert json.loads(data)["classes"][0][0] == HOSTILE[0]
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "{{ 7 * 7 }}" in page


@pytest.mark.parametrize("scheme", ["http:", "https:", "//"])
def test_nothing_is_fetched(scheme: str) -> None:
    for tag, found in Elements(render_map(samples.mapped())).found:
        assert not [value for name, value in found.items() if name in ("src", "href") and value.startswith(scheme)], tag


def test_a_map_without_images_says_so() -> None:
    page = render_map(PicturedMap("d", "", EMPTY))
    assert "There is no image to lay out." in page
    assert "<canvas" not in page


def test_only_so_many_classes_have_a_colour_of_their_own() -> None:
    points = [MapPoint(str(n), bytes(32), (f"class {n % 14}",), 0, 0) for n in range(100)]
    classes = find_classes(points)
    assert [entry.colour for entry in classes] == [*range(COLOURED), *[COLOURED] * 4]
    assert [entry.images for entry in classes] == sorted((entry.images for entry in classes), reverse=True)


def test_what_is_said_of_a_point() -> None:
    point = MapPoint("a", bytes(32), ("cat",), 0, 0)
    assert describe(point) == "labelled cat"
    assert describe(MapPoint("a", bytes(32), ("cat", "dog"), 0, 0)) == "conflict: cat and dog"
    assert describe(MapPoint("a", bytes(32), (), 0, 0)) == "in the pool, without a label"
    assert describe(MapPoint("a", bytes(32), ("cat",), 0, 0, True, "dog")) == "labelled cat; the model suggests dog"


def test_what_is_worth_a_look_comes_first() -> None:
    points = samples.mapped().map.points
    ordered = by_worth(points)
    assert [point.suspicious for point in ordered] == [True] * 10 + [False] * 190
    assert [len(point.labels) > 1 for point in ordered] == [False] * 10 + [True] * 10 + [False] * 180
    assert sorted(ordered, key=points.index) == list(points)


class Server:
    """Has a map, and thumbnails of its images."""

    def __init__(self, thumbnail: bytes, *, multi_label: bool = False) -> None:
        self._thumbnail = thumbnail
        self._multi_label = multi_label
        self.asked: list[int] = []

    def get_dataset(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, multi_label=self._multi_label)

    def map_examples(self, dataset: str, **asked: Any) -> ExampleMap:
        return samples.mapped(count=1500).map

    def get_examples(self, dataset: str, examples: list[bytes], *, thumbnails: bool) -> tuple[StoredExample, ...]:
        assert thumbnails
        self.asked.append(len(examples))
        return tuple(StoredExample("", sha256, ("x",), False, self._thumbnail) for sha256 in examples)


def test_photos_are_small_and_as_many_as_fit() -> None:
    server, told = Server(samples.photo()), list[TrainProgress]()
    pictured = gather_map(server, "d", most_bytes=10**8, on_progress=told.append)  # type: ignore[arg-type]
    assert (server.asked, len(pictured.photos)) == ([1000, 500], 1500)
    assert told[-1].fraction == 1
    shown = next(iter(pictured.photos.values()))
    assert Image.open(io.BytesIO(shown)).size == (128, 96)
    few = gather_map(Server(samples.photo()), "d", most_bytes=100 * len(shown))  # type: ignore[arg-type]
    assert len(few.photos) == 100
    assert {point.sha256 for point in few.map.points if point.suspicious} <= few.photos.keys()


def test_several_labels_are_no_conflict_but_a_colour_where_a_photo_may_have_them() -> None:
    pictured = gather_map(Server(b"", multi_label=True), "d", most_bytes=10**8)  # type: ignore[arg-type]
    assert {len(point.labels) for point in pictured.map.points} == {1}
    assert any(" + " in point.labels[0] for point in pictured.map.points)


@pytest.mark.parametrize("thumbnail", [b"", b"no picture"])
def test_without_thumbnails_there_are_no_photos(thumbnail: bytes) -> None:
    pictured = gather_map(Server(thumbnail), "d", most_bytes=10**8)  # type: ignore[arg-type]
    assert not pictured.photos


def test_the_dots_of_a_report_reach_what_is_marked_by_the_keyboard() -> None:
    found = to_dots(samples.mapped())
    assert len(found.dots) == 200
    assert [dot.is_marked for dot in found.dots] == [False] * 180 + [True] * 20
    assert (found.suspicious, found.conflicts, found.photos) == (10, 10, 100)
    assert all(3 <= place <= 97 for dot in found.dots for place in (dot.left, dot.top))


def test_a_page_of_similar_images() -> None:
    stored = StoredExample("<b>1</b>.jpg", bytes(32), ("cat", "dog"), False, samples.photo())
    bare = StoredExample("2.jpg", bytes(32), (), False)
    found = SimilarExamples((SimilarExample(stored, 0.125), SimilarExample(bare, 0.25)), 1234, 5)
    page = render_similar(found, "pets", HOSTILE[1], samples.photo())
    assert page.count("data:image/jpeg") == 2
    assert "&lt;b&gt;1&lt;/b&gt;.jpg" in page
    assert "cat, dog" in page
    assert ">pool<" in page
    assert "nearest of 1,234 images" in page
    assert "5 were not compared" in page
    assert "<script" not in page
    assert "onerror" not in {name for _, attributes in Elements(page).found for name in attributes}
    assert "There is nothing to compare with." in render_similar(SimilarExamples((), 0), "pets", "x", b"no picture")
