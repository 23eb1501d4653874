"""Prints how what the classifier does grows with the examples that it keeps: `python -m benchmarks.train`.

For each number of examples a classifier process of its own, with an empty store, takes them in, trains on them and
predicts. The features are made up by a stand-in for the featurizer, with GoogLeNet's dimensions, so that the classifier
is what is measured; folders of photos go through a real featurizer, whose settings hold.

The classifier with the smallest store goes on running: predictions are made in turn with its own, five rounds each.
"""

import argparse
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.load.processes import machine
from benchmarks.measured.growth import FEW, Classifier, Filled, Trained, classifier, made_up
from benchmarks.measured.stand_in import stand_in
from lastlayer.client import read_data
from lastlayer.local.services import Service, free_port

_ROUNDS = 5
_START_TIMEOUT_S = 600.0
_STAGES = {
    "read": "reading the features",
    "prepare": "preparing the features",
    "search": "choosing taps and regularisation",
    "validate": "cross-validating the recipe auto",
    "compare": "cross-validating the recipe tutorial",
    "read all": "reading all {:,} examples",
    "fit all": "fitting all {:,} examples",
    "fit": "fitting all examples",
}
"""The stages of a training, by what they are called in the table; `{}` is the number of examples. Those of all are of
trainings that choose on a sample.
"""

_GROWTH = "to the row above"


@dataclass(frozen=True)
class _Row:
    """What examples did to a classifier."""

    name: str
    photos: bool
    """Whether a real featurizer featurized them."""
    examples: int
    filled: Filled
    trained: Trained
    latencies_s: dict[str, list[list[float]]]
    """Of predictions, by round: those of the small model, those of the same in the smallest store, of the large model.
    """

    @property
    def ingest_ms(self) -> float:
        """How long ingestion took for each example."""
        return self.filled.seconds * 1e3 / self.examples

    @property
    def train_ms(self) -> float:
        """How long training took for each example."""
        return self.trained.seconds * 1e3 / self.examples


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--examples", type=int, nargs="*", default=(200, 4317, 100_000), help="how many, of made-up features"
    )
    parser.add_argument("--photos", type=Path, nargs="*", default=(), help="folders of photos, one sub-folder a class")
    parser.add_argument("--seconds", type=float, default=10, help="for how long each model predicts")
    options = parser.parse_args(arguments)
    out = Console(width=170)
    out.print(f"machine: {machine()}")
    rows: list[_Row] = []
    with ExitStack() as stack:
        address = stack.enter_context(stand_in())
        smallest: Classifier | None = None
        for count in sorted(options.examples):
            with ExitStack() as own:
                own_or_kept = stack if smallest is None else own
                served = own_or_kept.enter_context(classifier(address, made_up(count)))
                smallest = smallest or served
                rows.append(_measure(f"{count:,} made-up", False, served, smallest, options.seconds))
    for folder in options.photos:
        examples = list(read_data(folder).examples)
        random.Random(0).shuffle(examples)  # the first ones then are of all classes
        with _featurizer() as address, classifier(address, examples) as served:
            rows.append(_measure(f"{len(examples):,} {folder.name}", True, served, served, options.seconds))
    for table in (_ingestion(rows), _training(rows), _memory(rows), _predictions(rows)):
        out.print(table)


@contextmanager
def _featurizer() -> Iterator[str]:
    """Run a featurizer process while the block lasts; yields its address."""
    address = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as scratch:
        service = Service("featurizer", address, Path(scratch) / "featurizer.log", {"FEATURIZER_ADDRESS": address})
        service.start()
        try:
            service.wait_until_serving(_START_TIMEOUT_S)
            yield address
        finally:
            service.stop()


def _measure(name: str, photos: bool, served: Classifier, smallest: Classifier, seconds: float) -> _Row:
    filled, trained = served.fill(), served.train()
    latencies: dict[str, list[list[float]]] = {"few": [], "smallest": [], "all": []}
    for _ in range(_ROUNDS):
        latencies["few"].append(served.predict(seconds / _ROUNDS, few=True))
        latencies["smallest"].append(smallest.predict(seconds / _ROUNDS, few=True))
        latencies["all"].append(served.predict(seconds / _ROUNDS, few=False))
    return _Row(name, photos, len(served.examples), filled, trained, latencies)


def _ingestion(rows: Sequence[_Row]) -> Table:
    columns = ("seconds", "ms an example", _GROWTH, "last tenth to first", "store MB", "kB an example")
    table = _table("Ingestion", *columns)
    for row, growth in zip(rows, _growth(rows, lambda row: row.ingest_ms), strict=True):
        filled = row.filled
        table.add_row(
            row.name,
            f"{filled.seconds:.1f}",
            f"{row.ingest_ms:.2f}",
            growth,
            f"{filled.last_tenth_s / filled.first_tenth_s:.2f}",
            f"{filled.store_mb:.0f}",
            f"{filled.store_mb * 1e3 / row.examples:.1f}",
        )
    return table


def _training(rows: Sequence[_Row]) -> Table:
    table = _table("Training, in seconds", *_STAGES, "all", "ms an example", _GROWTH, "taps", "accuracy")
    for row, growth in zip(rows, _growth(rows, lambda row: row.train_ms), strict=True):
        trained = row.trained
        estimate = trained.version.cross_validation
        table.add_row(
            row.name,
            *(f"{trained.stages_s.get(message.format(row.examples), 0):.1f}" for message in _STAGES.values()),
            f"{trained.seconds:.1f}",
            f"{row.train_ms:.2f}",
            growth,
            "+".join(trained.version.taps),
            f"{estimate.accuracy:.3f}" if estimate else "",
        )
    table.caption = "a stage begins with its first message; a message is told at most every 0.1 s"
    return table


def _memory(rows: Sequence[_Row]) -> Table:
    table = _table(
        "The classifier's resident memory, in MB, and how it answers meanwhile",
        *("idle", "ingestion peak", "training peak", "kB an example", "idle again", "slowest answer while training"),
    )
    for row in rows:
        idle, filled, trained = row.filled.idle, row.filled.after, row.trained.after
        table.add_row(
            row.name,
            f"{idle.resident_mb:.0f}",
            f"{filled.peak_mb:.0f}",
            f"{trained.peak_mb:.0f}",
            f"{(trained.peak_mb - idle.resident_mb) * 1e3 / row.examples:.1f}",
            f"{trained.resident_mb:.0f}",
            f"{row.trained.slowest_answer_s * 1e3:.0f} ms",
        )
    return table


def _predictions(rows: Sequence[_Row]) -> Table:
    columns = ("p50 ms", "p99 ms", "p50 to the smallest store's", "p50 ms, model of all", "p99 ms")
    table = _table(f"Predictions, one image at a time, by a model of {FEW} examples", *columns)
    for row in rows:
        few, smallest = row.latencies_s["few"], row.latencies_s["smallest"]
        ratio = np.median([np.median(own) / np.median(other) for own, other in zip(few, smallest, strict=True)])
        table.add_row(row.name, *_latency(few), f"{ratio:.2f}", *_latency(row.latencies_s["all"]))
    return table


def _growth(rows: Sequence[_Row], value: Callable[[_Row], float]) -> list[str]:
    """Return how many times the value of the row above each row has; nothing where that is of another kind."""
    above = (None, *rows[:-1])
    return [
        f"{value(row) / value(before):.2f}" if before is not None and before.photos == row.photos else ""
        for before, row in zip(above, rows, strict=True)
    ]


def _table(title: str, *columns: str) -> Table:
    table = Table("examples", *columns, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _latency(rounds: Sequence[Sequence[float]]) -> tuple[str, str]:
    p50 = np.median([np.median(taken) for taken in rounds])
    return f"{p50 * 1e3:.2f}", f"{np.percentile(np.concatenate(rounds), 99) * 1e3:.2f}"


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
