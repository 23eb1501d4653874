"""The charts of a multi-label version: precision and recall of each label, at its threshold and at all others."""

from collections.abc import Sequence
from typing import Final

from lastlayer.client.report import charts
from lastlayer.client.report.svg import INK, RIGHT, WRONG, add_axes, drawing, new_figure, short, to_svg
from lastlayer.client.results.metrics import ClassMetrics, LabelMetrics, MultiLabelMetrics
from lastlayer.rpc.observability.escape import escape

_CHARTED: Final = 30
"""How many labels a chart has at most: the weakest."""

_NAMED: Final = 3
"""How many of the weakest labels have their name beside their curve."""


def weakest(metrics: MultiLabelMetrics) -> Sequence[LabelMetrics]:
    """Return the labels with the least average precision, the weakest first; those that have none come last."""

    def strength(entry: LabelMetrics) -> tuple[bool, float]:
        return entry.average_precision is None, entry.average_precision or 0.0

    return sorted(metrics.labels, key=strength)[:_CHARTED]


def label_by_label(metrics: MultiLabelMetrics) -> str:
    """Return recall and precision of the weakest labels at their thresholds, a row each."""
    entries = [
        ClassMetrics(
            entry.label,
            entry.example_count if entry.average_precision is not None else 0,
            entry.log_loss,
            entry.precision,
            entry.recall,
        )
        for entry in weakest(metrics)
    ]
    predicted = [
        round(entry.recall * entry.example_count / entry.precision) if entry.precision else 0 for entry in entries
    ]
    return charts.per_class(entries, predicted)


def precision_recall(metrics: MultiLabelMetrics) -> str:
    """Return what precision each label has at what recall, a curve each, with a dot at its threshold."""
    entries = [entry for entry in weakest(metrics) if entry.curve]
    with drawing():
        figure = new_figure(charts.WIDTH, 340)
        axes = add_axes(figure, left=58, top=10, width=charts.WIDTH - 74, height=282)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.03), xlabel="recall", ylabel="precision")
        titles = {}
        for place, entry in enumerate(entries):
            is_weak = place < _NAMED and len(entries) > _NAMED
            colour = WRONG if is_weak else RIGHT
            recalls, precisions = zip(*((point.recall, point.precision) for point in entry.curve), strict=True)
            axes.plot(recalls, precisions, color=colour, linewidth=1.6, alpha=0.8, gid=f"curve-{place}")
            axes.plot([entry.recall], [entry.precision], "o", color=colour, markersize=7, gid=f"threshold-{place}")
            titles[f"curve-{place}"] = f"{escape(entry.label)}: average precision {entry.average_precision:.1%}"
            titles[f"threshold-{place}"] = (
                f"{escape(entry.label)} from {entry.threshold:.3f} on: precision {entry.precision:.1%}, "
                f"recall {entry.recall:.1%}"
            )
            if is_weak or len(entries) <= _NAMED:
                axes.annotate(
                    short(entry.label),
                    (entry.recall, entry.precision),
                    (0, -14),
                    textcoords="offset points",
                    ha="right",
                    color=INK,
                    fontsize=11,
                )
        return to_svg(figure, "precision-recall", f"Precision by recall of {len(entries)} labels", titles)
