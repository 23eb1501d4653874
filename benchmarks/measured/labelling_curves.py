"""The tables and curves of `benchmarks.heads.label_next`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.table import Table
from scipy import stats

_ACCURACY: Final = "accuracy"
MEASURES: Final = (_ACCURACY, "balanced accuracy", "log-loss")
"""What the last axis of `Curves.values` is of."""

_ENOUGH: Final = 60
"""With so many labels `next` is to be as good as random ones are with all."""

_COLOURS: Final = {"random": "0.45", "margin": "tab:orange", "typical": "tab:green", "next": "tab:blue"}


@dataclass
class Curves:
    """How good models of a set got."""

    name: str
    sizes: Sequence[int]
    """After how many labels."""
    values: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """By strategy: float64 [draws, sizes, measures]."""

    def of(self, strategy: str, measure: str) -> npt.NDArray[np.float64]:
        """Return one measure of one strategy, float64 [draws, sizes]."""
        found: npt.NDArray[np.float64] = self.values[strategy][:, :, MEASURES.index(measure)]
        return found


def table(curves: Curves, measure: str) -> Table:
    """Return the means of a measure with their intervals, and the paired differences from random."""
    shown = Table("labels", *map(str, curves.sizes), title=f"{curves.name}: {measure}")
    for strategy in curves.values:
        shown.add_row(strategy, *_cells(curves.of(strategy, measure), "{:.3f}"))
    shown.add_section()
    for strategy in curves.values:
        if strategy != "random" and "random" in curves.values:
            differences = curves.of(strategy, measure) - curves.of("random", measure)
            shown.add_row(f"{strategy} - random", *_cells(differences, "{:+.3f}"))
    return shown


def verdicts(curves: Curves) -> Iterator[str]:
    """Yield what is to be seen, a line each."""
    if "random" not in curves.values:
        return
    goal = curves.of("random", _ACCURACY)
    most = curves.sizes[-1]
    for strategy in curves.values:
        own = curves.of(strategy, _ACCURACY)
        needed = _labels_needed(curves.sizes, own.mean(0), float(goal.mean(0)[-1]))
        yield f"{strategy}: as good on average as random with {most} after {needed} labels"
        if strategy == "random":
            continue
        if _ENOUGH in curves.sizes:
            ahead, half = _interval(own[:, curves.sizes.index(_ENOUGH)] - goal[:, -1])
            yield f"  with {_ENOUGH} labels, minus random with {most}: {ahead:+.3f} ± {half:.3f}"
        for measure, sign in zip(MEASURES, (1, 1, -1), strict=True):
            better = sign * (curves.of(strategy, measure) - curves.of("random", measure))
            worse = [
                f"{size} ({mean:+.3f} ± {half:.3f})"
                for size, (mean, half) in zip(curves.sizes, map(_interval, better.T), strict=True)
                if mean + half < 0
            ]
            yield f"  {measure} worse than random beyond the interval: {', '.join(worse) or 'nowhere'}"


def draw(measured: Sequence[Curves], path: Path) -> None:
    """Draw the accuracies of all sets, with their intervals, as an SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {"svg.hashsalt": "lastlayer", "svg.fonttype": "none", "font.size": 9}
    with mpl.rc_context(style):
        figure = Figure(figsize=(3.4 * len(measured), 3.2), layout="constrained")
        for axes, curves in zip(np.atleast_1d(figure.subplots(1, len(measured))), measured, strict=True):
            for strategy in curves.values:
                means, halves = np.array([_interval(column) for column in curves.of(strategy, _ACCURACY).T]).T
                colour = _COLOURS[strategy]
                axes.plot(curves.sizes, means, color=colour, label=strategy)
                axes.fill_between(curves.sizes, means - halves, means + halves, color=colour, alpha=0.15, linewidth=0)
            if "random" in curves.values:
                axes.axhline(curves.of("random", _ACCURACY).mean(0)[-1], color="0.45", linestyle=":", linewidth=1)
            axes.set_title(curves.name)
            axes.set_xlabel("labels")
            axes.set_xticks(curves.sizes)
            axes.grid(visible=True, alpha=0.3)
        figure.axes[0].set_ylabel("accuracy on the other half")
        figure.axes[0].legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _cells(values: npt.NDArray[np.float64], form: str) -> list[str]:
    return [f"{form.format(mean)} ± {half:.3f}" for mean, half in map(_interval, values.T)]


def _interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean of the draws, and half of its interval of 95 %."""
    if len(values) < 2:
        return float(values.mean()), float("nan")
    return float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def _labels_needed(sizes: Sequence[int], means: npt.NDArray[np.float64], goal: float) -> str:
    """Return after how many labels means [sizes] reach a goal, between two sizes along a straight line."""
    for place, mean in enumerate(means):
        if mean >= goal:
            if not place:
                return f"at most {sizes[0]}"
            share = (goal - means[place - 1]) / (mean - means[place - 1])
            return f"{sizes[place - 1] + share * (sizes[place] - sizes[place - 1]):.0f}"
    return f"more than {sizes[-1]}"
