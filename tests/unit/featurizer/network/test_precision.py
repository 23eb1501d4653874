"""Which numbers of 16 bits a machine offers, and when they are taken."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from lastlayer.featurizer.config import Precision
from lastlayer.featurizer.network.precision import compare, reduced_precision


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f avx512bw", None),
        ("fpu avx2 avx512f avx512_bf16 amx_tile", "bfloat16"),
        ("fpu amx_bf16", "bfloat16"),
        ("fpu not_avx512_bf16_at_all", None),
    ],
)
def test_a_processor_needs_instructions_for_bfloat16(tmp_path: Path, flags: str, expected: Precision | None) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert reduced_precision(gpu=False, cpuinfo=cpuinfo) == expected


def test_a_gpu_has_float16_whatever_the_processor(tmp_path: Path) -> None:
    assert reduced_precision(gpu=True, cpuinfo=tmp_path / "absent") == "float16"


def test_a_system_without_cpuinfo_offers_none(tmp_path: Path) -> None:
    assert reduced_precision(gpu=False, cpuinfo=tmp_path / "absent") is None


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class FakeNetwork:
    """Takes scripted seconds, by the clock; its vectors are means of colours, spoiled as scripted."""

    def __init__(self, clock: FakeClock, seconds: Sequence[float], spoil: Sequence[float] = (0, 0, 0)) -> None:
        self._clock = clock
        self._seconds = [0.0, *seconds]  # the first run is the one whose vectors are compared
        self._spoil = np.array(spoil, np.float32)

    def run(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        self._clock.now += self._seconds.pop(0)
        vectors = images.mean((1, 2)).astype(np.float32)
        return {tap: vectors + self._spoil if tap == "last" else vectors for tap in taps}


@pytest.mark.parametrize(
    ("seconds", "spoil", "expected"),
    [
        ((1, 1, 1), (0, 0, 0), (True, "2.00 times as fast, cosine 1.00000")),
        ((1, 9, 1), (0, 0, 0), (True, "2.00 times as fast, cosine 1.00000")),  # one slow round of three
        ((1.9, 1.9, 1.9), (0, 0, 0), (False, "1.05 times as fast, cosine 1.00000")),
        ((1, 1, 1), (100, 0, 0), (False, "2.00 times as fast, cosine 0.9")),
        ((1, 1, 1), (np.nan, 0, 0), (False, "2.00 times as fast, cosine -1.00000")),
    ],
)
def test_reduced_precision_is_taken_where_it_is_faster_and_near(
    monkeypatch: pytest.MonkeyPatch, seconds: Sequence[float], spoil: Sequence[float], expected: tuple[bool, str]
) -> None:
    clock = FakeClock()
    monkeypatch.setattr("time.perf_counter", clock.perf_counter)
    full, reduced = FakeNetwork(clock, (2, 2, 2)), FakeNetwork(clock, seconds, spoil)
    worthwhile, measured = compare(full, reduced, width=40, height=30, taps=["first", "last"])
    assert worthwhile == expected[0]
    assert measured.startswith(expected[1])


def test_vectors_of_zeros_are_the_same_as_zeros() -> None:
    class Zeros:
        def run(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
            return {tap: np.zeros((len(images), 4), np.float32) for tap in taps}

    assert compare(Zeros(), Zeros(), width=8, height=8, taps=["a"])[1].endswith("cosine 1.00000")
