"""Prints how fast images become features: `python -m benchmarks.featurize`.

The ceilings are the network alone, on ready tensors (a) and with photos decoded beside it (b), in a process that does
nothing else. The service is a real featurizer process, called over gRPC. All are measured in turn, five rounds of each,
so that what else the machine does weighs on all alike; each number is the median of its rounds.

The settings of the featurizer hold, such as LASTLAYER_BACKBONE and LASTLAYER_HOME.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.calls import Callers
from benchmarks.ceiling import Ceiling, Measured, ceiling
from benchmarks.photos import chosen_photos, read_photos
from benchmarks.processes import Usage, machine, usage
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc
from rpc.channel import channel_options
from tools.local import Service, free_port

_ROUNDS = 5
_START_TIMEOUT_S = 600.0


@dataclass
class _Row:
    """A thing that is measured, and its rounds."""

    name: str
    measure: Callable[[float], Awaitable[Measured]]
    usage: Callable[[], Usage]
    rounds: list[Measured] = field(default_factory=list)

    @property
    def rates(self) -> np.ndarray:
        """Images per second of each round."""
        return np.array([measured.images / measured.seconds for measured in self.rounds])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder with JPEGs; made up, of 500 x 375, where not given")
    parser.add_argument("--seconds", type=float, default=2.5, help="how long each is measured in each round")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(_measure(chosen_photos(options.photos, Path(scratch)), Path(scratch), options.seconds))


async def _measure(photos: Path, scratch: Path, seconds: float) -> None:
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    files = read_photos(photos)
    out.print(f"photos: {len(files)}, {np.mean([len(file) for file in files]) / 1e3:.0f} kB each on average")
    async with AsyncExitStack() as stack:
        rows = await _contenders(stack, photos, scratch, out)
        for row in rows:
            await row.measure(seconds / 2)  # what is made at first use is made
        for _ in range(_ROUNDS):
            for row in rows:
                row.rounds.append(await row.measure(seconds))
        out.print(_table(rows))


async def _contenders(stack: AsyncExitStack, photos: Path, scratch: Path, out: Console) -> list[_Row]:
    environment: Mapping[str, str] = {}
    alone = stack.enter_context(ceiling(photos, environment))
    batches = ", ".join(f"{rate:.0f} at {batch}" for batch, rate in alone.rates.items())
    out.print(f"the graph alone, images per second by batch: {batches}; (a) and (b) run {alone.best_batch}")
    address = f"127.0.0.1:{free_port()}"
    service = Service("featurizer", address, scratch / "featurizer.log", {**environment, "FEATURIZER_ADDRESS": address})
    service.start()
    stack.callback(service.stop)
    await asyncio.to_thread(service.wait_until_serving, _START_TIMEOUT_S)
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=channel_options()))
    stub = featurizer_pb2_grpc.FeaturizerStub(channel)
    backbone = await stub.GetBackbone(featurizer_pb2.GetBackboneRequest())
    out.print(f"backbone: {backbone.name}, {backbone.precision}, on {backbone.device}")
    out.print(f"resident when idle: {_resident(service).resident_mb:.0f} MB")
    callers = Callers(stub, read_photos(photos))
    return [
        _alone("(a) graph alone, ready tensors", alone, decoding=False),
        _alone("(b) decoding and graph", alone, decoding=True),
        _served("served: 1 caller", service, lambda seconds: callers.one_by_one(1, seconds)),
        _served("served: 16 callers", service, lambda seconds: callers.one_by_one(16, seconds)),
        _served("served: 1 stream", service, lambda seconds: callers.streams(1, seconds)),
        _served("served: 4 streams", service, lambda seconds: callers.streams(4, seconds)),
    ]


def _alone(name: str, alone: Ceiling, *, decoding: bool) -> _Row:
    async def measure(seconds: float) -> Measured:
        return await asyncio.to_thread(alone.measure, seconds, decoding=decoding)

    return _Row(name, measure, alone.usage)


def _served(name: str, service: Service, call: Callable[[float], Awaitable[tuple[int, float, list[float]]]]) -> _Row:
    async def measure(seconds: float) -> Measured:
        before = _resident(service).cpu_s
        images, elapsed, latencies = await call(seconds)
        return Measured(images, elapsed, _resident(service).cpu_s - before, latencies)

    return _Row(name, measure, lambda: _resident(service))


def _resident(service: Service) -> Usage:
    assert service.process is not None
    return usage(service.process.pid)


def _table(rows: Sequence[_Row]) -> Table:
    table = Table("", "images/s", "of (a)", "of (b)", "p50 ms", "p95 ms", "p99 ms", "CPU ms/image", "peak MB")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        # Ratios of the same round, as the machine is not the same at all times.
        ratios = [f"{np.median(row.rates / rows[ceiling].rates):.2f}" for ceiling in (0, 1)]
        latencies = np.concatenate([measured.latencies_s for measured in row.rounds])
        percentiles = [f"{value * 1e3:.0f}" for value in np.percentile(latencies, (50, 95, 99))]
        cpu = np.median([measured.cpu_s / measured.images for measured in row.rounds])
        table.add_row(
            row.name,
            f"{np.median(row.rates):.1f}",
            *ratios,
            *percentiles,
            f"{cpu * 1e3:.0f}",
            f"{row.usage().peak_mb:.0f}",
        )
    table.caption = f"medians of {_ROUNDS} rounds; latencies of a call: a batch, an image, or a message of 4 images"
    return table


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
