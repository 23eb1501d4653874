"""How fast a dataset is added, beside what the featurizer does alone: `python -m benchmarks.services.ingest DATA`.

The images of a folder, one sub-folder a class, are added in some parts by the client through both services, as `client
add` does it. In turn with each part, streams have the featurizer featurize the same images and nobody store them. Then
a model is trained on all of them, with all taps, and their features are exported and added to empty stores, as `client
add --features` does it. CPU is milliseconds of a processor for an image, of each process: it says more than the pace
does where others use the machine, too. The settings of the featurizer hold.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.load.processes import machine, usage
from benchmarks.load.workers import Worker, worker
from lastlayer.client import Client, LabelledImage, read_data
from lastlayer.local.services import Service, running_services

_PARTS = 5
_STREAMS = 4
_MODEL = "benchmark"
_START_TIMEOUT_S = 600.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with JPEGs, one sub-folder a class")
    parser.add_argument("--most", type=int, default=0, help="how many images to take, from all over; all if not given")
    parser.add_argument("--seconds", type=float, default=4, help="how long the featurizer is measured beside each part")
    options = parser.parse_args(arguments)
    out = Console(width=120)
    examples = read_data(options.data).examples
    if options.most:
        examples = examples[:: max(1, len(examples) // options.most)][: options.most]
    out.print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory() as kept:
        features = Path(kept) / "features"
        rows = _images(options, examples, features, out)
        out.print(_features_alone(features, rows))


def _images(options: argparse.Namespace, examples: Sequence[LabelledImage], features: Path, out: Console) -> int:
    """Measure how images are added, and export their features; returns how many there are."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_services(Path(scratch), timeout_s=_START_TIMEOUT_S) as (featurizer, classifier),
        worker([sys.executable, "-m", "benchmarks.load.calls", featurizer.address, options.data]) as callers,
        Client(classifier.address, timeout_s=_START_TIMEOUT_S) as client,
    ):
        callers.answer()
        served = client.get_served_backbone()
        out.print(
            f"{len(examples)} images of {options.data.name}, {served.name} on {served.device}, {served.precision}"
        )
        out.print(_table(client, callers, featurizer, classifier, examples, options.seconds))
        started = time.perf_counter()
        version = client.train(_MODEL)
        out.print(
            f"trained on all {version.example_count} in {time.perf_counter() - started:.1f} s, taps "
            f"{', '.join(version.taps)}; wanted for 4,317 thumbnails: at most 14 s"
        )
        return client.export_dataset(_MODEL, features).rows


def _features_alone(features: Path, rows: int) -> Table:
    table = Table("examples that bring features", "seconds", "a second", "classifier, CPU ms", "client")
    for column in table.columns:
        column.justify = "right"
    for _ in range(_PARTS):
        with (
            tempfile.TemporaryDirectory() as scratch,
            running_services(Path(scratch), timeout_s=_START_TIMEOUT_S) as (_, classifier),
            Client(classifier.address, timeout_s=_START_TIMEOUT_S) as client,
        ):
            client.get_served_backbone()
            before = _cpu_s(classifier), time.process_time()
            started = time.perf_counter()
            added = client.add_features(features)
            taken = time.perf_counter() - started
            after = _cpu_s(classifier), time.process_time()
        if added.failed:
            sys.exit(f"{len(added.failed)} examples failed, such as {added.failed[0].image}: {added.failed[0].error}")
        spent = [1e3 * (late - early) / rows for early, late in zip(before, after, strict=True)]
        table.add_row(f"{rows}", f"{taken:.1f}", f"{rows / taken:.0f}", *(f"{cost:.2f}" for cost in spent))
    table.caption = "wanted: at least 5,000 a second"
    return table


def _table(
    client: Client,
    callers: Worker,
    featurizer: Service,
    classifier: Service,
    examples: Sequence[LabelledImage],
    seconds: float,
) -> Table:
    client.add_examples(examples[:8], dataset="warm")  # what is made at first use is made
    callers.ask(callers=_STREAMS, stream=True, seconds=seconds / 2)
    rows = []
    for part in range(_PARTS):
        own = examples[part::_PARTS]
        alone_cpu_s = _cpu_s(featurizer)
        alone = callers.ask(callers=_STREAMS, stream=True, seconds=seconds)
        alone_cpu_s = _cpu_s(featurizer) - alone_cpu_s
        before = _cpu_s(featurizer), _cpu_s(classifier), time.process_time()
        started = time.perf_counter()
        added = client.add_examples(own, dataset=_MODEL)
        taken = time.perf_counter() - started
        after = _cpu_s(featurizer), _cpu_s(classifier), time.process_time()
        if added.failed:
            sys.exit(f"{len(added.failed)} images failed, such as {added.failed[0].image}: {added.failed[0].error}")
        spent = [1e3 * (late - early) / len(own) for early, late in zip(before, after, strict=True)]
        rates = alone["images"] / alone["seconds"], len(own) / taken
        rows.append((*rates, rates[1] / rates[0], 1e3 * alone_cpu_s / alone["images"], *spent))
    table = Table(
        "part", "alone/s", "added/s", "added to alone", "featurizer alone, CPU ms", "adding", "classifier", "client"
    )
    for column in table.columns:
        column.justify = "right"
    for number, row in enumerate([*rows, tuple(np.median(rows, axis=0))]):
        name = str(number + 1) if number < len(rows) else "median"
        rate, added_rate, ratio, *costs = row
        table.add_row(name, f"{rate:.0f}", f"{added_rate:.0f}", f"{ratio:.2f}", *(f"{cost:.2f}" for cost in costs))
    table.caption = "wanted: added at least 0.9 of alone; the featurizer gives all taps to both"
    return table


def _cpu_s(service: Service) -> float:
    assert service.process is not None
    return usage(service.process.pid).cpu_s


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
