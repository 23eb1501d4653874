"""Prints how fast `featurizer embed` is beside decoding and network alone: `python -m benchmarks.services.embed`.

The ceiling is a process that decodes and runs the network, and does nothing else; see `benchmarks.services.featurize`.
The two are measured in turn, round by round, and ratios are of the same round. A run of `embed` is timed from its first
finished shard to its last: what comes before is the start, which a run of millions of images does not notice.

With `--ray` the same goes over a Ray cluster on this machine, with an actor for each processor; run it by the Python of
`.venv-scale`, which has Ray.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.load.photos import chosen_photos
from benchmarks.load.processes import machine
from benchmarks.measured.ceiling import ceiling
from lastlayer.rpc.system.cpu_quota import available_processors

_SHARDS = 10


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs; made-up ones if not given")
    parser.add_argument("--images", type=int, default=1000, help="how many a run has; photos are repeated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ray", action="store_true", help="over Ray, too")
    options = parser.parse_args(arguments)
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory() as scratch:
        photos = chosen_photos(options.photos, Path(scratch))
        source = _repeat(photos, options.images, Path(scratch) / "source")
        kinds: dict[str, list[str]] = {"embed": []} | ({"embed --ray": _ray_options()} if options.ray else {})
        rates: dict[str, list[float]] = {"decoding and network": [], **{kind: [] for kind in kinds}}
        with ceiling(photos, dict(os.environ)) as alone:
            for _ in range(options.rounds):
                before = alone.measure(10, decoding=True)
                for kind, more in kinds.items():
                    rates[kind].append(_embed(source, Path(scratch) / "features", options.images, more))
                after = alone.measure(10, decoding=True)
                rates["decoding and network"].append((before.images + after.images) / (before.seconds + after.seconds))
    table = Table(title=f"{options.images} images a run, {options.rounds} rounds: medians")
    for name in ("", "images/s", "of decoding and network", "of embed"):
        table.add_column(name, justify="right" if name else "left")
    for kind, found in rates.items():
        table.add_row(
            kind,
            f"{statistics.median(found):.1f}",
            *(
                f"{statistics.median(one / other for one, other in zip(found, rates[base], strict=True)):.2f}"
                for base in ("decoding and network", "embed")
            ),
        )
    out.print(table)


def _repeat(photos: Path, count: int, folder: Path) -> Path:
    """Return a folder with so many photos."""
    files = sorted(photos.rglob("*.jpg"))
    folder.mkdir()
    for number in range(count):
        shutil.copyfile(files[number % len(files)], folder / f"{number:06}.jpg")
    return folder


def _ray_options() -> list[str]:
    actors = int(available_processors())
    return ["--ray", "--num-cpus", "1", "--actors", f"{actors}:{actors}"]


def _embed(source: Path, to: Path, count: int, more: Sequence[str]) -> float:
    """Return images per second, from the first shards that are done to the last."""
    shutil.rmtree(to, ignore_errors=True)
    command = [sys.executable, "-m", "lastlayer.featurizer", "embed", str(source), "--to", str(to)]
    subprocess.run([*command, "--shard-images", str(count // _SHARDS), *more], check=True, stdout=subprocess.DEVNULL)
    moments = sorted((to / "_run" / "done" / f"{shard:05}.json").stat().st_mtime for shard in range(_SHARDS))
    rows: int = sum(pq.read_metadata(file).num_rows for file in to.glob("*.parquet"))
    # Over Ray the first shards of all actors are done at about the same time.
    first = int(more[-1].partition(":")[0]) if more else 1
    return rows * (_SHARDS - first) / _SHARDS / (moments[-1] - moments[first - 1])


if __name__ == "__main__":
    main()
