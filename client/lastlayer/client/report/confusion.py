"""Draws the confusion matrix of a report with matplotlib, as SVG for the page: readable with 2 classes and with 50."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from lastlayer.client.report.charts import LETTER, WIDTH
from lastlayer.client.report.svg import (
    GRID,
    INK,
    MUTED,
    ON_COLOUR,
    RIGHT,
    WRONG,
    add_axes,
    columns,
    drawing,
    new_figure,
    short,
    to_svg,
)
from lastlayer.client.results.metrics import Metrics
from lastlayer.rpc.observability.escape import escape

_NAME: Final = "confusion"

NAMED_CLASSES: Final = 60
"""With more classes the confusion matrix has no room for their names."""

_SIDES: Final = ((8, 300), (24, 480), (NAMED_CLASSES, 620))
"""How many pixels the matrix takes across up to a number of classes. Up to the first it shares its row of the page."""


def draw_confusion(metrics: Metrics, pictured: Collection[tuple[str, str]] = ()) -> str:
    """Return the confusion matrix: a row for each true class, blue on the diagonal, the darker the more of the row.

    Cells that are `pictured`, by the true and the predicted class, are links to the element `cell_id` of theirs.
    """
    labels = [entry.label for entry in metrics.classes]
    n = len(labels)
    named = n <= NAMED_CLASSES
    side = next((side for most, side in _SIDES if n <= most), _SIDES[-1][1])
    cell = max(4.0, min(110.0, side / n))
    size = max(5.5, min(12.0, 0.82 * cell))
    texts = [short(label, 18) for label in labels] if named else [""] * n
    room = max(map(columns, texts)) * LETTER * size
    flat = room <= cell - 4
    slanted = 0.72 * room + size
    left, below = room + 34, (size + 8 if flat else slanted) + 28
    spare = max(0, WIDTH - 40 - (left + n * cell + 12)) / 2  # what is drawn larger than the others looks shouted
    left += spare
    figure_width = left + n * cell + 12 + spare
    with drawing():
        figure = new_figure(figure_width, n * cell + below + 8)
        axes = add_axes(figure, left=left, top=6, width=n * cell, height=n * cell)
        axes.set(xlim=(0, n), ylim=(n, 0))
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(visible=True, color=GRID)
        titles = _cells(axes, metrics, labels, pictured, numbers=cell >= 30)
        gap = 5 / cell
        for number, text in enumerate(texts):
            axes.text(-gap, number + 0.5, text, ha="right", va="center", fontsize=size)
            turn: dict[str, Any] = {} if flat else {"rotation": 45, "rotation_mode": "anchor"}
            axes.text(
                number + 0.5 + (0 if flat else 0.25 * size / cell),
                n + (1.1 if flat else 0.9) * size / cell,
                text,
                ha="center" if flat else "right",
                va="center",
                fontsize=size,
                **turn,
            )
        figure.text(
            (spare + 13) / figure_width,
            1 - (6 + n * cell / 2) / (n * cell + below + 8),
            "true class",
            color=MUTED,
            rotation=90,
            ha="center",
            va="center",
            rotation_mode="anchor",
        )
        figure.text(
            (left + n * cell / 2) / figure_width,
            8 / (n * cell + below + 8),
            "predicted class",
            color=MUTED,
            ha="center",
            va="bottom",
        )
        return to_svg(figure, _NAME, f"Confusion matrix of {n} classes", titles)


def cell_id(row: int, column: int) -> str:
    """Return the id of the page's element that shows the photos of a cell."""
    return f"{_NAME}-photos-{row}-{column}"


def _cells(
    axes: Axes, metrics: Metrics, labels: Sequence[str], pictured: Collection[tuple[str, str]], *, numbers: bool
) -> dict[str, str]:
    """Draw the cells that are not 0, and return what each says to the mouse."""
    titles = {}
    for row, counts in enumerate(metrics.confusion_matrix):
        total = sum(counts)
        for column, count in enumerate(counts):
            if not count:
                continue
            share = count / total
            patch = Rectangle((column, row), 1, 1, facecolor=RIGHT if row == column else WRONG, linewidth=0)
            patch.set_alpha(0.08 + 0.92 * share if row == column else 0.22 + 0.78 * share)
            patch.set_gid(f"cell-{row}-{column}")
            if (labels[row], labels[column]) in pictured:
                patch.set_url(f"#photos-{row}-{column}")
            axes.add_artist(patch)  # `add_patch` also looks for the limits, which are known
            titles[f"cell-{row}-{column}"] = (
                f"{escape(labels[row])} predicted as {escape(labels[column])}: {count} of {total} ({share:.0%})"
            )
            if numbers:
                colour = ON_COLOUR if share > 0.5 else INK
                axes.text(column + 0.5, row + 0.5, str(count), color=colour, ha="center", va="center", fontsize=13)
    return titles
