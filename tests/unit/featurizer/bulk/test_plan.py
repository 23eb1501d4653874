"""The plan of a run: written once, and held to."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.bulk.plan import Run, check_same, read_plan, read_shard, write_plan
from lastlayer.featurizer.errors import BulkError

RUN = Run(("photos",), None, None, 3, ("pool", "scores"), "float32", "tiny", "0" * 64, "tensorflow", "float32")


def items(count: int) -> Iterator[Item]:
    for number in range(count):
        yield Item(f"{number}.jpg", f"file:///photos/{number}.jpg", "tar", 512 * number, 7, "ä" if number % 2 else None)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    url = str(tmp_path / "_run" / "plan.parquet")
    assert read_plan(url, Files()) is None
    write_plan(url, Files(), RUN, items(7))
    plan = read_plan(url, Files())
    assert plan is not None
    assert (plan.run, plan.counts) == (RUN, (3, 3, 1))
    assert [item for shard in range(3) for item in read_shard(url, Files(), shard)] == list(items(7))


def test_a_plan_that_cannot_be_made_is_not_there(tmp_path: Path) -> None:
    def failing() -> Iterator[Item]:
        yield from items(5)
        raise BulkError("The source is gone.")

    with pytest.raises(BulkError):
        write_plan(str(tmp_path / "plan.parquet"), Files(), RUN, failing())
    assert list(tmp_path.iterdir()) == []


def test_another_run_does_not_go_on_in_the_same_folder() -> None:
    check_same(RUN, RUN)
    other = replace(RUN, taps=("pool",), label_from="folder")
    with pytest.raises(BulkError, match=r"label from none there, folder now; taps pool, scores there, pool now"):
        check_same(other, RUN)


def test_a_file_that_is_no_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.parquet").write_bytes(b"no plan")
    with pytest.raises(BulkError, match="no plan of this version"):
        read_plan(str(tmp_path / "plan.parquet"), Files())
