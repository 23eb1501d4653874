"""The tables of `benchmarks.services.featurize`: what was measured, and beside it what is wanted."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import numpy.typing as npt
from rich.table import Table

from benchmarks.measured.contenders import ALONE, CALLER, CALLERS, DECODING, STREAM, Row, Section

_REFERENCE = "tensorflow-float32"
"""What the rivals run too."""

_WANTED = {"auto": "at least 2.00, at most 0.65", "openvino-int8": "at least 2.50, at most 0.50"}
"""To each of the two that users would pick instead: images per second of 16 callers, p50 of one."""

Sections = Mapping[str, Section]


def table(sections: Sections, rivals: Sections) -> Table:
    """Return all that was measured, of each of our configurations and of the rivals."""
    shown = Table(
        "", "images/s", "of (a)", "of (b)", "p50 ms", "p95 ms", "p99 ms", "CPU ms/image", "callers'", "peak MB"
    )
    for column in shown.columns[1:]:
        column.justify = "right"
    for name, section in (*sections.items(), *rivals.items()):
        shown.add_section()
        shown.add_row(f"[bold]{name}[/bold]")
        # The rivals run what the reference runs.
        ceilings = section if name in sections else sections.get(_REFERENCE, {})
        for row_name, row in section.items():
            shares = [_ratio(row.rates, ceilings[top].rates) if top in ceilings else "" for top in (ALONE, DECODING)]
            shown.add_row(f"  {row_name}", f"{np.median(row.rates):.1f}", *shares, *_costs(row))
    shown.caption = (
        "medians of the rounds; latencies of a call: a batch, an image, or a message of 4 images; callers': CPU of the "
        f"process that calls, ms/image; (a) and (b) of the rivals are those of {_REFERENCE}"
    )
    return shown


def _costs(row: Row) -> list[str]:
    latencies = np.concatenate([measured.latencies_s for measured in row.rounds])
    percentiles = [f"{value * 1e3:.0f}" for value in np.percentile(latencies, (50, 95, 99))]
    cpu = np.median([measured.cpu_s / measured.images for measured in row.rounds]) * 1e3
    callers = np.median([measured.callers_cpu_s / measured.images for measured in row.rounds]) * 1e3
    return [*percentiles, f"{cpu:.0f}", f"{callers:.1f}" if callers else "", f"{row.usage().peak_mb:.0f}"]


def wanted(sections: Sections, rivals: Sections) -> Table:
    """Return what must be seen, as ratios of the same round, and what was."""
    shown = Table("16 callers, or one stream; medians of ratios", "wanted", "seen", title="What must be seen")
    for name, section in sections.items():
        shown.add_row(f"{name}: of (b)", "at least 0.90", _both(section, (section[DECODING],) * 2))
        if name.endswith("float32"):
            shown.add_row(f"{name}: of (a)", "at least 0.80", _both(section, (section[ALONE],) * 2))
    for engine, precision in (("tensorflow", "bfloat16"), ("openvino", "bfloat16"), ("openvino", "int8")):
        full, short = (sections.get(f"{engine}-{number}") for number in ("float32", precision))
        if full and short:
            base = full[CALLERS], full[STREAM]
            shown.add_row(f"{engine}-{precision} to {engine}-float32", "", _both(short, base))
    shown.add_section()
    for name, (other, rival) in product(sections, rivals.items()):
        own = sections[name]
        limits = "" if other.startswith("plain") else _WANTED.get(name, "")
        rate = _ratio(own[CALLERS].rates, rival[CALLERS].rates)
        latency = _ratio(own[CALLER].medians_s, rival[CALLER].medians_s)
        shown.add_row(f"{name} to {other}: images/s of 16 callers, p50 of 1 caller", limits, f"{rate}, {latency}")
    return shown


def _both(section: Section, base: tuple[Row, Row]) -> str:
    """Return the ratios of 16 callers and of one stream to what they are compared with."""
    rows = section[CALLERS], section[STREAM]
    return ", ".join(_ratio(row.rates, other.rates) for row, other in zip(rows, base, strict=True))


def _ratio(numbers: npt.NDArray[np.float64], base: npt.NDArray[np.float64]) -> str:
    return f"{np.median(numbers / base):.2f}"
