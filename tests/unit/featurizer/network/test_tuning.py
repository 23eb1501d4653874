"""Which way to run a network is taken, and what is remembered of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network import tuning
from lastlayer.featurizer.network.tuning import (
    SAME,
    Distance,
    Measurement,
    Measurements,
    choose,
    compare,
    describe,
    measure,
    recall,
    remember,
)
from lastlayer.featurizer.network.variants import FULL, Variant

HALF, INT8, OTHER = Variant("openvino", "bfloat16"), Variant("openvino", "int8"), Variant("openvino", "float32")
TAPS = ["first", "last"]
IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)


class FakeClock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("time.perf_counter", lambda: self.now)
        monkeypatch.setattr("time.monotonic", lambda: self.now)


class FakeNetwork:
    """Takes seconds, by the clock; its vectors are means of colours, spoiled at the last tap."""

    open = 0

    def __init__(self, clock: FakeClock, seconds: float, spoil: Sequence[float] = (0, 0, 0)) -> None:
        self._clock = clock
        self._seconds = seconds
        self._spoil = np.array(spoil, np.float32)
        FakeNetwork.open += 1

    def run(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        self._clock.now += self._seconds
        vectors = images.mean((1, 2)).astype(np.float32)
        return {tap: vectors + self._spoil if tap == "last" else vectors for tap in taps}

    def close(self) -> None:
        FakeNetwork.open -= 1


def entry(speed: float, mean: float = 1.0) -> Measurement:
    return Measurement(speed, {"first": SAME, "last": Distance(mean, mean - 0.01)})


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ({FULL: entry(10), HALF: entry(20), INT8: entry(30)}, INT8),
        ({FULL: entry(10), HALF: entry(20), INT8: entry(30, 0.9)}, HALF),  # too far
        ({FULL: entry(10), HALF: entry(10.9)}, FULL),  # not worth it
        ({FULL: entry(10), HALF: entry(20), INT8: Measurement(error="it has an unknown operation")}, HALF),
        ({HALF: entry(20, 0.9), INT8: entry(30, 0.8)}, HALF),  # all too far, and the nearest
        ({INT8: entry(30, -1)}, INT8),
    ],
)
def test_the_fastest_that_is_near_is_taken(measured: Measurements, expected: Variant) -> None:
    assert choose(measured, list(measured)) == expected


def test_only_candidates_are_taken() -> None:
    measured = {FULL: entry(10), HALF: entry(20), INT8: entry(30)}
    assert choose(measured, [HALF, FULL]) == HALF
    with pytest.raises(BackboneError, match="it has an unknown operation"):
        choose({FULL: entry(10), HALF: Measurement(error="it has an unknown operation")}, [HALF])


def test_speed_and_distance_are_measured_beside_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(monkeypatch)
    networks = {FULL: (0.5, (0, 0, 0)), HALF: (0.25, (0, 0, 0)), INT8: (0.125, (60, 0, 0))}

    def make(variant: Variant) -> FakeNetwork:
        if variant == OTHER:
            raise BackboneError("It has an unknown operation.")
        return FakeNetwork(clock, *networks[variant])

    measured = measure(make, [INT8, HALF, OTHER, FULL], IMAGES, TAPS, {})
    assert {variant: found.images_per_second for variant, found in measured.items()} == {
        FULL: 16,
        HALF: 32,
        INT8: 64,
        OTHER: 0,
    }
    assert measured[HALF].farthest == pytest.approx(1)
    assert measured[INT8].distances["first"] == pytest.approx((1, 1))
    assert measured[INT8].distances["last"].least_cosine < measured[INT8].farthest < 0.99
    assert measured[OTHER].error == "It has an unknown operation."
    assert FakeNetwork.open == 0
    assert describe(measured).startswith("int8 by openvino 64.0 images/s, bfloat16 by openvino 32.0 images/s, ")
    # What is known already is not measured again: here, of photos.
    known: Mapping[str, Distance] = {"first": SAME, "last": Distance(0.995, 0.95)}
    assert measure(make, [INT8], IMAGES, TAPS, {INT8: known})[INT8].distances == known


def test_measuring_ends_where_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(monkeypatch)
    measured = measure(lambda _: FakeNetwork(clock, 5), [INT8, HALF, OTHER], IMAGES, TAPS, {})
    assert [measured[variant].error for variant in (INT8, HALF, OTHER, FULL)] == [
        "",
        tuning.UNMEASURED,
        tuning.UNMEASURED,
        "",
    ]
    assert choose(measured, [INT8, HALF, OTHER, FULL]) == FULL


@pytest.mark.parametrize("number", [0.0, 7.0])
def test_vectors_that_are_the_same_have_a_cosine_of_1(number: float) -> None:
    vectors = {"tap": np.full((3, 4), number, np.float32)}
    assert compare(vectors, vectors)["tap"] == pytest.approx((1, 1))


def test_vectors_that_are_not_finite_are_far() -> None:
    vectors = np.ones((2, 4), np.float32)
    spoiled = vectors.copy()
    spoiled[1, 2] = np.nan
    assert compare({"tap": vectors}, {"tap": spoiled})["tap"] == (0, -1)


def test_measurements_are_remembered(tmp_path: Path) -> None:
    path = tmp_path / "tuned" / "one.json"
    measured = {FULL: entry(10), INT8: entry(30, 0.995), HALF: Measurement(error="it has an unknown operation")}
    remember(path, measured, "checksum")
    assert recall(path, "checksum") == measured
    # Of another network in int8, what is known of that does not hold.
    assert recall(path, "another").keys() == {FULL, HALF}
    assert recall(tmp_path / "absent.json", "checksum") == {}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"variants": [{}], "int8": ""}',
        (
            '{"int8": "", "variants": [{"engine": "a", "precision": "int8", "images_per_second": 1, "distances": {}, '
            '"error": ""}]}'
        ),
    ],
)
def test_measurements_that_are_damaged_are_made_again(tmp_path: Path, content: str) -> None:
    path = tmp_path / "one.json"
    path.write_text(content)
    assert recall(path, "") == {}


def test_a_folder_that_cannot_be_written_costs_time_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    remember(tmp_path / "file" / "one.json", {FULL: entry(10)}, "")
    assert "the next start measures again" in caplog.text
