"""Predictions without a pause, and what became of them."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from lastlayer.client import Client
from lastlayer.client.errors import ClientError
from lastlayer.client.transport.channel import open_channel

_THREADS = 2


@dataclass
class Counts:
    """What became of predictions."""

    sent: int = 0
    failed: int = 0
    retried: int = 0
    """Calls to the classifier beyond the first of each prediction."""
    wrong: int = 0
    """Predictions of another class than before, with all featurizers well."""
    errors: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.sent} sent, {self.failed} failed, {self.retried} retried, {self.wrong} wrong"


class _Calls(grpc.UnaryUnaryClientInterceptor):
    """Counts the calls that are made."""

    def __init__(self) -> None:
        self.count = 0

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        self.count += 1
        return continuation(details, request)


@contextmanager
def load(server: str, photos: Mapping[Path, str]) -> Iterator[Counts]:
    """Predict the photos again and again while the block lasts; the counts are complete once it ends.

    `photos` have the class that each is expected to be of.
    """
    counts, lock, stopping = Counts(), threading.Lock(), threading.Event()

    def predict() -> None:
        calls = _Calls()
        with Client(server, open_channel=lambda *to: grpc.intercept_channel(open_channel(*to), calls)) as client:
            while not stopping.is_set():
                for photo, label in photos.items():
                    before = calls.count
                    outcome, error = _outcome(client, photo, label)
                    with lock:
                        counts.sent += 1
                        counts.retried += calls.count - before - 1
                        counts.failed += outcome == "failed"
                        counts.wrong += outcome == "wrong"
                        if error:
                            counts.errors.append(error)

    threads = [threading.Thread(target=predict) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def _outcome(client: Client, photo: Path, label: str) -> tuple[str, str]:
    try:
        [prediction] = client.predict([photo])
        predicted = prediction.label
    except ClientError as error:  # also that of a single image
        return "failed", str(error)
    return ("right", "") if predicted == label else ("wrong", f"{photo.name}: {predicted}, not {label}")
