"""What is watched: when it alarms, when that is over, and what it takes."""

import datetime
import logging

import numpy as np
import numpy.typing as npt
import pytest

from lastlayer.classifier.domain.drift.reference import BLOCK, DriftReference
from lastlayer.classifier.domain.drift.signals import Kind
from lastlayer.classifier.domain.types import ServedVersion
from lastlayer.classifier.evaluation.drift import summarize
from lastlayer.classifier.prediction.drift.monitor import MOST_WATCHED, DriftMonitor, VersionWatch, read_reference
from tests.unit.classifier.evaluation.test_drift import features, head, measured

OWN = head(threshold=0.5)


def version(key: int = 1, number: int = 1, model: str = "m") -> ServedVersion:
    return ServedVersion(key, model, number, "net", "d" * 64)


@pytest.fixture(scope="module")
def reference() -> DriftReference:
    known = features(np.random.default_rng(0), 500)
    return summarize(OWN, known, OWN.probabilities(known), 0.0)


def own_images(reference: DriftReference, count: int, seed: int = 1) -> npt.NDArray[np.float32]:
    return measured(reference, OWN, features(np.random.default_rng(seed), count))


def other_images(reference: DriftReference, count: int, seed: int = 2) -> npt.NDArray[np.float32]:
    """Images to which the network responds otherwise in some channels."""
    found = features(np.random.default_rng(seed), count)
    found["tap"][:, :8] *= 3
    return measured(reference, OWN, found)


class Clock:
    def __init__(self) -> None:
        self.time = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    def __call__(self) -> datetime.datetime:
        self.time += datetime.timedelta(seconds=1)
        return self.time


def watched(reference: DriftReference | None) -> VersionWatch:
    return DriftMonitor(Clock()).begin(version(), reference)


def test_images_like_the_training_images_are_no_drift(reference: DriftReference) -> None:
    watch = watched(reference)
    for seed in range(40):
        watch.add(own_images(reference, 250, seed))
    report = watch.report()
    assert (report.image_count, report.alarm_count, report.alarm_time) == (10_000, 0, None)
    assert {found.kind for found in report.levels} == set(Kind)
    assert all(0 <= found.level < 1 for found in report.levels)


def test_other_images_alarm_within_500_and_once(reference: DriftReference, caplog: pytest.LogCaptureFixture) -> None:
    watch = watched(reference)
    watch.add(own_images(reference, 430))
    others = other_images(reference, 1000)
    with caplog.at_level(logging.INFO):
        seen = 0
        while watch.report().alarm_time is None:
            watch.add(others[seen : seen + 1])
            seen += 1
        assert seen <= 500
        watch.add(others[seen:])
        report = watch.report()
        assert (report.alarm_count, report.last_alarm_time) == (1, report.alarm_time)
        worst = max(report.levels, key=lambda found: found.level)
        assert worst.kind in (Kind.FEATURES, Kind.DISTANCE, Kind.STRENGTH)
        assert abs(worst.seen_share - worst.expected_share) > 0.1
        # It is over once the newest images are like the training images again.
        watch.add(own_images(reference, 500))
        report = watch.report()
        assert (report.alarm_time, report.alarm_count) == (None, 1)
        assert report.last_alarm_time is not None
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "images that come to version 1 of the model m are not like those" in caplog.messages[0]


@pytest.mark.parametrize("sizes", [[1] * 200, [7] * 30, [256]])
def test_how_images_are_cut_into_requests_does_not_matter(reference: DriftReference, sizes: list[int]) -> None:
    images = other_images(reference, sum(sizes))
    at_once, in_parts = watched(reference), watched(reference)
    at_once.add(images)
    begin = 0
    for size in sizes:
        in_parts.add(images[begin : begin + size])
        begin += size
    assert at_once.report().levels == in_parts.report().levels
    assert in_parts.report().image_count == len(images)


def test_before_the_first_block_nothing_is_said(reference: DriftReference) -> None:
    watch = watched(reference)
    watch.add(other_images(reference, BLOCK - 1))
    assert watch.report().levels == ()
    watch.add(other_images(reference, 1))
    assert watch.report().levels


def test_more_that_is_unknown_is_drift_and_less_is_not(reference: DriftReference) -> None:
    column = [signal.kind for signal in reference.signals].index(Kind.UNKNOWN)
    for unknown, drifts in ((1.0, True), (0.0, False)):
        watch = watched(reference)
        images = own_images(reference, 100)
        images[:, column] = unknown
        watch.add(images)
        [found] = [found for found in watch.report().levels if found.kind is Kind.UNKNOWN]
        assert (found.level >= 1) == drifts


def test_what_is_the_same_in_all_images_is_no_drift() -> None:
    """A network may make the same of all, as of pictures of one colour."""
    same = {"tap": np.full((200, 64), 0.5, np.float32)}
    reference = summarize(OWN, same, OWN.probabilities(same), 0.0)
    watch = watched(reference)
    watch.add(measured(reference, OWN, same))
    assert max(found.level for found in watch.report().levels) < 1
    watch.add(own_images(reference, 50))
    assert watch.report().alarm_count == 1


def test_no_more_versions_are_watched_than_some(reference: DriftReference) -> None:
    monitor = DriftMonitor()
    for key in range(MOST_WATCHED + 10):
        monitor.begin(version(key, model=f"m{key}"), reference)
        monitor.note_default(version(key, model=f"m{key}"))
    assert len(list(monitor.watches())) == MOST_WATCHED
    assert monitor.find(0) is None
    assert monitor.find(MOST_WATCHED + 9) is not None


def test_another_default_version_begins_anew(reference: DriftReference) -> None:
    monitor = DriftMonitor()
    first, second = version(1, 1), version(2, 2)
    monitor.note_default(first)
    monitor.begin(first, reference).add(own_images(reference, 100))
    monitor.note_default(first)
    assert monitor.begin(first, reference).report().image_count == 100
    monitor.begin(second, reference).add(own_images(reference, 50))  # by its number
    monitor.note_default(second)
    assert monitor.find(2) is None
    monitor.begin(second, reference)
    monitor.note_default(first)
    assert monitor.find(1) is None


def test_a_version_without_a_reference_is_not_compared() -> None:
    watch = watched(None)
    watch.add(np.zeros((1, 3), np.float32))
    assert (watch.report().reference, watch.report().image_count) == (None, 0)


def test_a_damaged_reference_is_told_and_done_without(caplog: pytest.LogCaptureFixture) -> None:
    assert read_reference(b"nothing of ours", version()) is None
    assert "version 1 of the model m is not watched: What is stored" in caplog.text
    assert read_reference(None, version()) is None
