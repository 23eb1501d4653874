"""Makes docs/assets/studio.png, the picture of the page in the README, out of drawings that are nobody's.

python -m tools.picture [BACKBONE]     needs Chromium, and the backbone's weights (googlenet where nothing is said)
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from lastlayer.client import Client
from lastlayer.local.services import WebService, free_port, running_services
from tools.drawings import KINDS, jpeg

TARGET = Path(__file__).resolve().parent.parent / "docs/assets/studio.png"
SIZE = (1200, 780)


def main() -> None:
    """Draw, train, look, and write the picture."""
    backbone = sys.argv[1] if len(sys.argv) > 1 else "googlenet"
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        with running_services(state, environment={"LASTLAYER_BACKBONE": backbone}) as (_, classifier):
            with Client(classifier.address) as client:
                client.add_examples(_photos(), dataset="drawings")
                client.train("drawings")
            address = f"127.0.0.1:{free_port()}"
            environment = {"STUDIO_ADDRESS": address, "STUDIO_CLASSIFIER": classifier.address}
            page = WebService("studio", address, state / "studio.log", environment)
            page.start()
            try:
                page.wait_until_serving(60)
                _shoot(f"http://{address}/#/drawings/train", chromium, state / "page.png")
            finally:
                page.stop()
        # A palette: a third of the bytes, and no eye sees it.
        shot = Image.open(state / "page.png").convert("RGB")
        shot.quantize(256, dither=Image.Dither.NONE).save(TARGET, optimize=True)
    print(f"{TARGET}: {TARGET.stat().st_size / 1000:.0f} kB")


def _photos() -> list[tuple[bytes, str]]:
    found = [(jpeg(kind, seed), kind) for kind in KINDS for seed in range(7 if kind == "boat" else 20)]
    # A few that somebody put into the wrong folder.
    return [*found, (jpeg("fish", 90), "flower"), (jpeg("fish", 91), "flower"), (jpeg("house", 92), "fish")]


def _shoot(url: str, chromium: str | None, file: Path) -> None:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        page.goto(url)
        page.locator(".headline").wait_for()
        page.wait_for_load_state("networkidle")
        page.screenshot(path=file)
        browser.close()


if __name__ == "__main__":
    main()
