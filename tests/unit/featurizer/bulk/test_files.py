"""Files of any file system: what fails for the moment is tried again, and nothing is half written."""

import time
from pathlib import Path

import fsspec
import pytest

from lastlayer.featurizer.bulk.files import Files, patiently
from lastlayer.featurizer.bulk.run import parse_storage_options
from lastlayer.featurizer.errors import BulkError


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def test_what_fails_for_the_moment_is_tried_again() -> None:
    failures = [OSError("503 Slow Down"), TimeoutError(), OSError("reset")]

    def attempt() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert patiently(attempt) == "done"


def test_patience_ends_and_what_lasts_is_not_tried_again() -> None:
    attempts: list[type[OSError]] = []

    def failing(kind: type[OSError]) -> None:
        attempts.append(kind)
        raise kind("no")

    for kind in (OSError, FileNotFoundError, PermissionError):
        with pytest.raises(kind):
            patiently(lambda kind=kind: failing(kind))  # type: ignore[misc]
    assert attempts.count(OSError) == 6
    assert (attempts.count(FileNotFoundError), attempts.count(PermissionError)) == (1, 1)


def test_a_file_that_fails_half_way_is_not_there(tmp_path: Path) -> None:
    def fail() -> None:
        with Files().writing(str(tmp_path / "a" / "b.txt")) as path:
            path.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list((tmp_path / "a").iterdir()) == []
    with Files().writing(str(tmp_path / "a" / "b.txt")) as path:
        path.write_text("whole")
    assert Files().names(str(tmp_path / "a")) == {"b.txt"}


def test_other_file_systems_are_fsspecs() -> None:
    with Files().writing("memory://bulk/a.txt") as path:
        path.write_text("whole")
    assert Files().read("memory://bulk/a.txt", 1, 3) == b"ho"
    assert Files().read_start("memory://bulk/a.txt", 100) == b"whole"
    assert Files().names("memory://bulk") == {"a.txt"}
    fsspec.filesystem("memory").store.clear()


def test_a_file_system_that_is_not_known() -> None:
    with pytest.raises(BulkError, match="`nothing://a` cannot be opened"):
        Files().read("nothing://a")


def test_storage_options_are_text_or_json() -> None:
    options = parse_storage_options(["anon=true", "key=a=b", 'client_kwargs={"region_name": "x"}'])
    assert options == {"anon": True, "key": "a=b", "client_kwargs": {"region_name": "x"}}
    with pytest.raises(BulkError, match="`anon` is no KEY=VALUE"):
        parse_storage_options(["anon"])
