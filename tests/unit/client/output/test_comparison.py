"""What is said of two versions beside their numbers."""

import io
from typing import Any

from rich.console import Console

from lastlayer.client import ClassMetrics, Metrics, ModelVersion, ReliabilityBin
from lastlayer.client.output.comparison import print_comparison, remarks
from tests.unit.client.samples import version

ANY_BIN = (ReliabilityBin(0.5, 1.0, 8, 0.75, 0.75),)


def metrics(
    accuracy: tuple[float, float, float] = (0.75, 0.5, 0.9), loss: tuple[float, float, float] = (0.5, 0.25, 0.75)
) -> Metrics:
    classes = tuple(ClassMetrics(label, 4, loss[0], 1.0, accuracy[0]) for label in ("cat", "dog"))
    return Metrics(
        example_count=8,
        log_loss=loss[0],
        log_loss_reduction=None,
        accuracy=accuracy[0],
        macro_accuracy=accuracy[0],
        classes=classes,
        confusion_matrix=((4, 0), (0, 4)),
        accuracy_interval=accuracy[1:],
        log_loss_interval=loss[1:],
        expected_calibration_error=0.125,
        reliability=ANY_BIN,
    )


def known(estimate: Metrics | None, **changes: Any) -> ModelVersion:
    return version(cross_validation=estimate, **changes)


def printed(one: ModelVersion, other: ModelVersion) -> list[list[str]]:
    written = io.StringIO()
    print_comparison(Console(file=written, markup=False, highlight=False, emoji=False, width=100_000), one, other)
    return [line.split() for line in written.getvalue().splitlines()]


def test_overlapping_intervals_are_named() -> None:
    better = metrics((0.85, 0.7, 0.95), (0.1, 0.05, 0.15))
    assert remarks(known(metrics()), known(metrics(), version=2)) == [
        "The intervals of accuracy and log-loss overlap: the difference may be chance."
    ]
    for one, other in ((metrics(), better), (better, metrics())):
        assert remarks(known(one), known(other)) == ["The intervals of accuracy overlap: the difference may be chance."]
    assert remarks(known(metrics()), known(metrics((0.99, 0.95, 1.0), (0.1, 0.05, 0.15)))) == []


def test_what_makes_numbers_unlike_is_said() -> None:
    other = known(
        metrics((0.99, 0.95, 1.0), (0.1, 0.05, 0.15)), dataset="pets", example_count=9, classes=("cat", "dog", "fox")
    )
    assert remarks(known(metrics()), other) == [
        "They tell different classes apart, and telling more of them apart is harder.",
        "They were trained on different datasets: default and pets.",
        "They were trained, and are estimated, on different numbers of examples: 8 and 9.",
    ]


def test_a_version_without_an_estimate() -> None:
    assert remarks(known(metrics()), known(None, version=2)) == [
        "There is no cross-validated estimate of default:2 that would tell which is better."
    ]
    rows = printed(known(metrics()), known(None, version=2))
    assert ["cross-validated", "accuracy", "0.7500", "(95", "%:", "0.5000", "to", "0.9000)", "-"] in rows
    assert ["recall", "of", "dog", "0.7500", "-"] in rows


def test_differences_are_the_second_less_the_first() -> None:
    rows = printed(known(metrics()), known(metrics((0.5, 0.3, 0.7)), version=2))
    assert ["recall", "of", "cat", "0.7500", "0.5000", "-0.2500"] in rows
    assert ["cross-validated", "calibration", "error", "0.1250", "0.1250", "+0.0000"] in rows


def test_an_older_version_has_no_calibration_error() -> None:
    older = Metrics(8, 0.5, None, 0.75, 0.75, (), ())
    rows = printed(known(older), known(metrics(), version=2))
    assert ["cross-validated", "calibration", "error", "-", "0.1250"] in rows
    assert [
        "cross-validated",
        "log-loss",
        "0.5000",
        "0.5000",
        "(95",
        "%:",
        "0.2500",
        "to",
        "0.7500)",
        "+0.0000",
    ] in rows
