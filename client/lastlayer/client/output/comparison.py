"""Versions beside what they are measured by: two side by side, and one beside the images that come to it."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lastlayer.client.output.results import interval, line, table, tap
from lastlayer.client.results.drift import Drift, DriftSignal
from lastlayer.client.results.metrics import Metrics, MultiLabelMetrics
from lastlayer.client.results.versions import ModelVersion
from lastlayer.rpc.observability.escape import escape

Range: TypeAlias = tuple[float, float] | None


def print_comparison(out: Console, one: ModelVersion, other: ModelVersion) -> None:
    """Print two versions side by side, and in sentences what keeps them from being compared by the numbers alone."""
    grid = table("", name(one), name(other), "difference", text_columns=3)
    for title, read in _FACTS:
        grid.add_row(title, Text(read(one)), Text(read(other)), "")
    if not (one.multi_label and other.multi_label):
        _add_classes(grid, one, other)
    if one.multi_label or other.multi_label:
        _add_labels(grid, one, other)
    out.print(grid)
    for remark in remarks(one, other):
        line(out, remark)


def _add_classes(grid: Table, one: ModelVersion, other: ModelVersion) -> None:
    """Add how well classes are told apart."""
    estimates = one.cross_validation, other.cross_validation
    for title, value, ends in _MEASURES:
        numbers = [None if known is None else value(known) for known in estimates]
        ranges = [None if known is None else ends(known) for known in estimates]
        grid.add_row(f"cross-validated {title}", *_cells(numbers, ranges))
    recalls = [{entry.label: entry.recall for entry in known.classes} if known else {} for known in estimates]
    known_classes = [version.classes for version in (one, other) if not version.multi_label]
    for label in dict.fromkeys(label for classes in known_classes for label in classes):
        grid.add_row(Text(f"recall of {escape(label)}"), *_cells([known.get(label) for known in recalls], [None, None]))


def _add_labels(grid: Table, one: ModelVersion, other: ModelVersion) -> None:
    """Add how well independent labels are told."""
    estimates = one.multi_label_cross_validation, other.multi_label_cross_validation
    for title, value in _LABEL_MEASURES:
        numbers = [None if known is None else value(known) for known in estimates]
        grid.add_row(f"cross-validated {title}", *_cells(numbers, [None, None]))
    precisions = [
        {entry.label: entry.average_precision for entry in known.labels} if known else {} for known in estimates
    ]
    for label in dict.fromkeys([*precisions[0], *precisions[1]]):
        values = [known.get(label) for known in precisions]
        grid.add_row(Text(f"average precision of {escape(label)}"), *_cells(values, [None, None]))


def remarks(one: ModelVersion, other: ModelVersion) -> list[str]:
    """Return what is to be known before the numbers of two versions are compared, a sentence each."""
    said = []
    estimated = [version.multi_label_cross_validation or version.cross_validation for version in (one, other)]
    unknown = [name(version) for version, known in zip((one, other), estimated, strict=True) if known is None]
    if one.multi_label is not other.multi_label:
        said.append("For one of them images may have several labels, for the other each is of one class.")
    if unknown:
        said.append(f"There is no cross-validated estimate of {' and '.join(unknown)} that would tell which is better.")
    if one.cross_validation is not None and other.cross_validation is not None:
        ranges = [(title, ends(one.cross_validation), ends(other.cross_validation)) for title, _, ends in _MEASURES]
        overlapping = [title for title, first, second in ranges if _overlap(first, second)]
        if overlapping:
            said.append(f"The intervals of {' and '.join(overlapping)} overlap: the difference may be chance.")
    if set(one.classes) != set(other.classes):
        said.append("They tell different classes apart, and telling more of them apart is harder.")
    if one.dataset != other.dataset:
        said.append(f"They were trained on different datasets: {escape(one.dataset)} and {escape(other.dataset)}.")
    if one.example_count != other.example_count:
        said.append(
            f"They were trained, and are estimated, on different numbers of examples: {one.example_count} and"
            f" {other.example_count}."
        )
    return said


def print_drift(out: Console, drift: Drift) -> None:
    """Print whether the images that come to a version are like those that it was trained on, and how near that is."""
    line(out, f"Model {escape(drift.model)}, version {drift.version}: {_STATES.get(drift.state, drift.state)}")
    since = f" since {drift.start_time:%Y-%m-%d %H:%M} UTC" if drift.start_time else ""
    line(out, f"Images: {drift.image_count:,} compared{since}, with {drift.training_image_count:,} training images")
    if drift.signals:
        grid = table("compared", "newest", "expected", "seen", "level", text_columns=1)
        for signal in drift.signals:
            grid.add_row(
                Text(_compared(signal)),
                f"{signal.image_count}",
                f"{signal.expected_share:.0%}",
                f"{signal.seen_share:.1%}",
                f"{signal.level:.2f}",
            )
        out.print(grid)
        rate = f"{drift.false_alarms_per_million:g} in a million images"
        line(out, f"An alarm is at level 1; without drift there are at most {rate}")
    if drift.alarm_time is not None:
        line(out, f"Alarm since {drift.alarm_time:%Y-%m-%d %H:%M} UTC, number {drift.alarm_count}")
    elif drift.last_alarm_time is not None:
        line(out, f"Alarms so far: {drift.alarm_count}, the last at {drift.last_alarm_time:%Y-%m-%d %H:%M} UTC; over")


_STATES: Final = {
    "steady": "no drift",
    "drifting": "other images come than it was trained on",
    "no reference": "nothing to compare with",
    "too few examples": "too few training images to compare with",
    "too few images": "too few images have come to compare",
}


def _compared(signal: DriftSignal) -> str:
    """Return what is compared, as a phrase."""
    if signal.kind == "unknown":
        return "not unknown"
    named = f" {escape(signal.name)}" if signal.kind == "strength" else ""
    return f"{escape(signal.kind)}{named} below {signal.value:.4g}"


def name(version: ModelVersion) -> str:
    """Return how a version is named on the command line."""
    return f"{escape(version.model)}:{version.version}"


def _calibration_error(known: Metrics) -> float | None:
    return known.expected_calibration_error if known.reliability else None  # an older version has none


def _no_interval(_: Metrics) -> Range:
    return None


_FACTS: Final[Sequence[tuple[str, Callable[[ModelVersion], str]]]] = (
    ("recipe", lambda version: version.recipe),
    ("taps", lambda version: tap(version.taps)),
    ("views", lambda version: escape("+".join(version.views))),
    ("L2", lambda version: f"{version.l2:g}"),
    ("class weight", lambda version: version.class_weight),
    ("dataset", lambda version: escape(version.dataset)),
    ("examples", lambda version: str(version.example_count)),
    ("trained", lambda version: f"{version.create_time:%Y-%m-%d %H:%M}"),
)

_MEASURES: Final[Sequence[tuple[str, Callable[[Metrics], float | None], Callable[[Metrics], Range]]]] = (
    ("accuracy", lambda known: known.accuracy, lambda known: known.accuracy_interval),
    ("log-loss", lambda known: known.log_loss, lambda known: known.log_loss_interval),
    ("calibration error", _calibration_error, _no_interval),
)

_LABEL_MEASURES: Final[Sequence[tuple[str, Callable[[MultiLabelMetrics], float | None]]]] = (
    ("mean average precision", lambda known: known.macro_average_precision),
    ("mean F1", lambda known: known.macro_f1),
    ("log-loss", lambda known: known.log_loss),
    ("exact match", lambda known: known.exact_match),
)


def _cells(numbers: Sequence[float | None], ranges: Sequence[Range]) -> list[Text]:
    """Return two numbers with their intervals, and the second less the first."""
    cells = ["-" if number is None else f"{number:.4f}" for number in numbers]
    cells = [cell + interval(ends) for cell, ends in zip(cells, ranges, strict=True)]
    before, after = numbers
    return [Text(cell) for cell in (*cells, "" if before is None or after is None else f"{after - before:+.4f}")]


def _overlap(first: Range, second: Range) -> bool:
    return first is not None and second is not None and first[0] <= second[1] and second[0] <= first[1]
