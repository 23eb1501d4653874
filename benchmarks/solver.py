"""Prints what our batched solver is to scikit-learn's: `python -m benchmarks.solver`.

Two jobs of a training are done in turn by each, every time in a process of its own, on one thread:

- the scan: five stratified folds times the path of L2 penalties, from the strongest to the weakest, each fit beginning
  at the one before. scikit-learn does it with `LogisticRegression` and `warm_start`, at its default tolerance, a fold
  after the other; ours does all folds at once, in single precision.
- the final fit: all examples, at the penalty with the least log-loss, in double precision, on rotated vectors.

The vectors are GoogLeNet's at `mixed4e`, of the photos in ../shared, and made-up ones of the same dimension.
"""

import argparse
import multiprocessing
import os
import re
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.load.processes import machine
from lastlayer.classifier.domain.head import unit_length

Array = npt.NDArray[Any]

_SHARED: Final = Path(__file__).resolve().parents[2] / "shared"
_TAP: Final = "mixed4e"
_DIMENSION: Final = 832
_SEED: Final = 0
_ONCE_FROM: Final = 4000
"""From this many examples all is measured once."""
_ALONE_FROM: Final = 50_000
"""From this many examples scikit-learn does not scan, which would take it the better part of an hour, and fits once
with each solver, at one tolerance."""


@dataclass(frozen=True)
class Measured:
    """What a job took, and what came of it."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    """The most memory beyond that of before, in units of 1e6 bytes."""
    l2: float
    log_loss: float
    """Cross-validated; NaN where nothing was."""
    fits: int
    excess: float
    """By how much the objective is above its minimum; of a scan, that of the first fold."""
    slope: float
    """The largest element of the objective's gradient there."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often fewer than 4,000 examples are measured")
    parser.add_argument("--made-up", type=int, nargs="*", default=(100_000,), help="how many made-up examples")
    options = parser.parse_args(arguments)
    out = Console(width=150)
    out.print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "vectors.npz"
        for name, vectors, y in _datasets(out, options.made_up):
            np.savez(file, vectors=unit_length(vectors), y=y)
            rounds = options.rounds if len(y) < _ONCE_FROM else 1
            scans = _rounds("SCANS", _scanners(len(y)), file, 0.0, rounds)
            l2 = scans["ours"][0].l2
            out.print(_table(f"{name}: the scan", scans))
            finals = _rounds("FINALS", _fitters(len(y)), file, l2, rounds)
            out.print(_table(f"{name}: the final fit, L2 = {l2:.3g}", finals))


def _datasets(out: Console, made_up: Sequence[int]) -> Iterator[tuple[str, Array, Array]]:
    """Yield what is measured with: a name, vectors float32 [n, d], and the classes' indices [n]."""
    if (_SHARED / "data").is_dir() and (_SHARED / "models").is_dir():
        yield ("200 photos", *_photos("flowers"))
        vectors, y = _photos("flowers128")
        chosen = np.random.default_rng(_SEED).permutation(len(y))[:1000]
        yield "1,000 photos", vectors[chosen], y[chosen]
        yield f"{len(y):,} photos", vectors, y
    else:
        out.print(f"SKIPPED: the photos, as {_SHARED} is absent; made-up vectors stand in for them.")
        made_up = (200, 1000, 4317, *made_up)
    for count in made_up:
        yield (f"{count:,} made-up", *_made_up(count))


def _photos(folder: str) -> tuple[Array, Array]:
    """Return the vectors of a folder of photos, float32 [n, d], and their classes, [n].

    They are kept in a file below the folder for temporary files, as the network takes minutes for thousands of photos.
    """
    kept = Path(tempfile.gettempdir()) / f"lastlayer-solver-{os.getuid()}" / f"{folder}-{_TAP}.npz"
    if not kept.exists():
        os.environ |= {"LASTLAYER_MIRROR": str(_SHARED / "models"), "TF_CPP_MIN_LOG_LEVEL": "3"}
        from benchmarks.heads.taps import featurize  # TensorFlow, which is not in the processes that are measured
        from lastlayer.client.data.labelled import read_data

        labels, taps = featurize(read_data(_SHARED / "data" / folder, None).examples, "googlenet")
        vectors = next(tap.values for tap in taps if tap.name == _TAP)
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        written = kept.with_suffix(".tmp.npz")
        np.savez(written, vectors=vectors, y=np.unique(labels, return_inverse=True)[1])
        written.rename(kept)
    with np.load(kept) as arrays:
        return arrays["vectors"], arrays["y"]


def _made_up(count: int, classes: int = 5, factors: int = 64) -> tuple[Array, Array]:
    """Return vectors as `benchmarks.measured.stand_in` makes them up: about as hard to tell apart as photos."""
    random = np.random.default_rng(_SEED)
    y = np.arange(count) % classes
    mixture = random.normal(size=(factors, _DIMENSION), scale=factors**-0.5).astype(np.float32)
    centres = 0.35 * random.standard_normal((classes, factors), np.float32)
    vectors = (random.standard_normal((count, factors), np.float32) + centres[y]) @ mixture
    for rows in np.array_split(np.arange(count), -(-count // 4096)):
        vectors[rows] += 0.5 + random.standard_normal((len(rows), _DIMENSION), np.float32)
    return np.maximum(vectors, 0, out=vectors), y


def _scanners(count: int) -> list[str]:
    from benchmarks.measured.fits import OURS, SCANS

    return list(SCANS) if count < _ALONE_FROM else [OURS]


def _fitters(count: int) -> list[str]:
    from benchmarks.measured.fits import FINALS

    return [name for name in FINALS if count < _ALONE_FROM or not name.endswith("tol=1e-08")]


def _rounds(kind: str, names: Sequence[str], file: Path, l2: float, rounds: int) -> dict[str, list[Measured]]:
    """Measure each contender in turn, some rounds."""
    measured: dict[str, list[Measured]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            measured[name].append(_apart(kind, name, file, l2))
    return measured


def _apart(kind: str, name: str, file: Path, l2: float) -> Measured:
    """Do a job in a new process."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sending, kind, name, file, l2))
    process.start()
    sending.close()  # so that it is the process's alone, and its end ends the waiting
    try:
        measured: Measured = receiving.recv()
    finally:
        process.join()
    return measured


def _run(sending: Connection, kind: str, name: str, file: Path, l2: float) -> None:
    from benchmarks.measured import fits
    from lastlayer.classifier.fitting.pca import rotate

    with np.load(file) as arrays:
        vectors, y = arrays["vectors"], arrays["y"]
    # Many vectors are rotated in their place: what is fitted on is not what is measured by.
    given = vectors.copy() if kind == "SCANS" else rotate(vectors.copy())
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before_mb = _reset_peak()
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        found = getattr(fits, kind)[name](given, y, l2)
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        peak_mb = _memory_mb("VmHWM") - before_mb
    del given
    excess, slope = fits.excess_and_slope(vectors, y, found)
    sending.send(Measured(cpu_s, wall_s, peak_mb, found.l2, found.log_loss, found.fits, excess, slope))


def _reset_peak() -> float:
    """Have the most memory of this process (Linux) be what it has now, in units of 1e6 bytes; returns that."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory_mb("VmRSS")


def _memory_mb(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def _table(title: str, measured: dict[str, list[Measured]]) -> Table:
    """Return the medians of the rounds, and the medians of each round's ratio to ours."""
    columns = ("fits", "CPU s", "to ours", "wall s", "peak MB", "L2", "log-loss", "above the minimum", "largest slope")
    table = Table("", *columns, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    ours = measured["ours"]
    for name, rounds in measured.items():
        ratio = np.median([one.cpu_s / other.cpu_s for one, other in zip(rounds, ours, strict=True)])
        last = rounds[-1]
        table.add_row(
            name,
            str(last.fits),
            f"{np.median([one.cpu_s for one in rounds]):.2f}",
            f"{ratio:.2f}",
            f"{np.median([one.wall_s for one in rounds]):.2f}",
            f"{np.median([one.peak_mb for one in rounds]):.0f}",
            f"{last.l2:.3g}",
            "" if np.isnan(last.log_loss) else f"{last.log_loss:.4f}",
            f"{last.excess:.1e}",
            f"{last.slope:.1e}",
        )
    return table


if __name__ == "__main__":
    main()
