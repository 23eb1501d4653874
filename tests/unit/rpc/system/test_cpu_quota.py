"""The number of processors, by affinity and by the quota of a container of either kind."""

import os
from pathlib import Path

import pytest

from lastlayer.rpc.system.cpu_quota import available_processors


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "400000 100000\n"}, 4),
        ({"cpu.max": "10000 100000"}, 1),
        ({"cpu.max": "9900000 100000"}, 8),
        ({"cpu.max": "nonsense"}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
    ],
)
def test_the_smaller_of_affinity_and_quota(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert available_processors(tmp_path) == expected


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {"cpu.max": "300000 100000"}, 3),
        (
            "1:cpu:/old\n0::/system.slice/featurizer.service\n",
            {"system.slice/featurizer.service/cpu.max": "200000 100000"},
            2,
        ),
        ("0::/system.slice/featurizer.service", {"system.slice/cpu.max": "100000 100000"}, 1),
        (
            "0::/a/b",
            {"cpu.max": "max 100000", "a/cpu.max": "500000 100000", "a/b/cpu.max": "600000 100000"},
            5,
        ),
        ("0::/../outside", {"cpu.max": "400000 100000"}, 4),
        ("0::/a/b", {}, 8),
    ],
)
def test_the_least_quota_of_the_groups_above_holds(
    tmp_path: Path, own: str, files: dict[str, str], expected: int
) -> None:
    membership = tmp_path / "membership"
    membership.write_text(own)
    for name, text in files.items():
        path = tmp_path / "mounted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert available_processors(tmp_path / "mounted", membership) == expected


def test_this_machine_has_at_least_one() -> None:
    assert available_processors() >= 1
