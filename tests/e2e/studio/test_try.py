"""Try: photos pasted, unknown ones, broken ones, and those that were tried before."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from lastlayer.client import Client
from tests.e2e.studio.conftest import Opened, pixels, write_colours

PASTE = """async (bytes) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", {type: "image/jpeg"}));
  window.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer}));
}"""


@pytest.fixture(scope="package")
def careful(classifier: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a project whose model says `unknown` rather than to guess."""
    photos = write_colours(tmp_path_factory.mktemp("careful"), each=12)
    with Client(classifier) as client:
        client.add_examples(photos, dataset="careful")
        client.train("careful", min_precision=0.9)
    return "careful"


def choose(page: Page, *files: Path) -> None:
    page.get_by_label("Choose photos to try").set_input_files(files)


def test_a_photo_is_pasted_and_shown_again_later(opened: Opened, colours: str, tmp_path: Path) -> None:
    page = opened(f"{colours}/try")
    assert page.locator(".bars .label").all_inner_texts() == ["blue", "green", "red"]  # before anything is tried
    for label in ("red", "blue"):
        Image.fromarray(pixels(label, 70)).save(tmp_path / f"{label}.jpg")
        page.evaluate(PASTE, list((tmp_path / f"{label}.jpg").read_bytes()))
        expect(page.locator(".answer")).to_have_text(label)
    expect(page.locator(".recent li")).to_have_count(2)
    page.locator(".recent button", has_text="red").click()
    expect(page.locator(".answer")).to_have_text("red")
    expect(page.locator(".recent li")).to_have_count(2)
    page.get_by_role("button", name="Images like this").click()
    expect(page.locator("dialog .alike .name").first).to_have_text("red")


def test_what_is_unknown_has_its_best_guess_beside_it(opened: Opened, careful: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    page = opened(f"{careful}/try")
    choose(page, tmp_path / "noise.png")
    expect(page.locator(".answer")).to_have_text("unknown")
    expect(page.locator(".guess")).to_contain_text("Best guess: ")
    expect(page.locator(".recent .name")).to_have_text("unknown")
    assert page.locator(".bars .best").count() == 0


@pytest.mark.long
def test_a_broken_photo_has_no_answer_of_the_one_before(opened: Opened, colours: str, tmp_path: Path) -> None:
    Image.fromarray(pixels("blue", 71)).save(tmp_path / "blue.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"<html>not found</html>")
    page = opened(f"{colours}/try")
    choose(page, tmp_path / "blue.jpg")
    expect(page.locator(".answer")).to_have_text("blue")
    choose(page, tmp_path / "broken.jpg")
    expect(page.locator(".toast.bad")).to_be_visible()
    expect(page.locator(".answer")).to_have_text("")
    expect(page.locator(".seen")).to_be_hidden()


def test_the_map_darkens_what_does_not_matter_and_lies_on_the_picture(
    opened: Opened, colours: str, tmp_path: Path
) -> None:
    Image.fromarray(pixels("blue", 72, (300, 200))).save(tmp_path / "blue.jpg")
    page = opened(f"{colours}/try")
    page.get_by_label("Show where it looks").check()
    choose(page, tmp_path / "blue.jpg")
    expect(page.locator(".seen .map")).to_be_visible()
    picture, lit = (page.locator(f".seen {kind}").bounding_box() for kind in ("canvas:not(.map)", ".map"))
    assert picture == lit
    assert picture is not None
    assert picture["width"] / picture["height"] == pytest.approx(1.5, rel=0.02)
    # It was cut to a square before the network saw it: the sides were not looked at.
    alphas = page.evaluate(
        """() => {
          const map = document.querySelector(".seen .map");
          const row = map.getContext("2d").getImageData(0, map.height / 2, map.width, 1).data;
          return [row[11], row[4 * map.width - 9]];
        }"""
    )
    assert alphas == [196, 196]
