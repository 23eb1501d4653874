"""Collect: photos selected, moved and deleted by keyboard; conflicts."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from lastlayer.client import Client
from tests.e2e.studio.conftest import Opened, drop, pixels, write_colours


@pytest.fixture
def page(opened: Opened, classifier: str, tmp_path: Path, request: pytest.FixtureRequest) -> Page:
    """The photos of two classes, five of each, in a project of the test's name."""
    name = request.node.name[:60]
    with Client(classifier) as client:
        client.add_examples(write_colours(tmp_path / "photos", each=5), dataset=name)
    shown = opened(f"{name}/collect")
    expect(shown.locator("button.thumb")).to_have_count(10)
    return shown


def pressed(page: Page) -> list[str]:
    return [str(thumb.get_attribute("title")) for thumb in page.locator('button.thumb[aria-pressed="true"]').all()]


def test_photos_are_moved_and_deleted_by_keyboard_alone(page: Page) -> None:
    blue, red = (page.locator(f'.column[aria-label="{label}"]') for label in ("blue", "red"))
    assert blue.locator('button.thumb[tabindex="0"]').count() == 1  # Tab does not go through hundreds of photos
    blue.locator("button.thumb").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    assert pressed(page) == ["blue/blue-01.jpg", "blue/blue-02.jpg"]
    # Passing the classes on the way moves nothing.
    page.get_by_label("Move to").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Move to")).to_have_value("red")
    expect(red.locator(".count")).to_have_text("5 photos")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(red.locator(".count")).to_have_text("7 photos")
    expect(blue.locator(".count")).to_have_text("3 photos")
    expect(red.locator("button.thumb:focus")).to_have_count(1)
    page.keyboard.press("Space")
    page.keyboard.press("Delete")
    expect(red.locator(".count")).to_have_text("6 photos")
    expect(red.locator("button.thumb:focus")).to_have_count(1)  # the next one has it
    expect(page.locator(".toast", has_text="1 photo deleted.")).to_be_visible()


def test_shift_selects_all_between(page: Page) -> None:
    thumbs = page.locator('.column[aria-label="red"] button.thumb')
    thumbs.nth(1).click()
    thumbs.nth(3).click(modifiers=["Shift"])
    assert pressed(page) == [f"red/red-0{number}.jpg" for number in (1, 2, 3)]
    page.keyboard.press("Escape")
    assert pressed(page) == []
    thumbs.nth(2).click()
    page.get_by_role("button", name="Images like this").click()
    expect(page.locator("dialog .alike li")).to_have_count(9)  # without itself
    expect(page.locator("dialog .alike .name").first).to_have_text("red")


def test_a_photo_in_two_classes_can_be_deleted(page: Page, classifier: str) -> None:
    name = page.url.rpartition("/")[0].rpartition("/")[2]
    with Client(classifier) as client:
        client.add_examples([(Image.fromarray(pixels("green", 9)), label) for label in ("blue", "red")], dataset=name)
    page.reload()
    expect(page.locator(".conflicts")).to_contain_text("1 photo in two classes")
    page.get_by_role("button", name="Delete this photo").click()
    expect(page.locator(".conflicts")).to_have_count(0)
    with Client(classifier) as client:
        assert client.get_dataset(name).conflict_count == 0


def test_a_photo_that_is_dropped_beside_its_place_does_not_replace_the_page(page: Page, tmp_path: Path) -> None:
    drop(page, "#top", tmp_path / "photos/red/red-00.jpg")
    page.wait_for_timeout(500)
    expect(page.locator("h1")).to_have_text("Collect")


def test_a_photo_that_is_dropped_below_all_classes_is_taken(page: Page, tmp_path: Path) -> None:
    Image.fromarray(pixels("green", 3)).save(tmp_path / "loose.jpg")
    box = page.locator(".view").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] > 700
    drop(page, ".view", tmp_path / "loose.jpg")
    page.get_by_label("1 photo without a folder").fill("green")
    page.keyboard.press("Enter")
    expect(page.locator('.column[aria-label="green"] .count')).to_have_text("1 photo")


BUSY = """async ([reason, refusals]) => {
  const { Upload } = await import("/page/lib/upload.js");
  const real = window.fetch;
  let asked = 0;
  window.fetch = async () => {
    asked += 1;
    if (asked > refusals) return Response.json([{ status: "added", label: "x" }]);
    const problem = { code: "RESOURCE_EXHAUSTED", reason, detail: "Come again.", retry_after_s: 0.01 };
    const headers = { "content-type": "application/problem+json" };
    return new Response(JSON.stringify(problem), { status: 429, headers });
  };
  try {
    const upload = new Upload("p", () => {});
    upload.add([{ label: "x", name: "a.jpg", blob: new Blob(["a"]) }]);
    return [await upload.finished, asked];
  } finally {
    window.fetch = real;
  }
}"""


@pytest.mark.long
def test_an_upload_waits_while_the_studio_is_busy_but_not_for_a_full_disk(page: Page) -> None:
    counts, asked = page.evaluate(BUSY, ["OVERLOADED", 20])
    assert (counts["added"], counts["failed"], asked) == (1, 0, 21)
    counts, asked = page.evaluate(BUSY, ["STORE_FULL", 20])
    assert (counts["added"], counts["failed"], asked) == (0, 1, 4)
