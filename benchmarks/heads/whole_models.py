"""Prints what whole models are as files: `python -m benchmarks.heads.whole_models DATA --backbone googlenet`.

A model is trained on every second image of a folder, one sub-folder a class, by services that run in float32, and
written in each format as `lastlayer export` writes it, compared on up to 200 images of the folder. Then the files, and
the network and head as the service has them, are run in turn, in rounds: pixels in, probabilities out.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.load.processes import machine
from lastlayer.client import Client
from lastlayer.client.data.labelled import read_data
from lastlayer.featurizer.network.conversion import formats
from lastlayer.featurizer.network.generated_images import generate_images
from lastlayer.local.export.run import Exported, Wanted, export
from lastlayer.local.services import running_services

_TARGETS = {"a.tflite": False, "quantized.tflite": True, "a.onnx": False, "saved_model": False}
"""The files, and whether each is quantized."""
_BATCHES = (1, 16)
_ROUNDS = 5
_ROUND_S = 1.0

_Run = Callable[[npt.NDArray[np.uint8]], object]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with one sub-folder a class")
    parser.add_argument("--backbone", required=True, help="as LASTLAYER_BACKBONE")
    options = parser.parse_args(arguments)
    environment = {
        "LASTLAYER_BACKBONE": options.backbone,
        "FEATURIZER_ENGINE": "tensorflow",
        "FEATURIZER_PRECISION": "float32",
    }
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_services(folder / "state", environment=environment) as (_, classifier):
            files = _write(classifier.address, options.data, options.backbone, folder)
        size = next(iter(files.values()))
        images = generate_images(max(_BATCHES), width=size.width, height=size.height, seed=0)
        runs = {name: formats.load(file.format, folder / name).probabilities for name, file in files.items()}
        speeds = _measure(runs, images)
    table = Table("file", "MB", "same best class", "largest difference", "mean difference", *_headings())
    for name, file in files.items():
        side = file.service
        table.add_row(
            name,
            f"{file.bytes / 1e6:.1f}",
            f"{side.same} of {side.images}",
            f"{side.largest:.1e}",
            f"{side.mean:.1e}",
            *(f"{speeds[name, batch]:.1f}" for batch in _BATCHES),
        )
    head = size.head
    out.print(f"{options.data.name}: {len(head.labels)} classes, {head.backbone}, the taps {', '.join(head.taps)}")
    out.print(table)


def _headings() -> list[str]:
    return [f"images/s, {'one at a time' if batch == 1 else f'{batch} at once'}" for batch in _BATCHES]


def _write(address: str, data: Path, backbone: str, folder: Path) -> dict[str, Exported]:
    with Client(address) as client:
        client.add_examples(itertools.islice(read_data(data).examples, 0, None, 2), dataset="whole")
        client.train("whole")
        return {
            name: export(
                client,
                Wanted("whole", 0, folder / name, quantize=quantize, backbone=backbone, images=data),
                lambda *_: None,
                lambda _: None,
            )
            for name, quantize in _TARGETS.items()
        }


def _measure(runs: Mapping[str, _Run], images: npt.NDArray[np.uint8]) -> dict[tuple[str, int], float]:
    """Return how many images a second each computes, by name and batch: the median of rounds."""
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(_ROUNDS):
        for (name, run), batch in itertools.product(runs.items(), _BATCHES):
            run(images[:batch])
            start, count = time.perf_counter(), 0
            while time.perf_counter() < start + _ROUND_S:
                run(images[:batch])
                count += batch
            found.setdefault((name, batch), []).append(count / (time.perf_counter() - start))
    return {key: statistics.median(values) for key, values in found.items()}


if __name__ == "__main__":
    main()
