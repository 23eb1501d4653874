"""Mixed load while either service is killed again and again: nothing is lost, nothing wrong, nothing fails in between.

SOAK_SECONDS says for how long (120; 600 for the long run).
"""

import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lastlayer.client import Client, ClientError, LabelledImage, ServerError
from lastlayer.local.services import Service
from tests.faults.conftest import Record
from tests.faults.photos import Photo
from tests.faults.test_kills import Acknowledged, again, check

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS") or 120)
KILL_EVERY_S = 20.0
TOLERANCE = 1e-4
"""How far scores may be from the reference: batches of other sizes round in other ways."""


@dataclass
class Outages:
    """When a service was away: from its death to the first prediction after it served again."""

    windows: list[tuple[float, float]] = field(default_factory=list)
    since: float | None = None

    def excuses(self, began: float, ended: float) -> bool:
        """Return whether a call of that time may have met an outage."""
        now_away = self.since is not None and ended >= self.since
        return now_away or any(began <= end and ended >= start for start, end in self.windows)


@dataclass
class Tally:
    """What became of predictions."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    failed: list[tuple[float, float, str]] = field(default_factory=list)


def test_soak(pair: tuple[Service, Service], photos: Sequence[Photo], record: Record) -> None:
    classifier = pair[1]
    train, rest = photos[:30], photos[30:]
    with Client(classifier.address, timeout_s=60) as client:
        client.add_examples([LabelledImage(photo.path, photo.label) for photo in train], dataset="reference")
        client.train("reference")
        reference = {photo: scores(client, photo) for photo in train}
    acknowledged = Acknowledged()
    outages, tally, stopping = Outages(), Tally(), threading.Event()
    failures: list[BaseException] = []

    def predict() -> None:
        with Client(classifier.address, timeout_s=20) as client:
            for photo in itertools.cycle(train):
                if stopping.is_set():
                    return
                began = time.monotonic()
                try:
                    found = scores(client, photo)
                except ClientError as error:
                    tally.failed.append((began, time.monotonic(), str(error)))
                    time.sleep(0.05)
                    continue
                expected = reference[photo]
                if found.keys() == expected.keys() and all(
                    abs(found[label] - expected[label]) < TOLERANCE for label in expected
                ):
                    tally.right += 1
                else:
                    tally.wrong.append(f"{photo.path.name}: {found}, not {expected}")

    def grow() -> None:
        with Client(classifier.address, timeout_s=60) as client:
            for number in itertools.count():
                if stopping.is_set():
                    return
                start = 6 * number % (len(rest) - 6)
                again(client, rest[start : start + 6], acknowledged)

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    seeded = random.Random(9)
    threads = [guarded(predict), guarded(predict), guarded(grow)]
    began = time.monotonic()
    recovered_s = []
    try:
        while time.monotonic() - began < SOAK_SECONDS - KILL_EVERY_S / 2 and not failures:
            time.sleep(KILL_EVERY_S)
            victim = seeded.choice(pair)
            outages.since = time.monotonic()
            victim.kill()
            victim.start()
            victim.wait_until_serving(60)
            serving = time.monotonic()
            until_predicted(classifier, train[0])
            outages.windows.append((outages.since, time.monotonic()))
            recovered_s.append(time.monotonic() - serving)
            outages.since = None
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert not failures, failures
    excused = [failure for failure in tally.failed if outages.excuses(failure[0], failure[1])]
    unexcused = [failure for failure in tally.failed if failure not in excused]
    with Client(classifier.address, timeout_s=60) as client:
        check(client, acknowledged)
    record(
        f"soak of {SOAK_SECONDS:.0f} s, a kill each {KILL_EVERY_S:.0f} s",
        len(recovered_s),
        f"0 of {len(acknowledged.examples)} examples; {tally.right} predictions right, {len(tally.wrong)} wrong,"
        f" {len(excused)} failed in outages, {len(unexcused)} outside",
        recovered_s,
    )
    assert not tally.wrong, tally.wrong[:3]
    assert not unexcused, unexcused[:3]
    assert tally.right > 100


def scores(client: Client, photo: Photo) -> dict[str, float]:
    """Return the score of each class."""
    [prediction] = client.predict([photo.path], model="reference")
    return {entry.label: entry.score for entry in prediction.scores}


def until_predicted(classifier: Service, photo: Photo) -> None:
    """Return once an image is predicted."""
    deadline = time.monotonic() + 60
    with Client(classifier.address, timeout_s=20) as client:
        while True:
            try:
                scores(client, photo)
            except ServerError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return
