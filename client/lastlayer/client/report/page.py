"""Renders a report as one page of HTML that needs nothing else: no network, no scripts, no fonts."""

import functools
import shlex
from collections.abc import Sequence
from typing import Final, NamedTuple

from jinja2 import Template
from markupsafe import Markup

from lastlayer.client.report import charts
from lastlayer.client.report.confusion import cell_id, draw_confusion
from lastlayer.client.report.html import make_environment
from lastlayer.client.report.labels.charts import label_by_label, precision_recall
from lastlayer.client.report.map.dots import to_dots
from lastlayer.client.report.model import Report
from lastlayer.client.results.curation import ReviewedExample
from lastlayer.client.results.examples import StoredExample
from lastlayer.client.results.metrics import ClassMetrics, Metrics
from lastlayer.rpc.observability.escape import escape

_CHARTED_CLASSES: Final = 30
"""How many classes the chart of precision and recall has at most: the weakest."""

_CONFUSIONS: Final = 5


class Confusion(NamedTuple):
    """How often one class was taken for another."""

    true: str
    predicted: str
    images: int
    share: float
    """Of the examples of the true class."""


class Cell(NamedTuple):
    """A cell of the confusion matrix that has photos."""

    id: str
    true: str
    predicted: str
    images: int
    examples: tuple[StoredExample, ...]


def render(report: Report) -> str:
    """Return the page."""
    metrics = report.version.cross_validation
    labels = report.version.multi_label_cross_validation
    return _template().render(
        report=report,
        version=report.version,
        metrics=metrics,
        labels=labels,
        kind="labels" if report.version.multi_label else "classes",
        charts=_charts(report),
        cells=_cells(report),
        confusions=_confusions(metrics) if metrics else (),
        weakest=_weakest(metrics) if metrics else (),
        baseline=_baseline(metrics) if metrics else 0.0,
        sampled=len({trial.example_count for trial in report.version.trials}) > 1,
        trial_name=charts.trial_name,
        dots=to_dots(report.map) if report.map else None,
    )


@functools.cache
def _template() -> Template:
    environment = make_environment()
    environment.filters.update(percent=_percent)
    environment.globals.update(relabel=_relabel_command)
    return environment.get_template("template.html.j2")


def _charts(report: Report) -> dict[str, Markup]:
    """Return the charts; those that there are no numbers for are empty."""
    version, metrics = report.version, report.version.cross_validation
    drawn = dict.fromkeys(("confusion", "curves", "per_class", "reliability", "rejection", "trials"), "")
    labels = version.multi_label_cross_validation
    if labels is not None and labels.example_count:
        drawn["per_class"] = label_by_label(labels)
        if any(entry.curve for entry in labels.labels):
            drawn["curves"] = precision_recall(labels)
    if metrics is not None and metrics.example_count:
        drawn["confusion"] = draw_confusion(metrics, report.cells)
        predicted = _predicted(metrics)
        weakest = _weakest(metrics)
        drawn["per_class"] = charts.per_class(
            weakest, [predicted[entry.label] for entry in weakest], metrics.interval_inflation
        )
        if bins := [entry for entry in metrics.reliability if entry.example_count]:
            drawn["reliability"] = charts.reliability(bins, metrics.interval_inflation)
        chosen = version.rejection if version.rejection and version.rejection.min_precision else None
        if version.rejection_curve:
            drawn["rejection"] = charts.rejection(version.rejection_curve, chosen)
    if version.trials:
        drawn["trials"] = charts.trials(version.trials)
    # matplotlib's own, in which names are escaped.
    return {name: Markup(chart) for name, chart in drawn.items()}  # noqa: S704


def _cells(report: Report) -> Sequence[Cell]:
    """Return the cells that have photos, row after row."""
    metrics = report.version.cross_validation
    if metrics is None:
        return ()
    labels = [entry.label for entry in metrics.classes]
    return [
        Cell(cell_id(row, column), labels[row], labels[column], count, report.cells[labels[row], labels[column]])
        for row, counts in enumerate(metrics.confusion_matrix)
        for column, count in enumerate(counts)
        if count and (labels[row], labels[column]) in report.cells
    ]


def _relabel_command(reviewed: ReviewedExample, dataset: str) -> str:
    """Return what to type, in a shell of POSIX, for an example to get its suggested label."""
    known_by = reviewed.example.sha256.hex()[:16]
    to = [word for label in reviewed.labels_put_right for word in ("--to", label)]
    return escape(shlex.join(["client", "relabel", known_by, *to, "--dataset", dataset]))


def _predicted(metrics: Metrics) -> dict[str, int]:
    """Return how often each class was predicted."""
    sums = [sum(column) for column in zip(*metrics.confusion_matrix, strict=True)]
    return {entry.label: times for entry, times in zip(metrics.classes, sums, strict=True)}


def _weakest(metrics: Metrics) -> Sequence[ClassMetrics]:
    """Return the classes with the least harmonic mean of precision and recall, the weakest first."""

    def strength(entry: ClassMetrics) -> float:
        return 2 * entry.precision * entry.recall / ((entry.precision + entry.recall) or 1)

    return sorted(metrics.classes, key=lambda entry: (entry.example_count == 0, strength(entry)))[:_CHARTED_CLASSES]


def _confusions(metrics: Metrics) -> Sequence[Confusion]:
    """Return the most frequent confusions, the most frequent first."""
    labels = [entry.label for entry in metrics.classes]
    found = [
        Confusion(labels[row], labels[column], count, count / sum(counts))
        for row, counts in enumerate(metrics.confusion_matrix)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    return sorted(found, key=lambda entry: (-entry.images, -entry.share))[:_CONFUSIONS]


def _baseline(metrics: Metrics) -> float:
    """Return the accuracy of always predicting the most frequent class."""
    return max((entry.example_count for entry in metrics.classes), default=0) / max(1, metrics.example_count)


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}{charts.PERCENT}"
