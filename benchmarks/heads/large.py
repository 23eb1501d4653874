"""Prints what training on many examples takes, and how far it is from an exact fit: `python -m benchmarks.heads.large`.

The features are made up, block by block, at GoogLeNet's five taps or at some of them: vectors of 64 latent numbers, of
which the class moves the mean, through a random layer with rectifiers. Each training is a process of its own, whose
peak memory is told. With `--exact` examples are also held in memory and fitted as they are; both heads then predict the
same other examples.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.load.processes import machine
from lastlayer.classifier.training.auto.large import StoredExamples, choose_sample
from lastlayer.classifier.training.recipes import Recipe, TapFeatures
from lastlayer.classifier.training.trainer import train
from lastlayer.rpc.vectors import View

_TAPS: Final = {"mixed3b": 480, "mixed4b": 512, "mixed4d": 528, "mixed4e": 832, "avgpool0": 1024}
_BLOCK: Final = 2_000
_TESTED: Final = 20_000
_LATENT: Final = 64

Vectors = npt.NDArray[np.float32]


class MadeUp:
    """Examples that are made anew at each reading, the same each time."""

    def __init__(self, count: int, class_count: int, taps: Mapping[str, int], *, start: int = 0) -> None:
        """`start` is the first block: others have other examples."""
        self.count = count
        self._taps = dict(taps)
        self._start = start
        random = np.random.default_rng(0)
        self._centres = random.normal(size=(class_count, _LATENT)).astype(np.float32) * 0.42
        self._layers = {tap: random.normal(size=(_LATENT, size)).astype(np.float32) for tap, size in taps.items()}
        self.y = np.random.default_rng((start, 1)).integers(0, class_count, count)
        self.labels = [f"class {number:04}" for number in self.y]

    def read(self, tap: str, _: View = View.CROP) -> Iterator[Vectors]:
        """Yield the features at a tap, some examples at a time."""
        layer = self._layers[tap]
        for begin in range(0, self.count, _BLOCK):
            y = self.y[begin : begin + _BLOCK]
            seed = (self._start, 2, begin)
            latent = np.random.default_rng(seed).standard_normal((len(y), _LATENT), np.float32) + self._centres[y]
            noise = np.random.default_rng((*seed, len(tap))).standard_normal((len(y), layer.shape[1]), np.float32)
            yield np.maximum(latent @ layer + 4 * noise, 0)

    def features(self, rows: npt.NDArray[np.intp] | None = None) -> list[TapFeatures]:
        """Return the features of some examples, sorted, or of all."""
        taken = []
        for tap in self._taps:
            blocks, begin = [], 0
            for block in self.read(tap):
                end = begin + len(block)
                of_block = slice(None) if rows is None else rows[(rows >= begin) & (rows < end)] - begin
                blocks.append(block[of_block])
                begin = end
            taken.append(TapFeatures(tap, False, np.concatenate(blocks)))
        return taken


def measure(count: int, class_count: int, taps: Mapping[str, int], *, exact: bool) -> dict[str, Any]:
    """Train in this process; returns seconds by stage, memory and how good the head is on other examples."""
    examples = MadeUp(count, class_count, taps)
    began: list[tuple[str, float]] = [("reading the sample", time.perf_counter())]

    def tell(message: str, _: float) -> None:
        if began[-1][0] != message:
            began.append((message, time.perf_counter()))

    rows = None if exact else choose_sample(examples.labels, sum(taps.values()))
    labels = examples.labels if rows is None else [examples.labels[row] for row in rows]
    stored = None if rows is None else StoredExamples(examples.labels, rows, examples.read)
    trained = train(examples.features(rows), labels, Recipe.AUTO, stored=stored, progress=tell, cancelled=lambda: False)
    ends = [*(moment for _, moment in began[1:]), time.perf_counter()]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    others = MadeUp(_TESTED, class_count, taps, start=1)
    probabilities, _ = trained.head.score({tap.name: tap.values for tap in others.features()})
    index = {label: number for number, label in enumerate(trained.head.classes)}
    y = np.array([index[label] for label in others.labels])
    losses = -np.log(probabilities[np.arange(len(y)), y])
    return {
        "sample": len(labels),
        "stages": {message: end - begin for (message, begin), end in zip(began, ends, strict=True)},
        "peak_mb": peak_mb,
        "accuracy": float((probabilities.argmax(1) == y).mean()),
        "log_loss": float(losses.mean()),
        "estimate": trained.cross_validation.log_loss if trained.cross_validation else None,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, nargs="*", default=(200_000, 1_000_000))
    parser.add_argument("--exact", type=int, nargs="*", default=(), help="numbers of examples that fit into memory")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--taps", nargs="*", choices=_TAPS, default=list(_TAPS))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    taps = {tap: _TAPS[tap] for tap in options.taps}
    if options.one:
        count, exact = json.loads(options.one)
        print(json.dumps(measure(count, options.classes, taps, exact=exact)))
        return
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    table = Table("examples", "fitted", "sample", "seconds", "peak MB", "accuracy", "log-loss", "estimated")
    for count, exact in [*((count, True) for count in options.exact), *((count, False) for count in options.examples)]:
        command = [sys.executable, "-m", "benchmarks.heads.large", "--classes", str(options.classes), "--taps", *taps]
        done = subprocess.run(
            [*command, "--one", json.dumps([count, exact])], check=True, capture_output=True, text=True
        )
        found = json.loads(done.stdout)
        stages = ", ".join(f"{message} {seconds:.0f}" for message, seconds in found["stages"].items())
        out.print(f"{count:,} {'exact' if exact else 'in blocks'}: {stages}")
        table.add_row(
            f"{count:,}",
            "exact" if exact else "in blocks",
            f"{found['sample']:,}",
            f"{sum(found['stages'].values()):.0f}",
            f"{found['peak_mb']:.0f}",
            f"{found['accuracy']:.4f}",
            f"{found['log_loss']:.4f}",
            f"{found['estimate']:.4f}",
        )
    out.print(table)


if __name__ == "__main__":
    main()
