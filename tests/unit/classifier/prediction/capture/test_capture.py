"""Which images are offered, drawn and dropped."""

import collections
import datetime
import hashlib

import numpy as np
import pytest
from prometheus_client import REGISTRY

from lastlayer.classifier.domain.types import Predicted, ServedVersion
from lastlayer.classifier.features.ingest import Ingest
from lastlayer.classifier.prediction.capture import capture as module
from lastlayer.classifier.prediction.capture.capture import Capture
from lastlayer.classifier.prediction.capture.policy import CapturePolicy
from lastlayer.rpc.errors import LastlayerError

VERSION = ServedVersion(1, "m", 1, "net", "d" * 64)
DONE = Predicted(np.ones(1), np.zeros(1, np.float32))
DAY = datetime.datetime(2026, 5, 4, tzinfo=datetime.UTC)


class Unused:
    """What `offer` must not touch."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"`{name}` was used")


def begin_nothing(*, deadline: float | None) -> Ingest:
    raise AssertionError("an image was taken")


def capture(policy: CapturePolicy, draws: list[float] | None = None) -> Capture:
    unused = Unused()
    drawn = iter(draws or [])
    return Capture(
        policy,
        unused,  # type: ignore[arg-type]
        unused,  # type: ignore[arg-type]
        begin_nothing,
        reads=unused,  # type: ignore[arg-type]
        writes=unused,  # type: ignore[arg-type]
        draw=lambda: next(drawn, 0.0),
    )


def waiting(own: Capture) -> list[bytes]:
    return [own._queue.get_nowait().content for _ in range(own._queue.qsize())]


def dropped() -> float:
    return REGISTRY.get_sample_value("classifier_captured_images_total", {"outcome": "dropped"}) or 0.0


def test_nothing_is_taken_where_nobody_asks_for_it() -> None:
    own = capture(CapturePolicy())
    own.offer(VERSION, [b"a"], [DONE])
    assert waiting(own) == []


def test_of_what_was_predicted_a_share_is_drawn() -> None:
    own = capture(CapturePolicy(share=0.25), [0.2, 0.3, 0.0, 0.25])
    failed = LastlayerError("It is no image.")
    own.offer(VERSION, [b"a", b"bad", b"b", b"c", b"d"], [DONE, failed, DONE, DONE, DONE])
    assert waiting(own) == [b"a", b"c"]


def test_the_images_of_other_models_are_not_taken() -> None:
    own = capture(CapturePolicy(share=1, models=frozenset({"n"})))
    own.offer(VERSION, [b"a"], [DONE])
    own.offer(ServedVersion(2, "n", 1, "net", "d" * 64), [b"b"], [DONE])
    assert waiting(own) == [b"b"]


def test_what_does_not_fit_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dropped()
    own = capture(CapturePolicy(share=1))
    own.offer(VERSION, [b"%d" % number for number in range(40)], [DONE] * 40)
    assert len(waiting(own)) == 32
    assert dropped() == before + 8
    monkeypatch.setattr(module, "_MOST_WAITING_BYTES", 10)
    own = capture(CapturePolicy(share=1))
    own.offer(VERSION, [b"12345678", b"123", b"12"], [DONE] * 3)
    assert waiting(own) == [b"12345678", b"12"]


def contents(count: int) -> list[bytes]:
    return [hashlib.sha256(b"%d" % number).digest() for number in range(count)]


def kept_of_stream(images: list[bytes], most: int, day: datetime.datetime = DAY) -> set[bytes]:
    kept: list[bytes] = []
    for image in images:
        kept.append(image)
        for excess in module._choose_excess(kept, day, most):
            kept.remove(excess)
    return set(kept)


def test_the_order_of_the_images_does_not_matter() -> None:
    images = contents(200)
    kept = kept_of_stream(images, 10)
    assert len(kept) == 10
    assert kept == kept_of_stream(images[::-1], 10)
    assert kept == set(images) - set(module._choose_excess(images, DAY, 10))


def test_early_and_late_images_have_the_same_chance_and_each_day_has_others() -> None:
    images = contents(100)
    counts: collections.Counter[int] = collections.Counter()
    for number in range(100):
        kept = kept_of_stream(images, 10, DAY + datetime.timedelta(days=number))
        counts.update(images.index(image) // 25 for image in kept)
    # 250 of each quarter on average; the standard deviation is 14.
    assert all(190 < counts[quarter] < 310 for quarter in range(4))
