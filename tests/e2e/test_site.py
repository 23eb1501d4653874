"""The documentation as `make docs` builds it, opened from the file system: search works, and no other host is asked."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

from tests.markdown import ROOT
from tools.docs.reference.contract import BUF

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        importlib.util.find_spec("mkdocs") is None or not BUF.exists(), reason="THE SITE WAS NOT BUILT: run `make docs`"
    ),
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="NOBODY LOOKED AT THE SITE: chromium, chromium-browser and google-chrome are not on the PATH",
    ),
]

LOOK = """() => {
  const article = document.querySelector("article").cloneNode(true);
  article.querySelectorAll("code, pre, script, style").forEach((part) => part.remove());
  return [document.documentElement.scrollWidth - document.documentElement.clientWidth, article.textContent];
}"""
"""By how many pixels a page is wider than the screen, and its text without code."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert "all of which lead somewhere" in done.stdout
    return folder


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a browser; at its end nothing failed, and nothing was asked of a host."""
    wrong: list[str] = []
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        opened.on("request", lambda request: wrong.append(request.url) if request.url.startswith("http") else None)
        yield opened
        browser.close()
    assert wrong == []


def test_search_works_from_the_file_system(site: Path, page: Page) -> None:
    page.goto((site / "index.html").as_uri())
    page.click(".md-search__input")
    page.keyboard.type("calibration", delay=20)
    found = page.locator(".md-search-result__link", has_text="Calibration: what a probability is worth").first
    expect(found).to_be_visible(timeout=60_000)
    found.click()
    expect(page.locator("h1")).to_contain_text("Calibration")


@pytest.mark.parametrize("width", [1280, 400])
def test_pages_fit_the_screen_and_leave_no_markdown(width: int, site: Path, page: Page) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    files = sorted(site.rglob("*.html"))
    assert len(files) > 50
    for file in files:
        page.goto(file.as_uri())
        wider, text = page.evaluate(LOOK)
        assert wider <= 0, file
        assert re.findall(r".{0,20}(?:`|\*\*|\]\(|<!--|\|).{0,20}", text) == [], file


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(scheme: str, site: Path, page: Page) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for name in ("index.html", "tutorial/3-train.html", "reference/python.html", "reference/errors.html"):
        page.goto((site / name).as_uri())
        page.wait_for_timeout(500)  # colours fade
        found = Axe().run(page, options={"runOnly": ["color-contrast", "link-in-text-block"]})
        assert found.violations_count == 0, found.generate_report()
