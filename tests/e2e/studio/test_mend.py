"""Mend: what was decided is done, also by who goes on elsewhere, and trained as before."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from lastlayer.client import Client
from tests.e2e.studio.conftest import Opened, write_colours
from tests.programs import until


def mislabel(photos: Path, number: int) -> None:
    """Put photos of red among the blue ones."""
    for index in range(number):
        (photos / f"red/red-0{index}.jpg").rename(photos / f"blue/wrong-{index}.jpg")


@pytest.mark.long
def test_what_was_kept_is_not_asked_for_again_and_what_was_removed_is(
    opened: Opened, classifier: str, tmp_path: Path
) -> None:
    photos = write_colours(tmp_path / "photos", each=9)
    mislabel(photos, 2)
    with Client(classifier) as client:
        client.add_examples(photos, dataset="kept")
        client.train("kept")
        page = opened("kept/mend")
        expect(page.locator(".eyebrow")).to_have_text("1 of 2")
        page.keyboard.press(" ")
        expect(page.locator(".eyebrow")).to_have_text("2 of 2")
        page.keyboard.press("Delete")
        page.get_by_role("link", name="Try", exact=True).first.click()
        until(lambda: client.get_dataset("kept").classes["blue"] == 10)
        page.get_by_role("link", name="Mend", exact=True).click()
        expect(page.locator(".mend h2")).to_have_text("No label looks wrong")


@pytest.mark.long
def test_it_is_trained_as_the_version_was(opened: Opened, classifier: str, tmp_path: Path) -> None:
    photos = write_colours(tmp_path / "photos", each=12)
    mislabel(photos, 3)
    with Client(classifier) as client:
        client.add_examples(photos, dataset="asbefore")
        client.train("asbefore", class_weight="balanced")
        page = opened("asbefore/mend")
        expect(page.locator(".eyebrow")).to_have_text("1 of 3")
        page.keyboard.press("1")
        page.get_by_role("button", name="That is enough").click()
        page.get_by_role("button", name="Train again").click()
        expect(page.locator(".beside .dots")).to_have_count(2)
        expect(page.locator(".mend h2")).to_be_focused()
        assert client.get_version("asbefore", 2).class_weight == "balanced"
        assert client.get_dataset("asbefore").classes == {"blue": 14, "red": 10}
        page.get_by_role("button", name="2 labels still to look at").click()
        expect(page.locator(".beside")).to_have_count(0)
        expect(page.locator(".eyebrow")).to_have_text("1 of 2")
