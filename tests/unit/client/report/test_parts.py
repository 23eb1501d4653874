"""What the charts of a report are made with."""

import pytest

from lastlayer.client.report.intervals import wilson
from lastlayer.client.report.svg import columns, short


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
