"""Several labels in the studio: seen in each column, set together, told with their bars, trained on and put right."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from lastlayer.client import Client
from tests.e2e.studio.conftest import Opened, pixels
from tests.programs import until

pytestmark = pytest.mark.long


@pytest.fixture
def garden(classifier: str, tmp_path: Path) -> str:
    """The name of a project whose photos have any of `red` and `warm`; one has `warm` and should not."""
    examples = []
    for number in range(14):
        for colour, labels in (("red", ["red", "warm"]), ("green", ["warm"]), ("blue", [])):
            path = tmp_path / f"{colour}-{number}.jpg"
            Image.fromarray(pixels(colour, number)).save(path)
            examples.append((path, ["warm"] if (colour, number) == ("blue", 3) else labels))
    with Client(classifier) as client:
        if any(dataset.name == "garden" for dataset in client.list_datasets()):
            client.delete_dataset("garden")
        client.add_examples(examples, dataset="garden", multi_label=True)
        client.train("garden")
    return "garden"


def column(page: Page, label: str):
    return page.get_by_role("region", name=label, exact=True)


@pytest.mark.long
def test_labels_are_set_together_in_collect(opened: Opened, garden: str, classifier: str) -> None:
    page = opened(f"{garden}/collect")
    expect(page.get_by_text("A photo may have several labels here")).to_contain_text("13 photos with none of them")
    expect(column(page, "warm").locator(".count")).to_have_text("29 photos")
    column(page, "red").locator(".thumb").first.click()
    page.get_by_role("button", name="Labels…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("red")).to_be_checked()
    dialog.get_by_label("warm").uncheck()
    dialog.get_by_role("button", name="Set labels").click()
    expect(column(page, "warm").locator(".count")).to_have_text("28 photos")
    page.get_by_role("button", name="Undo").click()
    expect(column(page, "warm").locator(".count")).to_have_text("29 photos")
    with Client(classifier) as client:
        until(lambda: client.get_dataset(garden).classes == {"red": 14, "warm": 29})


def test_each_label_has_its_bar_and_what_to_expect(opened: Opened, garden: str, tmp_path: Path) -> None:
    page = opened(f"{garden}/train")
    expect(page.locator(".headline h2")).to_contain_text("to get all their labels")
    expect(page.get_by_role("region", name="Label by label").locator("tbody tr")).to_have_count(2)
    page = opened(f"{garden}/try")
    for colour, said in (("red", {"red", "warm"}), ("blue", {"none of them"})):
        Image.fromarray(pixels(colour, 70)).save(tmp_path / "tried.jpg")
        page.get_by_label("Choose photos to try").set_input_files(tmp_path / "tried.jpg")
        expect(page.locator(".recent li").first).to_contain_text("warm" if colour == "red" else "none of them")
        assert set(page.locator(".answer").inner_text().split(", ")) == said
        assert page.locator(".bars .best").count() == len(said - {"none of them"})


@pytest.mark.long
def test_a_label_that_should_not_be_there_is_taken_away(opened: Opened, garden: str, classifier: str) -> None:
    page = opened(f"{garden}/mend")
    expect(page.locator(".judgement h2")).to_have_text("Does it have warm? Now it has warm.")
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="That was all of it")).to_be_visible()
    with Client(classifier) as client:
        until(lambda: client.get_dataset(garden).classes["warm"] == 28)  # the page does not wait for it
