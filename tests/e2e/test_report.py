"""Reports as a browser shows them: without a network, an error, or anything that is wider than the screen."""

import functools
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, Route, sync_playwright

from lastlayer.client.report.map.gather import PicturedMap
from lastlayer.client.report.map.page import render_map
from lastlayer.client.report.model import Gallery, Report
from lastlayer.local.services import Service
from tests.e2e.conftest import json_lines, run_client
from tests.e2e.test_processes import write_photos
from tests.unit.client.report import samples
from tests.unit.client.samples import version as plain_version

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NOBODY LOOKED AT THE REPORTS: chromium, chromium-browser and google-chrome are not on the PATH",
)

SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
EMPTY = Gallery((), 0)
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "W" * 256, "ß" * 120)

REPORTS: dict[str, Report] = {
    "everything": samples.report(),
    "two-classes": samples.report(version=samples.version(("cat", "dog"))),
    "fifty-classes": samples.report(version=samples.version(tuple(f"a species of bird {n}" for n in range(50)))),
    "hundred-classes": samples.report(version=samples.version(tuple(f"species {n}" for n in range(100)))),
    "hostile": samples.report(
        map=samples.mapped(HOSTILE),
        version=samples.version(HOSTILE, model="m" * 63, dataset="d" * 63, notes=HOSTILE),
        mistakes=Gallery(tuple(samples.gallery(1).examples) * 2, 2),
    ),
    "nothing-validated": Report(plain_version(notes=("One image each.",)), None, EMPTY, EMPTY),
}


@functools.cache
def rendered(name: str) -> str:
    """Return a report's page, which takes seconds to draw."""
    from lastlayer.client.report.page import render  # with Matplotlib

    return render(REPORTS[name])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Chromium has no sandbox for root, as which containers and continuous integration run.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield launched
        finally:
            launched.close()


def look(browser: Browser, page: Path, width: int) -> None:
    """Show the page, light and dark, and assert that it is in order; leave pictures of one that is not beside it."""
    troubles: list[str] = []
    requests: list[str] = []

    def record(request: Request) -> None:
        if not request.url.startswith("data:"):
            requests.append(request.url)

    def refuse(route: Route) -> None:
        if route.request.url.startswith(("file:", "data:")):
            route.continue_()
        else:
            route.abort()

    with browser.new_context(viewport={"width": width, "height": 900}, offline=True) as context:
        shown = context.new_page()
        shown.on("console", lambda message: troubles.append(message.text))
        shown.on("pageerror", lambda error: troubles.append(str(error)))
        shown.on("dialog", lambda dialog: troubles.append(dialog.message))
        shown.on("request", record)
        shown.route("**/*", refuse)
        shown.goto(page.as_uri())
        for summary in shown.locator("summary").all():
            summary.click()
        for scheme in SCHEMES:
            shown.emulate_media(color_scheme=scheme)
            excess = shown.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            broken = shown.evaluate("[...document.images].filter(image => !image.naturalWidth).length")
            found = (excess, broken, shown.locator("h1").count(), troubles, requests)
            in_order: tuple[object, ...] = (0, 0, 1, [], [page.as_uri()])
            if found != in_order:
                shown.screenshot(path=page.with_name(f"{page.stem}-{width}-{scheme}.png"), full_page=True)
            assert found == in_order


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize(
    "name",
    [name if name == "everything" else pytest.param(name, marks=pytest.mark.long) for name in REPORTS],
)
def test_a_report_fits_every_screen(browser: Browser, tmp_path: Path, name: str, width: int) -> None:
    page = tmp_path / f"{name}.html"
    page.write_text(rendered(name), encoding="utf-8")
    look(browser, page, width)


@pytest.mark.long
def test_a_real_report(browser: Browser, classifier: Service, tmp_path: Path) -> None:
    server = classifier.address
    write_photos(tmp_path / "train", each=12)
    for number in range(2):  # labels that are wrong
        (tmp_path / f"train/red/00{number}.{'png' if number else 'jpg'}").rename(
            tmp_path / f"train/blue/red{number}.jpg"
        )
    json_lines(run_client(server, "train", str(tmp_path / "train"), "--model", "colours", "--json"))
    page = tmp_path / "report.html"
    [written] = json_lines(run_client(server, "report", "colours", "-o", str(page), "--json"))
    assert (written["model"], written["version"], written["bytes"]) == ("colours", 1, page.stat().st_size)
    assert 'alt="where in it' in page.read_text("utf-8")
    look(browser, page, 400)
    with browser.new_context(viewport={"width": 1280, "height": 900}, offline=True) as context:
        shown = context.new_page()
        shown.goto(page.as_uri())
        cells = shown.locator(".confusion a").all()
        told = [cell.get_attribute("aria-label") or "" for cell in cells]
        assert {text.partition(":")[0] for text in told} >= {"blue predicted as red", "red predicted as red"}
        panel = shown.locator(".cell:visible")
        assert panel.count() == 0
        cells[0].click()
        assert panel.locator("img").count() > 0
        first = panel.get_attribute("id")
        cells[1].focus()  # as Tab does
        shown.keyboard.press("Enter")
        assert panel.count() == 1
        assert panel.get_attribute("id") != first
        assert shown.locator(".confusion").is_visible()
        panel.get_by_text("close").click()
        assert panel.count() == 0


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("everything", 3),
        pytest.param("fifty-classes", 4, marks=pytest.mark.long),
        pytest.param("two-classes", 3, marks=pytest.mark.long),
    ],
)
def test_a_report_prints_on_few_pages(browser: Browser, tmp_path: Path, name: str, most: int) -> None:
    page = tmp_path / "report.html"
    page.write_text(rendered(name), encoding="utf-8")
    with browser.new_context(color_scheme="dark") as context:
        shown = context.new_page()
        shown.goto(page.as_uri())
        printed = shown.pdf(format="A4")
        shown.emulate_media(media="print")
        background = shown.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= most
    assert background == "rgb(255, 255, 255)"  # on paper, whatever the screen has


@pytest.mark.parametrize("width", [1280, 400])
def test_the_matrix_begins_below_its_text(browser: Browser, tmp_path: Path, width: int) -> None:
    page = tmp_path / "report.html"
    page.write_text(rendered("everything"), encoding="utf-8")
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        shown = context.new_page()
        shown.goto(page.as_uri())
        text = shown.locator("#matrix .aside").bounding_box()
        matrix = shown.locator("#matrix svg").bounding_box()
    assert text is not None
    assert matrix is not None
    assert 0 <= matrix["y"] - (text["y"] + text["height"]) < 40


MAPS: dict[str, PicturedMap] = {
    "everything": samples.mapped(),
    "hostile": samples.mapped(HOSTILE, dataset="d" * 63, model="m" * 63),
    "fifty-classes": samples.mapped(tuple(f"a species of bird {n}" for n in range(50)), 600),
}


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", ["everything", "hostile", pytest.param("fifty-classes", marks=pytest.mark.long)])
def test_a_map_fits_every_screen(browser: Browser, tmp_path: Path, name: str, width: int) -> None:
    page = tmp_path / f"map-{name}.html"
    page.write_text(render_map(MAPS[name]), encoding="utf-8")
    look(browser, page, width)


def ink_of(shown: Page) -> int:
    """Return how much is drawn on a map, once it is drawn."""
    return int(
        shown.evaluate(
            """async () => {
                for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
                const map = document.getElementById("map");
                const pixels = map.getContext("2d").getImageData(0, 0, map.width, map.height).data;
                return pixels.reduce((sum, byte) => sum + (byte > 0), 0);
            }"""
        )
    )


def test_a_map_by_keyboard_and_by_mouse(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "map.html"
    page.write_text(render_map(MAPS["everything"]), encoding="utf-8")
    with browser.new_context(viewport={"width": 1280, "height": 900}, offline=True) as context:
        shown = context.new_page()
        shown.goto(page.as_uri())
        said, file, picture = shown.locator("#said"), shown.locator("#id"), shown.locator("#photo img")
        assert shown.locator("#nothing").is_visible()
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.id") == "map"
        shown.keyboard.press("n")
        assert "the model suggests" in said.inner_text()
        assert picture.is_visible()
        assert picture.evaluate("image => image.naturalWidth") > 0
        first = file.inner_text()
        shown.keyboard.press("n")
        assert file.inner_text() != first
        shown.keyboard.press("p")
        assert file.inner_text() == first
        shown.keyboard.press("ArrowLeft")
        assert file.inner_text() != first
        shown.keyboard.press("+")
        shown.keyboard.press("0")
        shown.keyboard.press("Escape")
        assert shown.locator("#nothing").is_visible()
        # All but the marked ones go, and the classes one by one.
        everything = ink_of(shown)
        shown.locator("#only").check()
        marked = ink_of(shown)
        shown.locator("#all").click()
        assert (everything > marked > 0, ink_of(shown)) == (True, 0)
        shown.locator("#all").click()
        shown.locator("#only").uncheck()
        frame = shown.locator("#map").bounding_box()
        assert frame is not None
        for step in range(40):  # somewhere on the way there is an image
            shown.mouse.move(frame["x"] + frame["width"] * step / 40, frame["y"] + frame["height"] * step / 40)
        assert "labelled" in said.inner_text() or "conflict" in said.inner_text()
        found = Axe().run(shown)
        assert found.response["violations"] == []
