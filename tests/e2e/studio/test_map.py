"""Map: laid out with progress and stopped; points shown, opened, relabelled, removed; its legend and its words."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from lastlayer.client import Client
from tests.e2e.studio.conftest import Opened, pixels, write_colours
from tests.e2e.studio.test_access import violations
from tests.programs import until


@pytest.fixture
def page(opened: Opened, classifier: str, tmp_path: Path, request: pytest.FixtureRequest) -> Page:
    """Two classes of six photos, one photo in both, and two in the pool, in a project of the test's name."""
    name = request.node.name[:60]
    both = Image.fromarray(pixels("green", 1))
    with Client(classifier) as client:
        client.add_examples(write_colours(tmp_path / "photos", each=6), dataset=name)
        client.add_examples([(both, "red"), (both, "blue")], dataset=name)
        client.add_to_pool([Image.fromarray(pixels("green", number)) for number in (2, 3)], dataset=name)
    shown = opened(f"{name}/map")
    expect(shown.locator(".mapping")).to_be_visible()
    return shown


def name_of(page: Page) -> str:
    return page.url.rpartition("/")[0].rpartition("/")[2]


def test_it_is_read_by_keyboard_and_in_words(page: Page) -> None:
    expect(page.locator(".summary")).to_contain_text("15 photos laid out by")
    assert [text.split("\n") for text in page.locator(".legend .entry").all_inner_texts()] == [
        ["blue", "7"],
        ["red", "7"],
        ["No label", "2"],
        ["In two classes", "1"],
    ]
    painted = "[...document.querySelector('.plot').getContext('2d').getImageData(0, 0, 800, 500).data].some(Boolean)"
    assert page.evaluate(painted)
    page.locator("canvas.plot").focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".tip img")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".opened-photo h2")).to_be_focused()
    expect(page.locator(".opened-photo img")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("canvas.plot")).to_be_focused()

    page.get_by_text("The map in words").click()
    expect(page.locator(".tables tbody").nth(1).locator("tr")).to_have_count(15)
    expect(page.locator(".tables tbody").nth(1).locator("tr").first).to_contain_text("in red and blue")
    for entry in ("No label", "red"):
        page.locator(".legend .entry", has_text=entry).click()
    expect(page.locator(".tables tbody").nth(1).locator("tr")).to_have_count(7)
    page.locator(".legend .entry", has_text="In two classes").click()
    expect(page.locator(".tables tbody").nth(1).locator("tr")).to_have_count(1)
    assert violations(page) == []


@pytest.mark.long  # one test of the map is enough for every run
def test_it_is_zoomed_and_opened_with_a_mouse(page: Page) -> None:
    page.locator("canvas.plot").focus()
    page.keyboard.press("0")
    tip = page.locator(".tip")
    expect(tip).to_be_visible()
    place = tip.evaluate("(tip) => ['--x', '--y'].map((name) => parseFloat(tip.style.getPropertyValue(name)))")
    page.locator("h1").click()
    expect(tip).to_be_hidden()
    page.locator("canvas.plot").scroll_into_view_if_needed()
    box = page.locator("canvas.plot").bounding_box()
    assert box is not None
    x, y = box["x"] + place[0], box["y"] + place[1]
    page.mouse.move(x, y)
    expect(tip).to_be_visible()
    words = tip.inner_text()
    page.mouse.wheel(0, -400)
    expect(tip).to_be_hidden()
    page.mouse.move(x + 1, y)  # what is under the pointer stays there
    expect(tip).to_have_text(words)
    page.mouse.down()
    page.mouse.up()
    expect(page.locator(".opened-photo h2")).to_have_text(words)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y + 60, steps=4)
    page.mouse.up()  # that was no click, but moved the map
    page.mouse.move(x + 121, y + 60)
    expect(tip).to_have_text(words)


@pytest.mark.long  # axe takes its time
def test_a_photo_is_relabelled_removed_and_compared(page: Page, classifier: str) -> None:
    page.get_by_text("The map in words").click()
    page.get_by_role("button", name="blue/blue-00.jpg").click()
    expect(page.locator(".opened-photo h2")).to_have_text("blue")
    page.locator(".opened-photo").get_by_role("button", name="Images like this").click()
    expect(page.locator("dialog .alike li")).to_have_count(14)
    nearest = page.locator("dialog .alike li").first
    assert 0 <= float(nearest.locator(".hint").inner_text()) < 0.5
    assert violations(page) == []
    nearest.get_by_role("button").click()
    expect(page.locator("dialog").get_by_role("button", name="Back")).to_be_visible()
    page.get_by_label("Also those without a label").uncheck()
    expect(page.locator("dialog .alike li")).to_have_count(12)
    page.keyboard.press("Escape")

    page.get_by_label("Label", exact=True).select_option("red")
    page.get_by_role("button", name="Give it").click()
    expect(page.locator(".opened-photo h2")).to_have_text("red")
    expect(page.locator(".legend .entry", has_text="red")).to_contain_text("8")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator(".legend .entry", has_text="red")).to_contain_text("7")
    page.get_by_role("link", name="Collect", exact=True).click()
    with Client(classifier) as client:
        until(lambda: client.get_dataset(name_of(page)).classes == {"blue": 5, "red": 6})


@pytest.mark.long  # it is laid out twice
def test_a_layout_can_be_stopped(page: Page) -> None:
    held: list[Route] = []
    page.route("**:map", lambda route: held.append(route))  # it never begins
    page.get_by_role("button", name="Lay out again").click()
    expect(page.get_by_role("progressbar", name="Laying out")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("progressbar", name="Laying out")).to_be_hidden()
    expect(page.locator(".summary")).to_contain_text("15 photos laid out by")
    assert len(held) == 1
    page.unroute_all(behavior="ignoreErrors")
