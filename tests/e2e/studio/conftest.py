"""The page in Debian's Chromium, in front of real services: one browser and one pair of services for all."""

import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, expect, sync_playwright

from lastlayer.client import Client
from tests.e2e.conftest import running_classifier
from tests.e2e.test_processes import COLOURS
from tests.integration.studio.conftest import serving
from tests.shared import SHARED

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
expect.set_options(timeout=60_000)  # a busy machine takes its time

VIDEO_SIDES = (320, 240)
SECONDS_EACH = 2
PER_SECOND = 10


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is not None:
        return
    reason = "NOBODY LOOKED AT THE STUDIO: chromium, chromium-browser and google-chrome are not on the PATH"
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="package")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the camera sees, as YUV4MPEG: two seconds of red, two of blue, and again; no two frames are the same."""
    file = tmp_path_factory.mktemp("camera") / "two-things.y4m"
    width, height = VIDEO_SIDES
    with file.open("wb") as out:
        out.write(f"YUV4MPEG2 W{width} H{height} F{PER_SECOND}:1 Ip A1:1 C420jpeg\n".encode())
        for label, number in itertools.product(("red", "blue"), range(SECONDS_EACH * PER_SECOND)):
            luma, *chroma = Image.fromarray(pixels(label, number, VIDEO_SIDES)).convert("YCbCr").split()
            small = [plane.resize((width // 2, height // 2)) for plane in chroma]
            out.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in (luma, *small)))
    return file


def pixels(label: str, seed: int, sides: tuple[int, int] = (96, 96)) -> np.ndarray:
    """Return a noisy picture of a colour, uint8 [height, width, 3]."""
    noise = np.random.default_rng(seed).integers(-30, 30, (sides[1], sides[0], 3))
    return np.clip(np.array(COLOURS[label]) + noise, 0, 255).astype(np.uint8)


def write_colours(folder: Path, each: int, labels: tuple[str, ...] = ("red", "blue")) -> Path:
    """Write noisy pictures, a folder for each colour."""
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(each):
            Image.fromarray(pixels(label, number)).save(folder / label / f"{label}-{number:02}.jpg", quality=95)
    return folder


@pytest.fixture(scope="package")
def classifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Real services: with the real network where the folder beside the project has it."""
    if SHARED.is_dir():
        yield request.getfixturevalue("googlenet")
    else:
        featurizer = request.getfixturevalue("featurizer")
        with running_classifier(featurizer, tmp_path_factory.mktemp("studio")) as service:
            yield service.address


@pytest.fixture(scope="package")
def studio(classifier: str) -> Iterator[str]:
    """The address of the page."""
    with serving(classifier) as address:
        yield f"http://{address}"


@pytest.fixture(scope="package")
def colours(classifier: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a project that is trained."""
    photos = write_colours(tmp_path_factory.mktemp("colours"), each=6, labels=("red", "blue", "green"))
    with Client(classifier) as client:
        client.add_examples(photos, dataset="colours")
        client.train("colours")
    return "colours"


@pytest.fixture(scope="package")
def browser(video: Path) -> Iterator[Browser]:
    arguments = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={video}",
    ]
    if os.geteuid() == 0:  # Chromium has no sandbox for root, as which containers and continuous integration run
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield launched
        finally:
            launched.close()


Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, studio: str) -> Iterator[Opened]:
    """Opens the page; in the end nothing may have gone wrong in it, nor may it have asked another host for anything."""
    troubles: list[str] = []
    contexts = []

    def record(request: Request) -> None:
        if not request.url.startswith((f"{origin[0]}/", "data:", "blob:")):
            troubles.append(f"asked for {request.url}")

    origin = [studio]

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            troubles.append(message.text)

    def dismiss(dialog: Dialog) -> None:
        troubles.append(dialog.message)
        dialog.dismiss()

    def open_page(path: str, *, width: int = 1280, scheme: str = "light", address: str = "") -> Page:
        origin[0] = address or studio
        context = browser.new_context(
            viewport={"width": width, "height": 860},
            color_scheme="dark" if scheme == "dark" else "light",
            permissions=["camera", "clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", listen)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", dismiss)
        page.on("request", record)
        page.goto(f"{origin[0]}/#/{path}")
        page.locator("h1").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def drop(page: Page, selector: str, *paths: Path) -> None:
    """Drop files and folders out of the file manager on an element."""
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + min(box["height"] / 2, 80)}
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
    session.detach()


def excess(page: Page) -> int:
    """Return how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def text_of(page: Page, selector: str) -> str:
    return re.sub(r"\s+", " ", page.locator(selector).first.inner_text()).strip()
