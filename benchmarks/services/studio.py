"""What the page costs: predictions through the studio beside the client's, and what open tabs cost other callers.

python -m benchmarks.services.studio [BACKBONE]     the camera needs Chromium; the weights where services find them
"""

import argparse
import contextlib
import http.client
import itertools
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from lastlayer.client import Client
from lastlayer.local.services import WebService, free_port, running_services
from tools.drawings import KINDS, jpeg

ROUNDS = 5
EACH = 60
TABS = 100
MODEL = "drawings"
PREDICT = f"/v1/models/{MODEL}:predict"
ALONE = "client alone"
SECONDS = 4
SETTLING = 3
"""Seconds until the studio has noticed that others are at work."""
ENDS = """async (ms) => {
  performance.clearResourceTimings();
  await new Promise((resolve) => setTimeout(resolve, ms));
  const known = performance.getEntriesByType("resource").filter((entry) => entry.name.includes(":predict"));
  return known.map((entry) => entry.responseEnd);
}"""
"""Returns when each prediction of a while was there, in ms."""
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
    """Measure all in turn, round by round, so that a busy machine is as busy for each."""
    photo = jpeg("fish", 500)
    connection = http.client.HTTPConnection(address)

    def by_client() -> None:
        client.predict([photo], model=MODEL)

    def by_studio() -> None:
        connection.request("POST", PREDICT, photo, JPEG)
        connection.getresponse().read()

    timed(by_client), timed(by_studio)
    rounds: dict[str, list[list[float]]] = defaultdict(list)
    together = []
    with camera(address, state) as film:
        for _ in range(ROUNDS):
            rounds[ALONE].append(timed(by_client))
            connection.close()  # opened anew: the studio closes it after half a minute
            rounds["studio alone, by HTTP"].append(timed(by_studio))
            rounds["studio alone, camera in Chromium"].append(film(SECONDS))
            with idle_tabs(address):
                rounds["client beside 100 idle tabs"].append(timed(by_client))
            with cameras(address, photo, TABS) as answered:
                time.sleep(SETTLING)
                begun, count = time.perf_counter(), answered[0]
                rounds["client beside 100 cameras"].append(timed(by_client))
                together.append((answered[0] - count) / (time.perf_counter() - begun))
    print(f"{'medians of ' + str(ROUNDS) + ' rounds':34} a second  to the client alone  p50 ms  p95 ms")
    base = [1 / statistics.fmean(times) for times in rounds[ALONE]]
    for name, known in rounds.items():
        rates = [1 / statistics.fmean(times) for times in known]
        ratio = statistics.median(rate / alone for rate, alone in zip(rates, base, strict=True))
        middle, slow = (statistics.median(quantile(times, at) for times in known) for at in (0.5, 0.95))
        print(f"{name:34} {statistics.median(rates):8.1f}  {ratio:19.2f}  {middle:6.1f}  {slow:6.1f}")
    print(f"the 100 cameras together: {statistics.median(together):.1f} a second beside the client")


def timed(call: Callable[[], None]) -> list[float]:
    """Return how many seconds each of some calls took."""
    times = []
    for _ in range(EACH):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return times


def quantile(times: list[float], at: float) -> float:
    """Return the time that this share of the times does not exceed, in ms."""
    return 1e3 * sorted(times)[min(len(times) - 1, int(at * len(times)))]


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


@contextlib.contextmanager
def camera(address: str, state: Path) -> Iterator[Callable[[float], list[float]]]:
    """Open the page with a camera that shows a thing at 30 pictures a second.

    Yields what films for some seconds and returns the seconds from each answer to the next.
    """
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

        def film(seconds: float) -> list[float]:
            page.get_by_role("button", name="Use the camera").click()
            page.locator(".speed", has_text="a second").wait_for()
            ends = page.evaluate(ENDS, 1e3 * seconds)
            page.get_by_role("button", name="Stop the camera").click()
            return [(later - sooner) / 1e3 for sooner, later in itertools.pairwise(ends)]

        yield film
        browser.close()


if __name__ == "__main__":
    main()
