"""The fuzzer itself: it finds nothing in a moment, and tells what it finds."""

import sys
from pathlib import Path

import pytest

from tests.fuzz import __main__ as fuzzer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured and limited on Linux alone")


@pytest.fixture(autouse=True)
def for_a_moment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FUZZ_SECONDS", "3")
    monkeypatch.setenv("FUZZ_SEED", "1")
    monkeypatch.setattr(fuzzer, "FINDINGS", tmp_path / "findings")


def test_nothing_is_found_in_a_moment(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzzer.main() == 0
    told = capsys.readouterr().out
    assert "DECODED" in told
    assert "IMAGE_UNDECODABLE" in told


@pytest.mark.long
def test_what_takes_too_much_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fuzzer, "MOST_CPU_S", 0.0)
    found = fuzzer.main()
    assert found > 0
    assert 0 < len(list((tmp_path / "findings").iterdir())) <= found


def test_a_process_that_ends_is_a_finding_and_is_started_anew() -> None:
    child = fuzzer.Child()
    assert child.decode(b"nothing") == "IMAGE_UNDECODABLE"
    assert child._process is not None
    child._process.kill()
    child._process.wait()
    assert child.decode(b"nothing") == "IMAGE_UNDECODABLE"
    child.close()
