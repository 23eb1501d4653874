"""Draws the charts of a report but the confusion matrix, with matplotlib, as SVG for the page."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.transforms import Transform

from lastlayer.client.report.svg import (
    GRID,
    INK,
    MUTED,
    PAPER,
    RIGHT,
    WRONG,
    add_axes,
    columns,
    drawing,
    new_figure,
    short,
    to_svg,
)
from lastlayer.client.results.metrics import ClassMetrics, ReliabilityBin
from lastlayer.client.results.versions import Rejection, RejectionPoint, Trial
from lastlayer.rpc.observability.escape import escape

WIDTH: Final = 440
"""Pixels of a chart that shares its row with another; on a narrow screen it is drawn smaller, and still readable."""

LETTER: Final = 0.6
"""The width of a letter as a share of the font's size."""

PERCENT: Final = "\N{NARROW NO-BREAK SPACE}%"
_SHARES: Final = PercentFormatter(1, decimals=0, symbol=PERCENT)

_Z: Final = 1.959963984540054
"""Standard deviations of a normal distribution that hold 95 % of it; the service's intervals have the same."""


def per_class(classes: Sequence[ClassMetrics], predicted: Sequence[int], inflation: float = 1.0) -> str:
    """Return recall (with its 95 % interval) and precision of classes, a row each; `predicted` counts how often.

    `inflation` is that of `Metrics.interval_inflation`.
    """
    texts = [short(entry.label) for entry in classes]
    left = max(map(columns, texts)) * LETTER * 12 + 12
    count = len(classes)
    row_height = 36 if count <= 10 else 25
    with drawing():
        figure = new_figure(WIDTH, count * row_height + 56)
        axes = add_axes(figure, left=left, top=30, width=WIDTH - left - 52, height=count * row_height)
        least = min(_lowest(entry, times, inflation) for entry, times in zip(classes, predicted, strict=True))
        start = max(0.0, np.floor(10 * least - 0.2) / 10)
        axes.set(xlim=(start - 0.02 * (1 - start), 1 + 0.02 * (1 - start)), ylim=(count - 0.5, -0.5))
        axes.xaxis.set_major_formatter(_SHARES)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_yticks(range(count), texts, color=INK, fontsize=12)
        across = axes.get_yaxis_transform()
        top = -0.5 - 16 / row_height
        titles = {}
        for row, (entry, times) in enumerate(zip(classes, predicted, strict=True)):
            axes.axhline(row, color=GRID, linewidth=1, zorder=0)
            axes.text(
                1.12,
                row,
                f"{entry.example_count:,}",
                color=MUTED,
                ha="right",
                va="center",
                fontsize=11,
                transform=across,
            )
            if not entry.example_count:
                axes.text(
                    0.5, row, "not validated", color=MUTED, ha="center", va="center", fontsize=11, transform=across
                )
                continue
            lower, upper = wilson(entry.recall, entry.example_count / inflation)
            axes.plot([lower, upper], [row - 0.13] * 2, color=RIGHT, alpha=0.35, linewidth=5, solid_capstyle="round")
            axes.plot([entry.recall], [row - 0.13], "o", color=RIGHT, markersize=8, gid=f"recall-{row}")
            titles[f"recall-{row}"] = f"{escape(entry.label)}: recall {entry.recall:.1%} ({lower:.1%} to {upper:.1%})"
            if times:
                axes.plot([entry.precision], [row + 0.17], "D", color=WRONG, markersize=6.5, gid=f"precision-{row}")
                titles[f"precision-{row}"] = (
                    f"{escape(entry.label)}: precision {entry.precision:.1%} of {times} predicted"
                )
        _legend(axes, [("o", RIGHT, "recall"), ("D", WRONG, "precision")], across, top)
        axes.text(1.12, top, "images", color=MUTED, ha="right", va="center", fontsize=11, transform=across)
        return to_svg(figure, "per-class", f"Precision and recall of {count} classes", titles)


def _lowest(entry: ClassMetrics, predicted: int, inflation: float) -> float:
    """Return the least that is drawn of a class."""
    if not entry.example_count:
        return 1.0
    lower, _ = wilson(entry.recall, entry.example_count / inflation)
    return min(lower, entry.precision) if predicted else lower


def _legend(axes: Axes, entries: Sequence[tuple[str, str, str]], across: Transform, at: float) -> None:
    place = 0.02
    for marker, colour, text in entries:
        axes.plot([place], [at], marker, color=colour, markersize=7, clip_on=False, transform=across)
        axes.text(place + 0.035, at, text, color=MUTED, va="center", fontsize=12, transform=across)
        place += 0.13 + 0.026 * len(text)


def reliability(bins: Sequence[ReliabilityBin], inflation: float = 1.0) -> str:
    """Return how often predictions are right by how sure they were, and below it how many were how sure.

    `inflation` is that of `Metrics.interval_inflation`.
    """
    with drawing():
        figure = new_figure(WIDTH, 390)
        axes = add_axes(figure, left=58, top=10, width=WIDTH - 74, height=258)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, dashes=(4, 4))
        axes.text(0.03, 0.1, "as sure as right", color=MUTED, fontsize=11, rotation=35, rotation_mode="anchor")
        axes.set(xlim=(0, 1.02), ylim=(0, 1.03), ylabel="share that is right")
        for side in (axes.xaxis, axes.yaxis):
            side.set_major_formatter(_SHARES)
        axes.tick_params(labelbottom=False)
        titles = {}
        axes.plot(
            [entry.mean_probability for entry in bins], [entry.accuracy for entry in bins], color=RIGHT, alpha=0.5
        )
        for number, entry in enumerate(bins):
            lower, upper = wilson(entry.accuracy, entry.example_count / inflation)
            axes.plot(
                [entry.mean_probability] * 2,
                [lower, upper],
                color=RIGHT,
                alpha=0.35,
                linewidth=4,
                solid_capstyle="round",
            )
            axes.plot(
                [entry.mean_probability],
                [entry.accuracy],
                "o",
                color=RIGHT,
                markersize=9,
                gid=f"bin-{number}",
                zorder=4,
                clip_on=False,
            )
            titles[f"bin-{number}"] = (
                f"{entry.example_count} predictions, said to be {entry.mean_probability:.1%} sure, "
                f"{entry.accuracy:.1%} right ({lower:.0%} to {upper:.0%})"
            )
        counts = add_axes(figure, left=58, top=282, width=WIDTH - 74, height=66)
        counts.grid(visible=False)
        counts.spines["left"].set_visible(False)
        counts.set(xlim=(0, 1.02), xlabel="probability of the predicted class", yticks=[])
        counts.xaxis.set_major_formatter(_SHARES)
        most = max(entry.example_count for entry in bins)
        counts.set_ylim(0, 1.35 * most)
        for entry in bins:
            middle, width = (entry.lower + entry.upper) / 2, entry.upper - entry.lower
            counts.bar(middle, entry.example_count, 0.86 * width, color=RIGHT, alpha=0.55)
            counts.text(
                middle,
                entry.example_count + 0.06 * most,
                f"{entry.example_count:,}",
                color=MUTED,
                ha="center",
                va="bottom",
                fontsize=10,
            )
        return to_svg(figure, "reliability", "Reliability diagram", titles)


def rejection(curve: Sequence[RejectionPoint], chosen: Rejection | None) -> str:
    """Return the precision of what is not rejected by how much that is, with the chosen threshold or a few others."""
    coverage = np.array([point.coverage for point in curve])
    precision = np.array([point.precision for point in curve])
    thresholds = np.array([point.threshold for point in curve])
    with drawing():
        figure = new_figure(WIDTH, 390)
        axes = add_axes(figure, left=58, top=26, width=WIDTH - 78, height=322)
        least = min(float(precision.min()), chosen.min_precision if chosen else 1.0)
        bottom = min(0.9, max(0.0, least - 0.15 * (1 - least) - 0.02))
        axes.set(xlim=(0, 1.02), ylim=(bottom, 1 + 0.04 * (1 - bottom)))
        axes.set(xlabel="coverage: share that is not rejected", ylabel="precision of those")
        axes.xaxis.set_major_formatter(_SHARES)
        axes.yaxis.set_major_formatter(_SHARES)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.plot(coverage, precision, color=RIGHT, linewidth=2.2, solid_joinstyle="round")
        titles = {}
        marked = -1.0
        for mark in [chosen.threshold] if chosen else [0.9, 0.7, 0.5]:
            x, y = float(np.interp(mark, thresholds, coverage)), float(np.interp(mark, thresholds, precision))
            if mark > thresholds[-1] or x < marked + 0.05:  # accepts nothing, or hardly more than the one before
                continue
            marked = x
            axes.plot(
                [x],
                [y],
                "o",
                color=WRONG if chosen else RIGHT,
                markersize=10 if chosen else 8,
                markeredgecolor=PAPER,
                markeredgewidth=1.5,
                gid=f"mark-{mark}",
            )
            titles[f"mark-{mark}"] = f"threshold {mark:.3g}: of {x:.1%} that are accepted, {y:.1%} are right"
            # The curve falls to the right: there is room above it on that side, and below it on the other.
            offset, side = ((9, 4), "left") if x < 0.85 else ((-9, -12), "right")
            axes.annotate(f"{mark:.2f}", (x, y), offset, textcoords="offset points", ha=side, fontsize=12)
        if chosen:
            axes.axhline(chosen.min_precision, color=WRONG, linewidth=1.2, dashes=(4, 4))
            axes.text(
                0.02,
                chosen.min_precision - 0.01 * (1 - bottom),
                f"asked for: {100 * chosen.min_precision:.1f}{PERCENT}",
                color=MUTED,
                va="top",
                fontsize=11,
            )
        return to_svg(figure, "rejection", "Precision and coverage by threshold", titles)


def trials(tried: Sequence[Trial]) -> str:
    """Return the cross-validated log-loss of what the search tried, with a standard error to each side."""
    texts = [short(trial_name(trial), 46) for trial in tried]
    most = max(trial.example_count for trial in tried)
    worst = max(trial.log_loss + trial.log_loss_standard_error for trial in tried)
    count, row = len(tried), 44
    with drawing():
        figure = new_figure(WIDTH, count * row + 52)
        axes = add_axes(figure, left=12, top=4, width=WIDTH - 28, height=count * row)
        least = min(trial.log_loss - trial.log_loss_standard_error for trial in tried)
        pad = 0.06 * (worst - least) or 0.1
        axes.set(
            xlim=(least - pad, worst + pad), ylim=(count - 0.5, -0.5), yticks=[], xlabel="log-loss (less is better)"
        )
        axes.grid(visible=False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.spines["left"].set_visible(False)
        titles = {}
        for number, trial in enumerate(tried):
            colour = WRONG if trial.chosen else RIGHT
            error = trial.log_loss_standard_error
            axes.text(
                least - pad,
                number - 0.22,
                texts[number] + ("  (chosen)" if trial.chosen else ""),
                fontsize=12,
                va="center",
                weight="bold" if trial.chosen else "normal",
            )
            axes.plot(
                [trial.log_loss - error, trial.log_loss + error],
                [number + 0.2] * 2,
                color=colour,
                alpha=0.4,
                linewidth=5,
                solid_capstyle="round",
            )
            axes.plot(
                [trial.log_loss],
                [number + 0.2],
                "o",
                color=colour,
                markersize=8.5,
                markeredgewidth=2,
                markerfacecolor=colour if trial.example_count == most else PAPER,
                gid=f"trial-{number}",
            )
            titles[f"trial-{number}"] = (
                f"{texts[number]}: log-loss {trial.log_loss:.4f}, standard error {error:.4f}, L2 = {trial.l2:.3g}, "
                f"on {trial.example_count:,} examples"
            )
        return to_svg(figure, "trials", f"Log-loss of {count} choices of features", titles)


def trial_name(trial: Trial) -> str:
    """Return what was tried, in words."""
    whitened = f", whitened {trial.whitening:g}" if trial.whitening else ""
    views = "" if trial.views == ("crop",) else f"{escape(' + '.join(trial.views))}: "  # first, as names are cut short
    return views + " + ".join(escape(tap) for tap in trial.taps) + whitened


def wilson(share: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a share, from 0 to 1, that was seen in `count` trials, more than 0 (Wilson, 1927).

    For a cross-validation, `count` is the number of examples divided by `Metrics.interval_inflation`.

    >>> "{:.4f} to {:.4f}".format(*wilson(81 / 263, 263))
    '0.2553 to 0.3662'
    """
    square = _Z**2 / count
    middle = (share + square / 2) / (1 + square)
    half = _Z * (share * (1 - share) / count + square / (4 * count)) ** 0.5 / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)
