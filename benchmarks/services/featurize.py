"""Prints how fast images become features: `python -m benchmarks.services.featurize`.

The ceilings are the network alone, on ready tensors (a) and with photos decoded beside it (b), in a process that does
nothing else. The service is a real featurizer process, called over gRPC. Both are measured in each configuration that
this machine has: as the featurizer chooses by default, and TensorFlow and OpenVINO, in float32, bfloat16 and int8
(which is made at the first start where it is not there, and which the default takes where it was there). `--rivals`
adds the same graph and photos behind MLServer, BentoML and a plain grpcio server (`make rivals` installs them).

All are alive at the same time and measured in turn, five rounds of each, so that what else the machine does weighs on
all alike; each number is the median of its rounds, each ratio one of the same round. The callers of each are a process
of their own.

The settings of the featurizer hold, such as LASTLAYER_BACKBONE and LASTLAYER_HOME, except engine and precision.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.load.photos import chosen_photos, read_photos
from benchmarks.load.processes import machine
from benchmarks.load.workers import Worker, WorkerError
from benchmarks.measured.comparison import table, wanted
from benchmarks.measured.contenders import CONFIGURATIONS, Configuration, Section, ours, theirs
from benchmarks.rivals.servers import Rival, RivalError, rivals, running

_ROUNDS = 5
_COMPARED_PHOTOS = 8
_MIN_COSINE = 0.999


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [configuration.name for configuration in CONFIGURATIONS]
    parser.add_argument("--photos", type=Path, help="a folder with JPEGs; made up, of 500 x 375, where not given")
    parser.add_argument("--seconds", type=float, default=2.5, help="how long each is measured in each round")
    parser.add_argument(
        "--configurations", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--rivals", action=argparse.BooleanOptionalAction, default=False, help="measure those too")
    options = parser.parse_args(arguments)
    # So that the processes are ended then, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    chosen = [configuration for configuration in CONFIGURATIONS if configuration.name in options.configurations]
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        photos = chosen_photos(options.photos, Path(scratch)).resolve()
        try:
            _measure(stack, chosen, photos, Path(scratch), options.seconds, with_rivals=options.rivals)
        except (RivalError, WorkerError) as error:
            sys.exit(str(error))


def _measure(
    stack: ExitStack,
    chosen: Sequence[Configuration],
    photos: Path,
    scratch: Path,
    seconds: float,
    *,
    with_rivals: bool,
) -> None:
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    files = read_photos(photos)
    out.print(f"photos: {len(files)}, {np.mean([len(file) for file in files]) / 1e3:.0f} kB each on average")
    compared = rivals(scratch / "backbone.json", scratch) if with_rivals else []
    sections: dict[str, Section] = {}
    callers: list[Worker] = []
    for configuration in chosen:
        if lacking := configuration.lacking():
            out.print(f"{configuration.name}: left out, as {lacking}")
            continue
        rows, calling = stack.enter_context(ours(configuration, photos, scratch, out.print))
        sections[configuration.name] = rows
        callers.append(calling)
    if not sections:
        sys.exit("This machine has none of these configurations.")
    others = _start(stack, compared, photos, scratch, callers[0], out)
    measured = [row for section in (*sections.values(), *others.values()) for row in section.values()]
    for row in measured:
        row.measure(seconds / 2)  # what is made at first use is made
    for _ in range(_ROUNDS):
        for row in measured:
            row.rounds.append(row.measure(seconds))
    out.print(table(sections, others))
    out.print(wanted(sections, others))


def _start(
    stack: ExitStack, compared: Sequence[Rival], photos: Path, scratch: Path, callers: Worker, out: Console
) -> Mapping[str, Section]:
    """Start the rivals, see that they compute what our callers get, and return their rows."""
    if compared:
        subprocess.run([sys.executable, "-m", "benchmarks.measured.backbone_file", scratch], check=True)
    found: dict[str, Section] = {}
    expected = _vectors(callers)
    for rival in compared:
        started = stack.enter_context(running(rival, photos, scratch))
        got = _vectors(started.callers)
        lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(got, axis=1)
        cosine = ((expected * got).sum(1) / lengths).min()
        if cosine < _MIN_COSINE:
            raise RivalError(f"{rival.name} computes other vectors than we: their cosine to ours is {cosine:.4f}.")
        out.print(
            f"{started.name}: TensorFlow {started.tensorflow}, {started.usage().resident_mb:.0f} MB when idle; its "
            f"vectors' cosine to ours is at least {cosine:.6f}"
        )
        found.setdefault(started.name, {}).update(theirs(started))
    return found


def _vectors(callers: Worker) -> np.ndarray:
    return np.array(callers.ask(vectors=_COMPARED_PHOTOS)["vectors"])


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
