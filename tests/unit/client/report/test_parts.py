"""What the charts of a report are made with."""

import pytest

from lastlayer.client.report.charts import wilson
from lastlayer.client.report.svg import columns, short


@pytest.mark.parametrize(
    ("correct", "count", "interval"),
    [
        (1, 1, (0.20654931437723745, 1.0)),
        (5, 10, (0.236593090512564, 0.7634069094874361)),
        (81, 263, (0.2552885198782742, 0.36620957698280004)),
        (9999, 10000, (0.9994337311025987, 0.9999823473263989)),
    ],
)
def test_the_intervals_are_those_of_the_service(correct: int, count: int, interval: tuple[float, float]) -> None:
    assert wilson(correct / count, count) == pytest.approx(interval, rel=1e-12)


def test_wilson_intervals() -> None:
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson(0.0, 1)[0] == 0


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("daisy", "daisy"),
        ("a" * 20, "a" * 20),
        ("a" * 21, "a" * 19 + "…"),
        ("日本語のとても長いラベル", "日本語のとても長い…"),
        ("one\ntwo", "one\\ntwo"),
    ],
)
def test_labels_are_shortened_to_what_they_take(label: str, expected: str) -> None:
    assert short(label) == expected
    assert columns(short(label)) <= 20
