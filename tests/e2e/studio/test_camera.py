"""The camera, whose picture the tests make: two things, one after the other."""

import pytest
from playwright.sync_api import expect

from lastlayer.client import Client
from tests.e2e.studio.conftest import Opened


@pytest.mark.long
def test_the_label_follows_what_is_held_to_the_camera(opened: Opened, colours: str) -> None:
    page = opened(f"{colours}/try")
    under_way = [0, 0]  # now, and at most

    def begun(request) -> None:
        if ":predict" in request.url:
            under_way[0] += 1
            under_way[1] = max(under_way)

    def ended(request) -> None:
        under_way[0] -= ":predict" in request.url

    page.on("request", begun)
    page.on("requestfinished", ended)
    page.on("requestfailed", ended)
    page.get_by_role("button", name="Use the camera").click()
    for label in ("red", "blue", "red"):
        expect(page.locator(".answer")).to_have_text(label)
    expect(page.locator(".speed")).to_contain_text("a second")
    assert under_way[1] == 1  # never a queue
    assert page.locator(".bars li").count() == 3

    page.get_by_label("Show where it looks").check()
    expect(page.locator(".seen .map")).to_be_visible()
    for label in ("red", "blue"):
        expect(page.locator(".answer")).to_have_text(label)

    page.get_by_role("button", name="Stop the camera").click()
    expect(page.locator("video")).to_be_hidden()
    assert page.evaluate("document.querySelector('video').srcObject") is None
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("video")).to_be_visible()
    page.evaluate("window.seen = document.querySelector('video').srcObject.getTracks()[0]")
    page.get_by_role("link", name="Take", exact=True).click()
    page.wait_for_function("window.seen.readyState === 'ended'")  # it does not go on in another view


@pytest.mark.long
def test_photos_are_taken_by_pressing_and_holding(opened: Opened, classifier: str) -> None:
    page = opened("shot/collect")
    page.get_by_role("button", name="Make a class by hand").click()
    page.get_by_label("What is it called?").fill("thing")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Camera for thing").click()
    shutter = page.get_by_role("button", name="Take a photo")
    expect(shutter).to_be_enabled()
    shutter.click()
    expect(page.get_by_text("1 photo taken")).to_be_visible()
    shutter.hover()
    page.mouse.down()
    expect(page.get_by_text("4 photos taken")).to_be_visible()
    page.mouse.up()
    page.get_by_role("button", name="Done").click()
    expect(page.locator(".toast.good").last).to_contain_text("added")
    page.reload()
    expect(page.locator(".summary")).to_contain_text("in 1 class")
    with Client(classifier) as client:
        assert client.get_dataset("shot").classes["thing"] >= 2  # a frame that is taken twice is one photo
