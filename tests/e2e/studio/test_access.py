"""For everybody: by keyboard alone, on a phone, in the dark, with a screen reader."""

import json
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.studio.conftest import Opened, excess, pixels

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
VIEWS = ("collect", "label", "map", "train", "mend", "try", "take")


def violations(page: Page) -> list[Any]:
    """Return what axe finds, with the elements."""
    # Evaluated, as the policy of the page lets no script be added to it.
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)")
    return [(entry["id"], entry["impact"], [node["html"] for node in entry["nodes"]]) for entry in found]


def settle(page: Page, view: str, tmp_path: Path) -> None:
    """Show as much of a view as there is."""
    page.wait_for_load_state("networkidle")
    if view == "collect":
        page.locator("button.thumb").first.click()
    elif view == "map":
        expect(page.locator(".mapping")).to_be_visible()
        page.get_by_text("The map in words").click()
        page.locator(".tables .link").first.click()
    elif view == "train":
        page.locator(".confusion .right").first.click()
        expect(page.locator(".opened .mapped").first).to_be_visible()
        page.locator("summary").first.click()
    elif view == "try":
        Image.fromarray(pixels("blue", 60)).save(tmp_path / "new.jpg")
        page.get_by_label("Choose photos to try").set_input_files(tmp_path / "new.jpg")
        expect(page.locator(".answer")).to_have_text("blue")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), pytest.param(400, "dark", marks=pytest.mark.long)])
def test_each_view_fits_and_axe_finds_nothing(
    opened: Opened, colours: str, tmp_path: Path, width: int, scheme: str
) -> None:
    page = opened(f"{colours}/collect", width=width, scheme=scheme)
    for view in VIEWS:
        page.goto(page.url.rpartition("/")[0] + f"/{view}")
        expect(page.locator("h1")).to_have_text(view.capitalize())
        settle(page, view, tmp_path)
        assert excess(page) == 0, view
        assert violations(page) == [], view
    page.goto(page.url.partition("#")[0] + "#/api")
    expect(page.locator("h1")).to_have_text("HTTP interface")
    assert (excess(page), violations(page)) == (0, [])
    page.goto(page.url.partition("#")[0] + "#/nothing-yet/collect")
    expect(page.locator(".drop")).to_be_visible()
    page.get_by_role("button", name="Make a class by hand").click()
    assert (excess(page), violations(page)) == (0, [])
    broken = page.evaluate("[...document.images].filter((image) => !image.naturalWidth).length")
    assert broken == 0


def test_axe_is_looking(opened: Opened, colours: str) -> None:
    page = opened(f"{colours}/try")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert [name for name, *_ in violations(page)] == ["button-name"]


def focus(page: Page, name: str, presses: int = 60) -> None:
    """Go on with the tabulator until an element of this name has the focus; each on the way is seen to have it."""
    for _ in range(presses):
        page.keyboard.press("Tab")
        where = json.loads(
            page.evaluate(
                """() => {
                  const element = document.activeElement;
                  const shown = element.closest(".button") ?? element;
                  const name = element.getAttribute("aria-label") ?? element.textContent;
                  const outline = getComputedStyle(shown).outlineStyle;
                  return JSON.stringify({name, outline, tag: element.tagName});
                }"""
            )
        )
        if where["tag"] not in ("BODY", "H2", "H3"):  # headings have it where a new part begins
            assert where["outline"] != "none", where
        if where["name"].strip() == name:
            return
    raise AssertionError(f"no way by the keyboard to {name}")


@pytest.mark.long
def test_everything_can_be_done_by_keyboard(opened: Opened, colours: str) -> None:
    page = opened(f"{colours}/collect")
    page.wait_for_load_state("networkidle")
    focus(page, "blue/blue-00.jpg")
    page.keyboard.press("Space")
    focus(page, "Move to")
    page.keyboard.press("Escape")  # nothing is selected any more
    expect(page.locator(".selection")).to_be_hidden()
    page.reload()
    page.wait_for_load_state("networkidle")
    focus(page, "Train")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Train")
    page.wait_for_load_state("networkidle")
    focus(page, "Train again")
    page.keyboard.press("Enter")
    expect(page.locator(".toast.good")).to_contain_text("is trained and in use")
    expect(page.locator(".headline h2")).to_be_focused()
    focus(page, "6 photos of blue recognised")
    page.keyboard.press("Enter")
    expect(page.locator(".opened h3")).to_be_focused()
    page.locator("nav a", has_text="Try").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Try")
    focus(page, "Use the camera")
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_have_text("red")
    focus(page, "Stop the camera")
    page.keyboard.press("Enter")
    expect(page.locator("video")).to_be_hidden()
