"""The report of a version where images may have several labels."""

from dataclasses import replace

from lastlayer.client.report.labels.charts import weakest
from lastlayer.client.report.model import Gallery, Pictured, Report
from lastlayer.client.report.page import render
from lastlayer.client.results.curation import ReviewedExample
from lastlayer.client.results.examples import StoredExample
from lastlayer.client.results.metrics import LabelMetrics, MultiLabelMetrics, PrecisionRecallPoint
from lastlayer.client.results.versions import ModelVersion
from tests.unit.client.samples import version as plain_version

EMPTY = Gallery((), 0)


def label(name: str, average_precision: float | None) -> LabelMetrics:
    points = (PrecisionRecallPoint(0, 0.5, 1), PrecisionRecallPoint(0.5, 0.75, 0.5))
    known = average_precision is not None
    return LabelMetrics(name, 20, average_precision, 0.375, 0.75, 0.5, 0.6, 0.25, points if known else ())


def version(*entries: LabelMetrics) -> ModelVersion:
    metrics = MultiLabelMetrics(40, 0.25, entries, 0.875, 0.75, 0.625, 0.6875, 0.5625)
    return replace(
        plain_version(),
        classes=tuple(entry.label for entry in entries),
        cross_validation=None,
        comparisons=(),
        calibration=None,
        multi_label=True,
        multi_label_cross_validation=metrics,
        label_thresholds=(0.375,) * len(entries),
        label_temperatures=(1.25,) * len(entries),
    )


def test_it_tells_of_each_label() -> None:
    page = render(Report(version(label("<b>red", 0.9), label("round", 0.5), label("all", None)), None, EMPTY, EMPTY))
    assert "expect about <b>56</b> to get all their labels" in page
    assert "&lt;b&gt;red" in page
    assert "<b>red" not in page
    assert "90.0\N{NARROW NO-BREAK SPACE}%" in page
    assert "Precision by recall of 2 labels" in page
    assert "not validated" in page
    assert "those of the best F1 score of each label" in page
    assert "3 labels" in page
    assert "Confusion" not in page


def test_what_is_in_doubt_has_its_command() -> None:
    example = StoredExample("1.jpg", b"\x01" * 32, ("red", "round"), stale=False)
    too_much = ReviewedExample(example, "red", 0.125, "", 0.875)
    missing = ReviewedExample(example, "", 0.125, "big", 0.875)
    shown = Gallery((Pictured(too_much), Pictured(missing)), 2)
    page = render(Report(version(label("red", 0.9), label("round", 0.5)), None, EMPTY, shown))
    assert "not red" in page
    assert "labelled without it" in page
    assert "--to round --dataset" in page
    assert "--to red --to round --to big --dataset" in page


def test_nothing_is_known_of_too_few() -> None:
    unknown = replace(version(label("red", 0.9)), multi_label_cross_validation=None)
    assert "the dataset has too few images to validate it with" in render(Report(unknown, None, EMPTY, EMPTY))


def test_the_weakest_label_comes_first() -> None:
    metrics = version(label("a", 0.9), label("b", None), label("c", 0.5)).multi_label_cross_validation
    assert metrics is not None
    assert [entry.label for entry in weakest(metrics)] == ["c", "a", "b"]
