"""Prints what featurizers that have a processor each are to one that has two: `python -m benchmarks.services.replicas`.

One process is pinned to two processors, two others to one of them each, and called in turn: by 16 callers and over 4
streams, the two behind round-robin as the classifier calls them. The callers share the same two processors. The
settings of the featurizer hold, but for its precision.
"""

import argparse
import asyncio
import contextlib
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.load.calls import Callers
from benchmarks.load.photos import chosen_photos, read_photos
from benchmarks.load.processes import machine, usage
from lastlayer.featurizer.network.variants import reduced_precision
from lastlayer.local.services import Service, free_port
from lastlayer.rpc.channel import FEATURIZER_SERVICE, channel_options
from lastlayer.v1 import featurizer_pb2_grpc

_ROUNDS = 5
_START_TIMEOUT_S = 600.0
_CALLERS, _STREAMS = 16, 4


@dataclass
class _Load:
    """A way to call some processes, and its rounds."""

    name: str
    processes: Sequence[int]
    run: Callable[[float], Awaitable[tuple[int, float, list[float]]]]
    rates: list[float] = field(default_factory=list)
    """Images per second of each round."""
    cpu_s: list[float] = field(default_factory=list)
    """What the processes take for an image, in each round."""
    latencies_s: list[list[float]] = field(default_factory=list)

    async def round(self, seconds: float) -> None:
        """Load the processes for a while."""
        before = self._cpu_s()
        images, elapsed, latencies = await self.run(seconds)
        self.rates.append(images / elapsed)
        self.cpu_s.append((self._cpu_s() - before) / images)
        self.latencies_s.append(latencies)

    @property
    def peak_mb(self) -> float:
        """The most memory that the processes have had, together."""
        return sum(usage(process).peak_mb for process in self.processes)

    def _cpu_s(self) -> float:
        return sum(usage(process).cpu_s for process in self.processes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder with JPEGs; made up, of 500 x 375, where not given")
    parser.add_argument("--seconds", type=float, default=3, help="how long each is measured in each round")
    options = parser.parse_args(arguments)
    processors = sorted(os.sched_getaffinity(0))[:2]
    if len(processors) < 2:
        parser.error("this process may use one processor only; two are needed")
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    os.sched_setaffinity(0, processors)
    with tempfile.TemporaryDirectory() as scratch:
        photos = read_photos(chosen_photos(options.photos, Path(scratch)))
        for precision in ["float32"] + ["bfloat16"] * (reduced_precision(gpu=False) == "bfloat16"):
            with _featurizers(processors, precision, Path(scratch)) as groups:
                out.print(asyncio.run(_measure(groups, photos, options.seconds, precision)))


@contextlib.contextmanager
def _featurizers(processors: Sequence[int], precision: str, scratch: Path) -> Iterator[dict[str, list[Service]]]:
    """Run one featurizer with two processors, and two with one each, while the block lasts."""
    pins = {"one process": [set(processors)], "two processes": [{processor} for processor in processors]}
    groups: dict[str, list[Service]] = {name: [] for name in pins}
    with contextlib.ExitStack() as stack:
        for name, shares in pins.items():
            for share in shares:
                address = f"127.0.0.1:{free_port()}"
                environment = {"FEATURIZER_ADDRESS": address, "FEATURIZER_PRECISION": precision}
                service = Service("featurizer", address, scratch / "featurizer.log", environment)
                with _pinned(share):
                    service.start()
                stack.callback(service.stop)
                # One after the other: the first may have weights to fetch.
                service.wait_until_serving(_START_TIMEOUT_S)
                groups[name].append(service)
        yield groups


@contextlib.contextmanager
def _pinned(processors: set[int]) -> Iterator[None]:
    """Bind this thread to some processors while the block lasts, and with it the processes that it starts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _measure(groups: dict[str, list[Service]], photos: Sequence[bytes], seconds: float, precision: str) -> Table:
    loads: list[_Load] = []
    async with contextlib.AsyncExitStack() as stack:
        for name, services in groups.items():
            target = "ipv4:" + ",".join(service.address for service in services)
            options = channel_options(watched_service=FEATURIZER_SERVICE)
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(target, options=options))
            callers = Callers(featurizer_pb2_grpc.FeaturizerStub(channel), photos)
            processes = [service.process.pid for service in services if service.process is not None]
            loads += [
                _Load(f"{name}: {_CALLERS} callers", processes, lambda s, c=callers: c.one_by_one(_CALLERS, s)),  # type: ignore[misc]
                _Load(f"{name}: {_STREAMS} streams", processes, lambda s, c=callers: c.streams(_STREAMS, s)),  # type: ignore[misc]
            ]
        for load in loads:
            await load.run(seconds / 2)  # all connections are there, and what is made at first use
        for _ in range(_ROUNDS):
            for load in loads:
                await load.round(seconds)
        return _table(loads, precision)


def _table(loads: Sequence[_Load], precision: str) -> Table:
    table = Table("", "images/s", "of one process", "p50 ms", "p99 ms", "CPU ms/image", "peak MB", title=precision)
    for column in table.columns[1:]:
        column.justify = "right"
    for index, load in enumerate(loads):
        # Of the same round, as the machine is not the same at all times.
        ratio = np.median(np.array(load.rates) / np.array(loads[index % 2].rates))
        latencies = np.concatenate(load.latencies_s)
        table.add_row(
            load.name,
            f"{np.median(load.rates):.1f}",
            f"{ratio:.2f}",
            *(f"{np.percentile(latencies, percent) * 1e3:.0f}" for percent in (50, 99)),
            f"{np.median(load.cpu_s) * 1e3:.1f}",
            f"{load.peak_mb:.0f}",
        )
    table.caption = "medians of 5 rounds; latencies of a call: an image, or a message of 4 images"
    return table


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
