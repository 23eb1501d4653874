"""What the studio advises, by the numbers of a version."""

import dataclasses

import pytest

from lastlayer.client.results.datasets import Dataset
from lastlayer.client.results.metrics import ClassMetrics, Metrics
from lastlayer.studio.advice import Advice, advise
from tests.unit.client.samples import version as sample

VERSION = dataclasses.replace(sample(), example_count=40)


def metrics(counts: list[int], recalls: list[float], confusion: list[list[int]] | None = None) -> Metrics:
    size = len(counts)
    matrix = confusion or [
        [count if row == column else 0 for column in range(size)] for row, count in enumerate(counts)
    ]
    classes = tuple(
        ClassMetrics(f"class {number}", count, 0.5, 1.0, recall)
        for number, (count, recall) in enumerate(zip(counts, recalls, strict=True))
    )
    return Metrics(sum(counts), 0.5, 0.5, 0.8, 0.8, classes, tuple(map(tuple, matrix)))


def dataset(*, examples: int = 40, conflicts: int = 0, stale: int = 0) -> Dataset:
    now = VERSION.create_time
    return Dataset("pets", examples, {}, conflicts, "tiny", "", now, now, stale)


def advice_for(measured: Metrics | None) -> list[Advice]:
    return advise(dataclasses.replace(VERSION, cross_validation=measured), None, 0)


def test_what_is_wrong_with_the_photos_comes_first() -> None:
    version = dataclasses.replace(VERSION, cross_validation=metrics([20, 4], [1.0, 0.5]))
    found = advise(version, dataset(examples=42, conflicts=2, stale=3), 8)
    assert [(entry.kind, entry.count) for entry in found] == [
        ("stale", 3),
        ("suspicious", 8),
        ("conflicts", 2),
        ("untrained", 2),
        ("grow", 4),
    ]


def test_nothing_is_advised_where_all_is_well() -> None:
    version = dataclasses.replace(VERSION, cross_validation=metrics([20, 20], [0.95, 1.0]))
    assert advise(version, dataset(), 0) == []


@pytest.mark.parametrize(
    ("counts", "recalls", "grow"),
    [
        ([40, 6, 20], [0.9, 0.5, 0.9], "class 1"),  # few and weak
        ([40, 6, 6], [0.9, 1.0, 0.5], "class 2"),  # the weaker of two small ones
        ([40, 12, 3], [0.9, 0.2, 1.0], "class 1"),  # weak with some more photos, before strong with fewer
        ([6, 6], [0.5, 0.5], ""),  # all have the same
        ([40, 30], [0.9, 0.2], ""),  # enough
        ([40, 0], [0.9, 0.0], ""),  # not one of the data
    ],
)
def test_the_class_for_which_photos_promise_most(counts: list[int], recalls: list[float], grow: str) -> None:
    grown = [entry.label for entry in advice_for(metrics(counts, recalls)) if entry.kind == "grow"]
    assert grown == ([grow] if grow else [])


def test_classes_that_are_mixed_up() -> None:
    confusion = [[15, 5, 0], [2, 18, 0], [0, 0, 20]]
    assert advice_for(metrics([20, 20, 20], [0.75, 0.9, 1.0], confusion)) == [
        Advice("mixed_up", 5, "class 0", "class 1")
    ]
    once = [[19, 1, 0], [0, 20, 0], [0, 0, 20]]
    assert advice_for(metrics([20, 20, 20], [0.95, 1.0, 1.0], once)) == []


def test_without_numbers_there_is_nothing_to_say() -> None:
    assert advice_for(None) == []
