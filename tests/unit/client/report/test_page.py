"""The page of a report: complete in itself, whole where things are absent, and safe whatever labels say."""

import datetime
import functools
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from lastlayer.client.report.model import Gallery, Pictured, Report
from lastlayer.client.results.datasets import Dataset
from tests.lazy import LazyModule
from tests.unit.client.report import samples
from tests.unit.client.samples import version as plain_version

if TYPE_CHECKING:
    from lastlayer.client.report import page as page_of
else:
    page_of = LazyModule("lastlayer.client.report.page")  # which imports Matplotlib

EMPTY = Gallery((), 0)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "$x^2$ $\\frac{",
    "</style></title></svg>",
    "{{ 7 * 7 }}",
    "a\u202eb\x1b[31m",
    "日本語のとても長いラベルです",
)


class Elements(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@functools.cache
def usual() -> str:
    """Return the page of the samples as they are; to draw one takes long."""
    return page_of.render(samples.report())


def read(**changes: Any) -> Elements:
    return Elements(page_of.render(samples.report(**changes)) if changes else usual())


def headings(page: Elements) -> str:
    return re.sub("[ \n]+", " ", page.text)


def test_it_says_what_to_expect() -> None:
    found = samples.metrics()
    text = headings(read())
    assert f"expect about {100 * found.accuracy:.0f} to be recognised" in text
    assert "cross-validated" in text
    assert "95\u202f% interval" in text
    assert "from 5.8\u202f% to 2.1\u202f%" in text  # the calibration error, before and after
    assert "threshold is 0.620" in text
    assert "3f" * 32 in text
    assert "numpy 2.2.1" in text
    assert "The worst 8 of 16 are shown." in text


def test_it_needs_nothing_else() -> None:
    page = read()
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert {value[:22] for value in page.values("src")} == {"data:image/jpeg;base64"}
    assert all(value.startswith("#") for value in page.values("href") + page.values("xlink:href"))
    assert not re.search(r"url\((?!#)", usual())
    [policy] = [value for value in page.values("content") if "default-src" in value]
    assert policy.startswith("default-src 'none'")


def test_ids_are_unique_and_everything_that_is_referred_to_is_there() -> None:
    page = read()
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    referred = {value[1:] for value in page.values("xlink:href") + page.values("href")} | set(
        re.findall(r"url\(#([^)]+)\)", " ".join(value for _, value in page.attributes))
    )
    assert referred == set(ids)


def test_each_cell_with_photos_leads_to_them() -> None:
    report = samples.report()
    page = read()
    links = [value for value in page.values("xlink:href") if value.startswith("#confusion-photos-")]
    panels = [value for value in page.values("id") if value.startswith("confusion-photos-")]
    assert [f"#{panel}" for panel in panels] == links
    assert len(links) == len(report.cells)
    said = [value for value in page.values("aria-label") if "predicted as" in value]
    assert len(said) == len(links)
    assert "target" not in dict(page.attributes)
    assert "a click, or Enter, shows its photos" in headings(page)
    without = read(cells={})
    assert "a" not in without.tags
    assert "a click, or Enter" not in headings(without)


def test_a_wrong_label_comes_with_the_command_that_mends_it() -> None:
    worst = Pictured(samples.reviewed(1, label="roses", suggested="it's a tulip"))
    text = headings(read(version=samples.version(dataset="garden"), suspicious=Gallery((worst,), 1)))
    [command] = re.findall(r"client relabel (.*?) --dataset garden", text)
    assert command == """0101010101010101 --to 'it'"'"'s a tulip'"""


def test_colours_are_those_of_the_style() -> None:
    assert "#0101" not in usual()
    assert "var(--right)" in usual()


def test_the_same_numbers_make_the_same_page() -> None:
    assert page_of.render(samples.report()) == usual()


@functools.cache
def plain_mistake() -> Elements:
    """Return a page of a version with a mistake, whose labels and names are all harmless."""
    worst = Pictured(samples.reviewed(name="a", label="a", suggested="a"), samples.photo())
    return read(version=samples.version(("a", *samples.FLOWERS)), mistakes=Gallery((worst,), 1))


@pytest.mark.parametrize("label", HOSTILE)
def test_labels_and_names_are_only_text(label: str) -> None:
    labels = (label, *samples.FLOWERS)
    worst = Pictured(samples.reviewed(name=label, label=label, suggested=label), samples.photo())
    plain = plain_mistake()
    version = samples.version(labels, model="m", dataset=label, notes=(label,), libraries={label: label})
    hostile = read(version=version, mistakes=Gallery((worst,), 1))
    assert set(hostile.tags) <= set(plain.tags)
    assert {name for name, _ in hostile.attributes} <= {name for name, _ in plain.attributes}
    assert not any(name.startswith("on") for name, _ in hostile.attributes)
    visible = label.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")
    assert visible in hostile.text
    assert visible in hostile.values("title") + hostile.values("alt")


@pytest.mark.parametrize("count", [2, 9, 50, 61])
def test_any_number_of_classes(count: int) -> None:
    labels = tuple(f"a class with number {number}" for number in range(count))
    page = read(version=samples.version(labels))
    matrix = samples.metrics(labels).confusion_matrix
    cells = re.findall(r"predicted as .*?: \d+ of \d+", page.text)
    assert len(cells) == sum(value > 0 for row in matrix for value in row)
    assert ("not validated" in page.text) == (count == 9)  # of more than 30 classes only the weakest are charted


def test_nothing_was_validated() -> None:
    page = read(version=plain_version(notes=("Each class has only one example.",)), mistakes=EMPTY, suspicious=EMPTY)
    assert "is not known" in page.text
    assert "Each class has only one example." in page.text
    assert "svg" not in page.tags
    assert "it has been deleted since" in page.text


def test_the_recipe_tutorial_has_no_search_and_no_calibration() -> None:
    version = samples.version(recipe="tutorial", trials=(), calibration=None, rejection=None, comparisons=())
    text = headings(read(version=version))
    assert "What was tried" not in text
    assert "Recipe by recipe" not in text
    assert "without calibration" in text
    assert "This version has no threshold" in text


def test_a_metric_without_intervals_and_bins() -> None:
    metrics = samples.metrics()
    bare = type(metrics)(
        **{name: getattr(metrics, name) for name in ("example_count", "log_loss", "accuracy", "macro_accuracy")},
        log_loss_reduction=None,
        classes=metrics.classes,
        confusion_matrix=metrics.confusion_matrix,
    )
    text = headings(read(version=samples.version(cross_validation=bare, rejection_curve=(), rejection=None)))
    assert "95\u202f% interval:" not in text
    assert "mean what they say" not in text
    assert "may say that it does not know" not in text


def test_examples_without_pictures() -> None:
    bare = Gallery((Pictured(samples.reviewed(thumbnail=b"")),), 1)
    page = read(mistakes=bare, suspicious=bare, cells={}, map=None, no_heatmaps="Its taps are <no> means.")
    assert "img" not in page.tags
    assert "No pictures are shown" in headings(page)
    assert "There are no activation maps: Its taps are <no> means." in headings(page)


def test_the_dataset_as_it_is_now() -> None:
    time = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    now = Dataset("flowers", 310, {"daisy": 310}, 4, "googlenet", "00", time, time)
    assert "now 310 of 1, and 4 with several labels" in headings(read(dataset=now))


def test_no_mistakes_at_all() -> None:
    perfect = samples.metrics(("a", "b"), each=3)
    assert sum(perfect.confusion_matrix[0]) == 3
    sure = type(perfect)(
        **{
            **{name: getattr(perfect, name) for name in perfect.__slots__},
            "confusion_matrix": ((3, 0), (0, 3)),
            "accuracy_interval": (0.6, 1.0),
        }
    )
    report = Report(samples.version(("a", "b"), cross_validation=sure), None, EMPTY, EMPTY)
    text = headings(Elements(page_of.render(report)))
    assert "Nothing was taken for anything else." in text
    assert "The most confident mistakes" not in text
    assert "None was found among the images" in text
