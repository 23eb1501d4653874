"""Label: a pool's photos by one key each; undone, named anew, failed, and done in two tabs."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from lastlayer.client import Client
from tests.e2e.studio.conftest import Opened, drop, excess, pixels
from tests.e2e.studio.test_access import violations
from tests.programs import until

PHOTOS = 60
COLOURS = ("red", "blue", "green")


def truth(page: Page) -> str:
    """Return the class of the photo that is seen: its name begins with it."""
    return page.locator(".labelling .file").first.inner_text().split("-")[0]


def picture(colour: str, seed: int) -> Image.Image:
    """Return a picture of a colour with things on it, so that no two are near duplicates."""
    rng = np.random.default_rng([COLOURS.index(colour), seed])
    drawn = Image.fromarray(pixels(colour, seed, (160, 160)))
    pen = ImageDraw.Draw(drawn)
    for _ in range(6):
        left, top, width, height = rng.integers(0, 120, 4)
        shape = (pen.ellipse, pen.rectangle)[rng.integers(2)]
        shape((left, top, left + width + 8, top + height + 8), fill=tuple(rng.integers(0, 256, 3)))
    return drawn


def write_pool(folder: Path, each: int) -> list[Path]:
    """Write pictures of three colours into one folder."""
    folder.mkdir()
    files = []
    for number in range(each):
        for colour in COLOURS:
            files.append(folder / f"{colour}-{number:02}.jpg")
            picture(colour, number).save(files[-1], quality=95)
    return files


def give(page: Page, keys: dict[str, str], count: int) -> None:
    """Label so many photos by keys, each when its photo is there."""
    for _ in range(count):
        name = page.locator(".labelling .file").first.inner_text()
        page.keyboard.press(keys[truth(page)])
        page.wait_for_function("(name) => document.querySelector('.labelling .file')?.textContent !== name", arg=name)


@pytest.mark.long  # sixty photos are featurized and labelled, and one model is trained
def test_sixty_photos_are_labelled_by_keyboard_alone(opened: Opened, classifier: str, tmp_path: Path) -> None:
    files = write_pool(tmp_path / "photos", PHOTOS // len(COLOURS))
    page = opened("sixty/label")
    drop(page, ".drop", *files)
    expect(page.locator(".summary")).to_have_text(f"0 labelled, {PHOTOS} left")
    expect(page.locator(".labelling h2")).to_be_focused()
    keys: dict[str, str] = {}
    for number in range(1, len(COLOURS) + 1):  # a name for each class, when its first photo comes
        while truth(page) in keys:
            give(page, keys, 1)
        colour = truth(page)
        page.keyboard.press("n")
        page.keyboard.type(colour)
        page.keyboard.press("Enter")
        keys[colour] = str(number)
        expect(page.locator(".classes-to-give button")).to_have_count(number)
    done = int(page.locator(".summary").inner_text().split()[0])
    give(page, keys, 20 - done)
    expect(page.locator(".summary")).to_have_text("20 labelled, 40 left")

    # The last one is taken back, and given again.
    before = page.locator(".labelling .file").first.inner_text()
    page.keyboard.press("z")
    expect(page.locator(".summary")).to_have_text("19 labelled, 41 left")
    with Client(classifier) as client:
        until(lambda: client.get_dataset("sixty").example_count == 19)
    give(page, keys, 1)
    assert page.locator(".labelling .file").first.inner_text() == before

    # Most guesses are right by now: Enter takes them, while a model is trained.
    page.get_by_role("button", name="Train now").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".labelling h2")).to_be_focused()
    accepted = 0
    for _ in range(PHOTOS - 20):
        name = page.locator(".labelling .file").first.inner_text()
        right = page.locator(".labelling h2").inner_text() == f"Is it {truth(page)}?"
        accepted += right
        page.keyboard.press("Enter" if right else keys[truth(page)])
        page.wait_for_function("(name) => document.querySelector('.labelling .file')?.textContent !== name", arg=name)
    assert accepted > (PHOTOS - 20) / 2
    expect(page.locator(".hero h2")).to_have_text("That was all of the pool")
    expect(page.locator(".summary")).to_have_text(f"{PHOTOS} labelled, 0 left")
    with Client(classifier) as client:
        dataset = client.get_dataset("sixty")
        assert dataset.classes == dict.fromkeys(sorted(COLOURS), PHOTOS // len(COLOURS))
        assert dataset.pool_count == 0
        assert all(example.id.startswith(example.labels[0]) for example in client.list_examples("sixty"))


@pytest.fixture
def page(opened: Opened, classifier: str, tmp_path: Path, request: pytest.FixtureRequest) -> Page:
    """A pool of six photos, two classes with two examples each, in a project of the test's name."""
    name = re.sub(r"\W", "-", request.node.name)[:60]
    with Client(classifier) as client:
        client.add_examples(
            [(picture(label, number), label) for label in ("red", "blue") for number in (90, 91)],
            dataset=name,
        )
        client.add_to_pool(write_pool(tmp_path / "photos", 2), dataset=name)
    shown = opened(f"{name}/label")
    expect(shown.locator(".summary")).to_have_text("0 labelled, 6 left")
    expect(shown.locator(".labelling h2")).to_have_text(re.compile(r"Is it (red|blue)\?"))
    return shown


def name_of(page: Page) -> str:
    return page.url.rpartition("/")[0].rpartition("/")[2]


REFUSE = """() => {
  window.realFetch = window.fetch;
  window.fetch = async (url, options) => {
    if (!url.endsWith("pool:label")) return window.realFetch(url, options);
    const problem = { code: "RESOURCE_EXHAUSTED", reason: "STORE_FULL", detail: "The disk is full." };
    return new Response(JSON.stringify(problem), { status: 429 });
  };
}"""


@pytest.mark.long
def test_what_is_skipped_comes_again_and_a_failed_label_brings_its_photo_back(page: Page, classifier: str) -> None:
    first = page.locator(".labelling .file").first.inner_text()
    page.keyboard.press("s")
    expect(page.locator(".labelling .file").first).not_to_have_text(first)

    failed = page.locator(".labelling .file").first.inner_text()
    page.evaluate(REFUSE)
    page.keyboard.press("1")
    expect(page.locator(".toast.bad")).to_contain_text(f"{failed} is not labelled, and comes again: The disk is full.")
    expect(page.locator(".summary")).to_have_text("0 labelled, 6 left")
    page.evaluate("() => { window.fetch = window.realFetch; }")
    page.keyboard.press("1")  # the one that came after it
    expect(page.locator(".labelling .file").first).to_have_text(failed)
    page.keyboard.press("Backspace")
    page.keyboard.press("1")
    for _ in range(4):
        page.keyboard.press("1")
    expect(page.locator(".hero h2")).to_have_text("All but 1 photo that you skipped")
    page.get_by_role("button", name="Look at them again").click()
    expect(page.locator(".labelling .file").first).to_have_text(first)
    page.keyboard.press("2")
    expect(page.locator(".hero h2")).to_have_text("That was all of the pool")
    with Client(classifier) as client:
        until(lambda: client.get_dataset(name_of(page)).pool_count == 0)


@pytest.mark.long  # in two tabs
def test_who_is_second_changes_nothing_and_the_other_tab_moves_on(page: Page, classifier: str) -> None:
    name = name_of(page)
    seen = str(page.locator(".labelling .file").first.get_attribute("title"))
    with Client(classifier) as client:
        client.relabel_examples(name, [seen], "green")
        page.keyboard.press("1")
        expect(page.locator(".toast")).to_contain_text(
            f"{Path(seen).name} was labelled green by somebody else meanwhile."
        )
        expect(page.locator(".summary")).to_have_text("0 labelled, 5 left")
        [example] = [example for example in client.list_examples(name) if example.id == seen]
        assert example.labels == ("green",)
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".summary")).to_have_text("0 labelled, 5 left")
    same = other.locator(".labelling .file").first.inner_text()
    while page.locator(".labelling .file").first.inner_text() != same:
        page.keyboard.press("s")
    page.keyboard.press("1")
    expect(other.locator(".labelling .file").first).not_to_have_text(same)
    expect(other.locator(".summary")).to_have_text("0 labelled, 4 left")


SLOW = """() => {
  const real = window.fetch;
  window.calls = [];
  window.fetch = async (url, options) => {
    if (!/pool:(un)?label$/.test(url)) return real(url, options);
    await new Promise((resolve) => setTimeout(resolve, url.endsWith("unlabel") ? 10 : 400));
    window.calls.push(url.split("pool:")[1]);
    return real(url, options);
  };
}"""


@pytest.mark.long  # with answers that are late
def test_changes_of_mind_are_stored_in_their_order(page: Page, classifier: str) -> None:
    page.evaluate(SLOW)
    seen = str(page.locator(".labelling .file").first.get_attribute("title"))
    second = page.locator(".classes-to-give .name").nth(1).inner_text()
    for key in ("1", "z", "2"):  # each before the one before it is answered
        page.keyboard.press(key)
    expect(page.locator(".summary")).to_have_text("1 labelled, 5 left")
    page.wait_for_function("() => window.calls.length === 3")
    assert page.evaluate("window.calls") == ["label", "unlabel", "label"]
    with Client(classifier) as client:
        until(lambda: [example.labels for example in client.get_examples(name_of(page), [seen])] == [(second,)])
    # So is a label that is on its way when the view is left.
    page.keyboard.press("1")
    page.get_by_role("link", name="Collect", exact=True).click()
    expect(page.locator("h1")).to_have_text("Collect")
    page.wait_for_function("() => window.calls.length === 4")
    with Client(classifier) as client:
        until(lambda: client.get_dataset(name_of(page)).pool_count == 4)
    page.wait_for_timeout(300)
    assert page.locator(".toast").count() == 0


KEYS = """async () => {
  const { keyOf, placeOf } = await import("/page/views/label/keys.js");
  return [[8, 9, 10, 21, 22, 26].map(keyOf), ["a", "A", "o", "n", "Enter", "z"].map(placeOf), keyOf(32)];
}"""


@pytest.mark.long  # axe takes its time
@pytest.mark.parametrize("width", [1280, 400])
def test_keys_are_told_by_a_key_and_nothing_moves(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 860})
    assert (excess(page), violations(page)) == (0, [])
    place = page.locator(".classes-to-give button").first.bounding_box()
    assert page.evaluate(KEYS) == [["9", "a", "b", "m", "o", "t"], [9, 9, 22, -1, -1, -1], ""]
    page.keyboard.press("?")
    expect(page.locator("dialog h2")).to_have_text("Keys")
    assert violations(page) == []
    page.keyboard.press("1")  # in a dialog it labels nothing
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    expect(page.locator(".summary")).to_have_text("1 labelled, 5 left")
    assert page.locator(".classes-to-give button").first.bounding_box() == place
