"""What the page costs: predictions through the studio beside the client's, and what open tabs cost other callers.

python -m benchmarks.studio [BACKBONE]     Chromium is needed for the camera; the weights where the services find them
"""

import argparse
import contextlib
import http.client
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from lastlayer.client import Client
from lastlayer.local.services import WebService, free_port, running_services
from tools.drawings import KINDS, SIDE, draw, jpeg

ROUNDS = 5
EACH = 60
TABS = 100
MODEL = "drawings"
PREDICT = f"/v1/models/{MODEL}:predict"
JPEG = {"Content-Type": "image/jpeg"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backbone", nargs="?", default="googlenet")
    backbone = parser.parse_args().backbone
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        with running_services(state, environment={"LASTLAYER_BACKBONE": backbone}) as (_, classifier):
            address = f"127.0.0.1:{free_port()}"
            environment = {"STUDIO_ADDRESS": address, "STUDIO_CLASSIFIER": classifier.address}
            page = WebService("studio", address, state / "studio.log", environment)
            page.start()
            try:
                page.wait_until_serving(60)
                with Client(classifier.address) as client:
                    client.add_examples(
                        [(jpeg(kind, seed), kind) for kind in KINDS for seed in range(8)], dataset=MODEL
                    )
                    client.train(MODEL)
                    measure(client, address, state)
            finally:
                page.stop()


def measure(client: Client, address: str, state: Path) -> None:
    """Measure all, with a warm-up, the two ways in turn so that a busy machine is as busy for both."""
    photo = jpeg("fish", 500)
    connection = http.client.HTTPConnection(address)

    def by_client() -> None:
        client.predict([photo], model=MODEL)

    def by_studio() -> None:
        connection.request("POST", PREDICT, photo, JPEG)
        connection.getresponse().read()

    timed(by_client), timed(by_studio)
    alone: dict[str, list[float]] = {"client": [], "studio": []}
    for _ in range(ROUNDS):
        alone["client"] += timed(by_client)
        alone["studio"] += timed(by_studio)
    for name, times in alone.items():
        print(f"{name:28} {told(times)}")
    with idle_tabs(address):
        before, during = timed(by_client), timed(by_client)
        print(f"{'client, 100 idle tabs':28} {told(before + during)}")
    with cameras(address, photo, TABS) as answered:
        time.sleep(1)
        begun, count = time.perf_counter(), answered[0]
        during = timed(by_client)
        rate = (answered[0] - count) / (time.perf_counter() - begun)
        print(f"{'client, 100 cameras':28} {told(during)}; the cameras together {rate:.1f} a second")
    print(f"{'camera in Chromium':28} {in_browser(address, state)}")


def timed(call: Callable[[], None]) -> list[float]:
    """Return how many seconds each of some calls took."""
    times = []
    for _ in range(EACH):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return times


def told(times: list[float]) -> str:
    """Return times in words."""
    ordered = sorted(times)
    median, slow = statistics.median(ordered), ordered[int(0.95 * len(ordered))]
    return f"{len(times) / sum(times):5.1f} a second, median {median * 1e3:.1f} ms, p95 {slow * 1e3:.1f} ms"


@contextlib.contextmanager
def idle_tabs(address: str) -> Iterator[None]:
    """Keep as many connections open as so many tabs do that have loaded the page and wait."""
    with contextlib.ExitStack() as stack:
        for _ in range(TABS):
            connection = stack.enter_context(contextlib.closing(http.client.HTTPConnection(address)))
            connection.request("GET", "/v1/models")
            connection.getresponse().read()
        yield


@contextlib.contextmanager
def cameras(address: str, photo: bytes, number: int) -> Iterator[list[int]]:
    """Predict like so many live cameras, each with one request under way; yields how many were answered."""
    answered, stopping = [0], threading.Event()

    def film() -> None:
        connection = http.client.HTTPConnection(address, timeout=120)
        while not stopping.is_set():
            connection.request("POST", PREDICT, photo, JPEG)
            connection.getresponse().read()
            answered[0] += 1
        connection.close()

    threads = [threading.Thread(target=film) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def in_browser(address: str, state: Path) -> str:
    """Return what the page itself tells of its camera, which shows a thing at 60 pictures a second."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    video = state / "camera.mjpeg"
    video.write_bytes(jpeg("fish", 1) * 60)
    arguments = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={video}",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page()
        page.goto(f"http://{address}/#/{MODEL}/try")
        page.get_by_role("button", name="Use the camera").click()
        page.locator(".speed", has_text="a second").wait_for()
        told = []
        for _ in range(10):
            page.wait_for_timeout(500)
            told.append(page.locator(".speed").inner_text())
        browser.close()
    return told[-1] + f" ({draw('fish', 1).width} x {SIDE} pixels)"


if __name__ == "__main__":
    main()
